#include "client/command/topic_brokers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/lib/admin_client.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

using Names = std::vector<std::string>;

// SDKs give a send up after 3 s: none waits longer than that.
constexpr absl::Duration kHold = absl::Milliseconds(1500);
constexpr absl::Duration kLookAgain = absl::Milliseconds(50);
// Between two holds, in which what waited is sent.
constexpr absl::Duration kBreath = absl::Milliseconds(500);

// One change of one topic.
class Change {
 public:
  Change(client::AdminClient& admin, const BrokerChange& wanted) : admin_(admin), wanted_(wanted) {}

  absl::Status Do() {
    if (absl::Status s = Look(); !s.ok()) return s;
    const bool groups = topic_.mixed() || topic_.message_type() == v2::FIFO;
    if (!wanted_.add.empty()) return groups ? AddShare() : AddQueues(nullptr);
    if (absl::Status s = CheckDrain(); !s.ok()) return s;
    if (groups) return TakeShare();
    return Alter({wanted_.drain}, true, nullptr);
  }

 private:
  // What there is now.
  absl::Status Look() {
    const auto described = admin_.DescribeTopic(wanted_.topic);
    if (!described.ok()) return described.status();
    topic_ = described->topic();
    for (const v1::QueueStats& queue : described->queues()) {
      having_.insert(queue.broker());
      const v2::Permission permission = queue.permission();
      if (permission != v2::READ && permission != v2::NONE) taking_.insert(queue.broker());
    }
    sharing_.assign(topic_.brokers().begin(), topic_.brokers().end());
    if (sharing_.empty()) sharing_.assign(having_.begin(), having_.end());
    return absl::OkStatus();
  }

  absl::Status CheckDrain() const {
    if (!having_.contains(wanted_.drain)) {
      return WireError(v2::TOPIC_NOT_FOUND,
                       fmt::format("broker {} does not have topic {}; {} do", wanted_.drain,
                                   wanted_.topic, fmt::join(having_, ", ")));
    }
    std::set<std::string> others = taking_;
    others.erase(wanted_.drain);
    return others.empty() ? NobodyElse() : absl::OkStatus();
  }

  absl::Status NobodyElse() const {
    return WireError(v2::PRECONDITION_FAILED,
                     fmt::format("no other broker than {} takes sends to topic {}; add one with "
                                 "--add-broker first",
                                 wanted_.drain, wanted_.topic));
  }

  // Queues on the broker, or again after it was drained.
  absl::Status AddQueues(const Names* sharing) {
    if (having_.contains(wanted_.add)) return Alter({wanted_.add}, false, sharing);
    v1::TopicInfo topic = topic_;
    topic.clear_permission();
    topic.clear_brokers();
    topic.set_added(true);
    if (sharing != nullptr) topic.mutable_brokers()->Assign(sharing->begin(), sharing->end());
    const auto created = admin_.CreateTopic(topic, {wanted_.add});
    return created.ok() ? FromWire(created->status()) : created.status();
  }

  // Brokers that lose message groups learn of it first, so that no group ever has two owners.
  absl::Status AddShare() {
    Names after = sharing_;
    if (std::count(after.begin(), after.end(), wanted_.add) == 0) after.push_back(wanted_.add);
    std::sort(after.begin(), after.end());
    if (!having_.contains(wanted_.add)) {
      if (topic_.brokers().empty() && having_.size() == 1) {
        // It was on one broker, which takes all message groups; now it says so.
        if (absl::Status s = Alter(sharing_, std::nullopt, &sharing_); !s.ok()) return s;
      }
      // At first it has a share in nothing and passes sends on.
      if (absl::Status s = AddQueues(&sharing_); !s.ok()) return s;
    }
    Names losing = sharing_;
    std::erase(losing, wanted_.add);
    if (absl::Status s = Move(losing, {wanted_.add}, std::nullopt, after); !s.ok()) return s;
    if (absl::Status s = Alter({wanted_.add}, false, &after); !s.ok()) return s;
    return TellOthers(losing, &after);
  }

  absl::Status TakeShare() {
    Names after = sharing_;
    std::erase(after, wanted_.drain);
    if (after.empty()) return NobodyElse();
    if (absl::Status s = Move({wanted_.drain}, after, true, after); !s.ok()) return s;
    if (absl::Status s = Alter(after, std::nullopt, &after); !s.ok()) return s;
    return TellOthers(after, &after);
  }

