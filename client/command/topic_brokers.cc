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
#include "client/lib/identity.h"
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
  // `end`: until when FIFO consumers and other commands are waited for.
  Change(client::AdminClient& admin, const BrokerChange& wanted, absl::Time end)
      : admin_(admin), wanted_(wanted), end_(end), holder_(client::NewClientId()) {}

  // Whether it failed because another command is changing the topic, or some broker is away.
  bool in_the_way() const { return in_the_way_; }

  // Groups that some broker of the topic did not know, and are there now: nobody knows whether it
  // had missed that they were made, or another one that they were deleted.
  const Names& spread() const { return spread_; }

  absl::Status Do() {
    if (absl::Status s = Look(); !s.ok()) return s;
    if (absl::Status s = CompareGroups(); !s.ok()) return s;
    if (absl::Status s = TellConsumers(); !s.ok()) return s;
    const bool groups = topic_.mixed() || topic_.message_type() == v2::FIFO;
    if (!wanted_.add.empty()) return groups ? AddShare() : AddQueues(nullptr);
    if (absl::Status s = CheckDrain(); !s.ok()) return s;
    if (groups) return TakeShare();
    return Alter({wanted_.drain}, true, nullptr);
  }

 private:
  // What there is now.
  absl::Status Look() {
    auto described = admin_.DescribeTopic(wanted_.topic, /*with_consumers=*/true);
    if (!described.ok()) return described.status();
    if (absl::Status s = CheckAnswers(*described); !s.ok()) return s;
    topic_ = described->topic();
    consumers_.Swap(described->mutable_consumers());
    for (const v1::QueueStats& queue : described->queues()) {
      having_.insert(queue.broker());
      const v2::Permission permission = queue.permission();
      if (permission != v2::NONE || queue.broker() == wanted_.add) told_.insert(queue.broker());
      if (permission != v2::READ && permission != v2::NONE) taking_.insert(queue.broker());
    }
    sharing_.assign(topic_.brokers().begin(), topic_.brokers().end());
    if (sharing_.empty()) sharing_.assign(having_.begin(), having_.end());
    return absl::OkStatus();
  }

  // Groups that only a silent broker knows would lose what a drained one has.
  absl::Status CheckAnswers(const v1::DescribeTopicResponse& described) const {
    for (const v1::BrokerResult& result : described.results()) {
      const absl::Status said = FromWire(result.status());
      const v2::Code code = CodeOf(said);
      if (code == v2::OK || code == v2::PRECONDITION_FAILED) continue;  // it differs, but answers
      return WireError(code,
                       fmt::format("broker {} does not say which groups consume topic {} ({}); "
                                   "nothing was changed: try again when it answers, or is stopped",
                                   result.broker(), wanted_.topic, std::string(said.message())));
    }
    return absl::OkStatus();
  }

  absl::Status CompareGroups() {
    if (consumers_.empty() || having_.size() == 1) return absl::OkStatus();
    const auto groups = admin_.ListGroups();
    if (!groups.ok()) return groups.status();
    std::set<std::string> consuming;
    for (const v1::GroupInfo& group : consumers_) consuming.insert(group.name());
    for (const v1::GroupOverview& group : groups->groups()) {
      const std::set<std::string> knowing(group.brokers().begin(), group.brokers().end());
      const bool all =
          std::includes(knowing.begin(), knowing.end(), having_.begin(), having_.end());
      if (!all && consuming.contains(group.group().name())) {
        spread_.push_back(group.group().name());
      }
    }
    return absl::OkStatus();
  }

  // A group may have missed a broker of the topic: it was offline since that one was added, or that
  // one was away. What is there is nevertheless for that group, and counts as unfinished. Brokers
  // that are finished stay so: what they still keep is no new group's.
  absl::Status TellConsumers() {
    if (consumers_.empty() || having_.size() == 1 || told_.empty()) return absl::OkStatus();
    v1::AlterTopicRequest request;
    request.set_name(wanted_.topic);
    request.mutable_brokers()->Assign(told_.begin(), told_.end());
    *request.mutable_consumers() = consumers_;
    const auto told = admin_.AlterTopic(request);
    return told.ok() ? FromWire(told->status()) : told.status();
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
    v1::CreateTopicRequest request;
    request.add_brokers(wanted_.add);
    *request.mutable_consumers() = consumers_;
    v1::TopicInfo& topic = *request.mutable_topic();
    topic = topic_;
    topic.clear_permission();
    topic.clear_brokers();
    topic.set_added(true);
    if (sharing != nullptr) topic.mutable_brokers()->Assign(sharing->begin(), sharing->end());
    const auto created = admin_.CreateTopic(request);
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
    request.set_holder(holder_);
    if (sharing != nullptr) {
      request.mutable_sharing()->mutable_brokers()->Assign(sharing->begin(), sharing->end());
    }
    const auto altered = admin_.AlterTopic(request);
    return altered.ok() ? FromWire(altered->status()) : altered.status();
  }

  absl::StatusOr<v1::HoldTopicResponse> Hold(const Names& brokers, absl::Duration time) {
    auto held = AskHold(brokers, time);
    absl::Status s = held.ok() ? FromWire(held->status()) : held.status();
    in_the_way_ = CodeOf(s) == v2::PRECONDITION_FAILED || CodeOf(s) == v2::MULTIPLE_RESULTS;
    return s.ok() ? std::move(held) : s;
  }

  void Release(const Names& losing, const Names& others) {
    (void)AskHold(losing, absl::ZeroDuration());
    (void)AskHold(others, absl::ZeroDuration());
  }

  absl::StatusOr<v1::HoldTopicResponse> AskHold(const Names& brokers, absl::Duration time) {
    v1::HoldTopicRequest request;
    request.set_name(wanted_.topic);
    client::SetDuration(time, request.mutable_time());
    request.mutable_brokers()->Assign(brokers.begin(), brokers.end());
    request.set_holder(holder_);
    return admin_.HoldTopic(request);
  }

  // Takes message groups away from `losing` when FIFO consumers have finished what is there.
  absl::Status Move(const Names& losing, const Names& others, std::optional<bool> draining,
                    const Names& sharing) {
    while (true) {
      if (absl::Status s = Finish(losing, others); !s.ok()) {
        Release(losing, others);
        return s;
      }
      const absl::Status s = Alter(losing, draining, &sharing, !wanted_.force);
      // Where the hold of one of them had ended before it heard of this.
      const v2::Code code = CodeOf(s);
      const bool late = code == v2::PRECONDITION_FAILED || code == v2::MULTIPLE_RESULTS;
      if (!late || absl::Now() >= end_) return s;
    }
  }

  // Makes sends wait on all of these, until FIFO consumers have finished what is on `losing`.
  absl::Status Finish(const Names& losing, const Names& others) {
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
      Release(losing, others);
      if (absl::Now() >= end_) return NotFinished(*held);
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
  const absl::Time end_;
  const std::string holder_;
  bool in_the_way_ = false;
  v1::TopicInfo topic_;
  google::protobuf::RepeatedPtrField<v1::GroupInfo> consumers_;
  std::set<std::string> having_;  // brokers with queues of it
  std::set<std::string> taking_;  // those of them that are not drained
  std::set<std::string> told_;    // those of them whose routes have not gone, or come again
  Names sharing_;
  Names spread_;
};

// Each time anew from what there is: what another command has done counts.
absl::Status DoInTurn(client::AdminClient& admin, const BrokerChange& wanted, Names* spread) {
  const absl::Time end = absl::Now() + wanted.wait;
  while (true) {
    Change change(admin, wanted, end);
    absl::Status s = change.Do();
    if (spread->empty()) *spread = change.spread();
    if (!change.in_the_way() || absl::Now() >= end) return s;
    absl::SleepFor(kBreath);
  }
}

}  // namespace

int ChangeBrokers(const Context& context, const BrokerChange& change) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Names spread;
  const absl::Status done = DoInTurn(**admin, change, &spread);
  if (!spread.empty()) {
    context.Say(fmt::format(
        "Not every broker of topic {0} knew its consumer groups {1}; they get what is there "
        "on each. Delete again what was deleted while a broker was away, or nobody finishes it: "
        "mansio group delete {2}",
        change.topic, fmt::join(spread, ", "), spread.front()));
  }
  if (!done.ok()) return Fail(context, done);
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
