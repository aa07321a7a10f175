#include "broker/consumption/receive_operation.h"

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/consumption/cold_scan.h"
#include "broker/message/wire_writer.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr uint32_t kResponseTimestampField = 3;  // ReceiveMessageResponse.delivery_timestamp

// After a search has failed, the next receive searches.
constexpr int64_t kSearchAgainMs = 100;

absl::Status NothingFound() {
  return WireError(v2::MESSAGE_NOT_FOUND, "no message came within the polling time");
}

}  // namespace

ReceiveOperation::ReceiveOperation(ConsumptionContext& context, rpc::ServerStreamCall& call,
                                   ReceiveRequest request, uint64_t owner)
    : context_(context),
      call_(call),
      request_(std::move(request)),
      owner_(owner),
      give_up_ms_(context.time.PassedMillis() + absl::ToInt64Milliseconds(request_.polling)) {}

void ReceiveOperation::Begin() {
  topic_ = context_.metadata.FindTopic(request_.topic);
  if (topic_ == nullptr || topic_->kind == TopicKind::kRetry) {
    return Answer(WireError(v2::TOPIC_NOT_FOUND,
                            fmt::format("topic {} does not exist on this broker", request_.topic)),
                  {});
  }
  call_.OnCancel([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Cancelled();
  });
  context_.metadata.EnsureGroup(
      request_.group, [self = shared_from_this()](absl::StatusOr<GroupPtr> group) {
        self->call_.Post([self, group = std::move(group)] { self->JoinGroup(group); });
      });
}

void ReceiveOperation::JoinGroup(absl::StatusOr<GroupPtr> group) {
  if (!group.ok()) return FixPosition(std::move(group));
  context_.members.Join(
      *group, *gateway::ClientId(call_),
      [self = shared_from_this()](absl::StatusOr<GroupPtr> place) {
        self->call_.Post([self, place = std::move(place)] { self->FixPosition(place); });
      });
}

void ReceiveOperation::FixPosition(absl::StatusOr<GroupPtr> group) {
  if (!group.ok()) return Answer(AppendRefused(group.status()), {});
  group_ = *group;
  context_.positions.Ensure(group_, topic_,
                            [self = shared_from_this()](const absl::Status& status) {
                              self->call_.Post([self, status] {
                                if (!status.ok()) return self->Answer(AppendRefused(status), {});
                                self->Attempt();
                              });
                            });
}

void ReceiveOperation::Attempt() {
  if (call_.Cancelled()) return PassOn();
  // Without a position there is nothing to wait for: the attempt says what was deleted.
  if (context_.metadata.IsPaused(request_.group) && HasPosition()) return Park();
  absl::Status refused;
  const TakeOutcome outcome = TakeAndLog(&refused);
  if (absl::IsCancelled(refused)) return PassOn();
  if (!refused.ok()) return Answer(refused, {});
  cold_.reset();
  if (!taken_.empty()) {
    if (outcome.more) context_.waiting.WakeGroup(group_->id, topic_->id, 1);
    if (held_) Read();
    return;  // or LeaseAppend goes on
  }
  if ((outcome.cold_queue.has_value() || outcome.more) && ScansTooLong()) return PassOn();
  if (outcome.cold_queue.has_value()) {
    if (!ClaimScan()) return Park();
    return LoadCold(*outcome.cold_queue, outcome.cold_from);
  }
  if (outcome.more) {  // looked past many unwanted messages; let other calls run before going on
    return call_.Post([self = shared_from_this()] { self->Attempt(); });
  }
  Park();
}

bool ReceiveOperation::HasPosition() const {
  const GroupProgressPtr progress = context_.state.Find(group_->id);
  if (progress == nullptr) return false;
  MutexLock lock(&progress->mutex);
  return progress->topics.contains(topic_->id);
}

// The search for what a filter wants ends with the polling time, as waiting does; the next receive
// goes on where it ended. One round more is for receives that do not want to wait at all.
bool ReceiveOperation::ScansTooLong() {
  return context_.time.PassedMillis() >= give_up_ms_ && ++late_rounds_ > 1;
}

void ReceiveOperation::PassOn() {
  context_.waiting.WakeGroup(group_->id, topic_->id, 1);
  AnswerNothing();
}

void ReceiveOperation::LoadCold(store::QueueKey queue, store::QueueOffset from) {
  const bool queued = context_.store().RunCold([self = shared_from_this(), queue, from] {
    auto cold =
        ScanCold(self->context_.store(), queue, from, *self->request_.filter, self->request_.batch);
    self->call_.Post([self, cold = std::move(cold)]() mutable {
      if (!cold.ok() && !absl::IsOutOfRange(cold.status())) {
        return self->FailScan(
            WireError(v2::INTERNAL_SERVER_ERROR, std::string(cold.status().message())));
      }
      self->ReleaseScan();
      if (cold.ok()) self->cold_ = *std::move(cold);
      self->Attempt();
    });
  });
  if (!queued) {
    FailScan(WireError(v2::TOO_MANY_REQUESTS,
                       "too many reads of old messages wait for the disk; try again later"));
  }
}