  // Brokers that were drained before pass sends on: they have to know to whom.
  absl::Status TellOthers(const Names& told, const Names* sharing) {
    std::set<std::string> others = having_;
    for (const std::string& broker : told) others.erase(broker);
    others.erase(wanted_.add);
    others.erase(wanted_.drain);
    if (others.empty()) return absl::OkStatus();
    return Alter({others.begin(), others.end()}, std::nullopt, sharing);
  }

  absl::Status Alter(const Names& brokers, std::optional<bool> draining, const Names* sharing,
                     bool held = false) {
    v1::AlterTopicRequest request;
    request.set_name(wanted_.topic);
    request.mutable_brokers()->Assign(brokers.begin(), brokers.end());
    if (draining) request.set_draining(*draining);
    request.set_held(held);
    if (sharing != nullptr) {
      request.mutable_sharing()->mutable_brokers()->Assign(sharing->begin(), sharing->end());
    }
    const auto altered = admin_.AlterTopic(request);
    return altered.ok() ? FromWire(altered->status()) : altered.status();
  }

  absl::StatusOr<v1::HoldTopicResponse> Hold(const Names& brokers, absl::Duration time) {
    v1::HoldTopicRequest request;
    request.set_name(wanted_.topic);
    client::SetDuration(time, request.mutable_time());
    request.mutable_brokers()->Assign(brokers.begin(), brokers.end());
    auto held = admin_.HoldTopic(request);
    if (!held.ok()) return held.status();
    if (absl::Status s = FromWire(held->status()); !s.ok()) return s;
    return held;
  }

  // Takes message groups away from `losing` when FIFO consumers have finished what is there.
  absl::Status Move(const Names& losing, const Names& others, std::optional<bool> draining,
                    const Names& sharing) {
    const absl::Time end = absl::Now() + wanted_.wait;
    while (true) {
      if (absl::Status s = Finish(losing, others, end); !s.ok()) return s;
      const absl::Status s = Alter(losing, draining, &sharing, !wanted_.force);
      // Where the hold of one of them had ended before it heard of this.
      const v2::Code code = CodeOf(s);
      const bool late = code == v2::PRECONDITION_FAILED || code == v2::MULTIPLE_RESULTS;
      if (!late || absl::Now() >= end) return s;
    }
  }

  // Makes sends wait on all of these, until FIFO consumers have finished what is on `losing`.
  absl::Status Finish(const Names& losing, const Names& others, absl::Time end) {
    while (true) {
      if (auto held = Hold(others, kHold); !held.ok()) return held.status();
      auto held = Hold(losing, kHold);
      const absl::Time until = absl::Now() + kHold - kBreath;
      while (held.ok() && held->unfinished() > 0 && !wanted_.force && absl::Now() < until) {
        absl::SleepFor(kLookAgain);
        held = Hold(losing, until - absl::Now() + kBreath);
      }
      if (!held.ok()) return held.status();
      if (held->unfinished() == 0 || wanted_.force) return absl::OkStatus();
      (void)Hold(losing, absl::ZeroDuration());
      (void)Hold(others, absl::ZeroDuration());
      if (absl::Now() >= end) return NotFinished(*held);
      absl::SleepFor(kBreath);
    }
  }

  absl::Status NotFinished(const v1::HoldTopicResponse& held) const {
    return WireError(
        v2::PRECONDITION_FAILED,
        fmt::format(
            "message groups would change their broker while FIFO consumers have {} messages "
            "of topic {} to finish, those of group {} for example, and would come out of "
            "order; nothing was changed: try again when they have caught up, or add "
            "--force",
            held.unfinished(), wanted_.topic, held.group()));
  }

  client::AdminClient& admin_;
  const BrokerChange& wanted_;
  v1::TopicInfo topic_;
  std::set<std::string> having_;  // brokers with queues of it
  std::set<std::string> taking_;  // those of them that are not drained
  Names sharing_;
};

}  // namespace

int ChangeBrokers(const Context& context, const BrokerChange& change) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  if (absl::Status s = Change(**admin, change).Do(); !s.ok()) return Fail(context, s);
  if (!change.add.empty()) {
    PrintDone(context, {{"name", change.topic}, {"added", change.add}},
              fmt::format("topic {} has queues on broker {}", change.topic, change.add));
  } else {
    PrintDone(context, {{"name", change.topic}, {"draining", change.drain}},
              fmt::format("nothing is sent to topic {} on broker {} any more; its routes go when "
                          "the groups have finished what is there",
                          change.topic, change.drain));
  }
  return kOk;
}

}  // namespace mansio::command