bool ReceiveOperation::ClaimScan() {
  if (!request_.filter->reads_messages()) return true;
  const GroupProgressPtr progress = context_.state.Find(group_->id);
  if (progress == nullptr) return true;  // deleted meanwhile, which the next attempt says
  MutexLock lock(&progress->mutex);
  const auto topic = progress->topics.find(topic_->id);
  if (topic == progress->topics.end()) return true;
  if (topic->second.scanning()) return false;
  topic->second.set_scanning(true);
  scanning_ = true;
  return true;
}

void ReceiveOperation::ReleaseScan() {
  if (!scanning_) return;
  scanning_ = false;
  const GroupProgressPtr progress = context_.state.Find(group_->id);
  if (progress == nullptr) return;
  MutexLock lock(&progress->mutex);
  const auto topic = progress->topics.find(topic_->id);
  if (topic != progress->topics.end()) topic->second.set_scanning(false);
}

void ReceiveOperation::FailScan(const absl::Status& status) {
  const bool others_wait = scanning_;
  ReleaseScan();
  if (others_wait) {
    // At once, the same failure would end one after the other.
    context_.timers.ScheduleAfter(
        kSearchAgainMs, [&waiting = context_.waiting, group = group_->id, topic = topic_->id] {
          waiting.WakeGroup(group, topic, 1);
        });
  }
  Answer(status, {});
}

void ReceiveOperation::Park() {
  const int64_t left = give_up_ms_ - context_.time.PassedMillis();
  if (context_.stopping || left <= 0 || !unreadable_.ok()) return AnswerNothing();
  if (!timer_set_) {
    timer_set_ = true;
    timer_ = context_.timers.ScheduleAfter(left, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->TimeOut();
    });
  }
  if (!context_.waiting.Park(group_->id, topic_->id, shared_from_this())) {
    return Answer(WireError(v2::TOO_MANY_REQUESTS,
                            fmt::format("polling full: {} receives wait on this broker, its limit "
                                        "(limits.parked-receives)",
                                        context_.options.max_parked_receives)),
                  {});
  }
  // What came between the attempt and now woke nobody, as nobody was parked.
  bool again =
      context_.stopping || call_.Cancelled() || context_.time.PassedMillis() >= give_up_ms_;
  if (const GroupProgressPtr progress = context_.state.Find(group_->id); progress == nullptr) {
    again = true;
  } else {
    MutexLock lock(&progress->mutex);
    const auto topic = progress->topics.find(topic_->id);
    // Whoever scans wakes another when it has found something or gives up.
    again = again || topic == progress->topics.end() ||
            (!context_.metadata.IsPaused(request_.group) && !topic->second.scanning() &&
             topic->second.HasMore(context_.store(), topic_->id, progress->RetryOf(topic_->id)));
  }
  if (again && context_.waiting.Remove(this)) {
    call_.Post([self = shared_from_this()] { self->Attempt(); });
  }
}

void ReceiveOperation::Wake() {
  call_.Post([self = shared_from_this()] {
    // It may have been altered while the receive was parked.
    if (TopicPtr topic = self->context_.metadata.FindTopic(self->topic_->id)) {
      self->topic_ = std::move(topic);
    }
    self->Attempt();
  });
}

void ReceiveOperation::TimeOut() {
  if (!context_.waiting.Remove(this)) return;  // Park looks at the time itself
  call_.Post([self = shared_from_this()] { self->AnswerNothing(); });
}

void ReceiveOperation::Cancelled() {
  if (context_.waiting.Remove(this)) AnswerNothing();
}

void ReceiveOperation::AnswerNothing() {
  if (unreadable_.ok()) return Answer(NothingFound(), {});
  Answer(WireError(v2::INTERNAL_SERVER_ERROR,
                   fmt::format("messages of topic {} cannot be read now: {}; they are delivered "
                               "once they can be",
                               request_.topic, std::string(unreadable_.message()))),
         {});
}

void ReceiveOperation::NoteRefusal(const absl::Status& status) {
  const std::string_view client = *gateway::ClientId(call_);
  if (status.ok() || CodeOf(status) == v2::MESSAGE_NOT_FOUND) {
    return context_.refusals.Forget(request_.group, request_.topic, client);
  }
  context_.refusals.Note(request_.group, {request_.topic, std::string(client), RefusalText(status),
                                          context_.time.NowMillis()});
}

void ReceiveOperation::Answer(const absl::Status& status, std::vector<rpc::Payload> messages) {
  if (finished_) return;
  finished_ = true;
  if (timer_set_) context_.timers.Cancel(timer_);
  NoteRefusal(status);
  std::vector<rpc::Payload> elements;
  elements.reserve(messages.size() + 2);
  elements.push_back(gateway::StatusResponse(status));
  for (rpc::Payload& message : messages) elements.push_back(std::move(message));
  WireWriter timestamp;
  timestamp.Bytes(kResponseTimestampField, EncodeMillis(context_.time.NowMillis()));
  elements.push_back(rpc::Payload(timestamp.Take()));
  const bool delivering = status.ok();
  call_.Finish(std::move(elements), [self = shared_from_this(), delivering](bool written) {
    if (delivering && !written) self->context_.leases.GiveBack(self->group_->id, self->taken_);
  });
}

}  // namespace mansio::broker
