#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/consumption/receive_operation.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"

// How a receive takes messages: the decision, its claims and its record in the log.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Of each queue of a FIFO group the first message that the records of one take passed.
using FirstPassed = std::vector<std::pair<store::QueueKey, store::QueueOffset>>;

FirstPassed FirstPassedIn(const std::vector<LeaseRecord>& records) {
  FirstPassed first;
  for (const LeaseRecord& record : records) {
    for (const QueueOffsets& q : record.queues) {
      if (!q.passed.empty()) first.push_back({{record.topic, q.queue}, q.passed[0].offset});
    }
  }
  return first;
}

void TakeBackFrom(const FirstPassed& first, GroupProgress& group)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex) {
  for (const auto& [key, offset] : first) {
    if (QueueProgress* queue = group.Appended(key)) queue->TakeBackFrom(offset);
  }
}

// After a record failed on its way, look again then.
constexpr int64_t kLookAgainMs = 1000;

QueueOrder OrderOf(const TopicRecord& topic, const GroupRecord& group) {
  if (topic.type != MessageType::kPriority || group.fifo) return QueueOrder::kTurns;
  return topic.priority_guard ? QueueOrder::kGuardedPriority : QueueOrder::kPriority;
}

// Cursors that passed over messages: nobody waits for them.
class PassedAppend : public store::Append {
 public:
  PassedAppend(ConsumptionContext& context, GroupProgressPtr group, uint32_t topic,
               const std::vector<LeaseRecord>& records)
      : context_(context),
        group_(std::move(group)),
        topic_(topic),
        passed_(FirstPassedIn(records)) {}
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {
    if (passed_.empty()) return;  // the next record passes over them, too
    {
      MutexLock lock(&group_->mutex);
      TakeBackFrom(passed_, *group_);
    }
    // What comes free of them wakes nobody now: its receive is parked and has to look again.
    context_.timers.ScheduleAfter(
        kLookAgainMs, [&waiting = context_.waiting, group = group_->id, topic = topic_] {
          waiting.WakeGroup(group, topic, 1);
        });
  }

 private:
  ConsumptionContext& context_;
  const GroupProgressPtr group_;
  const uint32_t topic_;
  const FirstPassed passed_;
};

}  // namespace

// The lease of what one receive took. Its place in the log is waited for, its durability is not: a
// lost lease means a duplicate, which at-least-once allows (design section 6).
class ReceiveOperation::LeaseAppend : public store::Append {
 public:
  LeaseAppend(std::shared_ptr<ReceiveOperation> operation, GroupProgressPtr progress,
              const std::vector<LeaseRecord>& records, size_t fresh)
      : operation_(std::move(operation)),
        progress_(std::move(progress)),
        claim_(&operation_->context_.state, progress_, fresh),
        passed_(FirstPassedIn(records)) {
    for (const LeaseRecord& record : records) topics_.push_back(record.topic);
  }

  void Appended(const store::AppendResult& result) override {
    appended_ = true;
    {
      MutexLock lock(&progress_->mutex);
      for (TakenMessage& m : operation_->taken_) {
        m.lease = result.PositionOf(RecordOf(m.queue.topic));
        if (QueueProgress* queue = progress_->Appended(m.queue))
          queue->LeaseAppended(m.offset, m.lease);
      }
    }
    ReceiveOperation* operation = operation_.get();
    operation->call_.Post([operation = std::move(operation_)] { operation->Read(); });
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status& status) override {
    if (appended_) return;  // it was answered; the store has stopped
    TakeBack();
    ReceiveOperation* operation = operation_.get();
    operation->call_.Post([operation = std::move(operation_), status] {
      operation->Answer(AppendRefused(status), {});
    });
  }

 private:
  void TakeBack() {
    MutexLock lock(&progress_->mutex);
    for (const TakenMessage& m : operation_->taken_) {
      if (QueueProgress* queue = progress_->Appended(m.queue)) queue->TakeBack(m.offset);
    }
    TakeBackFrom(passed_, *progress_);
  }
  // Which of the append's records leases messages of `topic`.
  size_t RecordOf(uint32_t topic) const {
    return static_cast<size_t>(std::find(topics_.begin(), topics_.end(), topic) - topics_.begin());
  }

  std::shared_ptr<ReceiveOperation> operation_;
  const GroupProgressPtr progress_;
  const ConsumptionState::LeaseClaim claim_;
  const FirstPassed passed_;
  std::vector<uint32_t> topics_;
  bool appended_ = false;
};

// TOO_MANY_REQUESTS when there were messages and only the limits have kept them back.
absl::Status ReceiveOperation::AtLimit(const TakeOutcome& outcome) const {
  if (outcome.at_group_limit) {
    return WireError(v2::TOO_MANY_REQUESTS,
                     fmt::format("group {} has {} messages handed out and not acknowledged, the "
                                 "limit of a group (limits.leases-per-group); acknowledge some "
                                 "first",
                                 request_.group, context_.options.max_group_leases));
  }
  if (outcome.at_queue_limit) {
    return WireError(
        v2::TOO_MANY_REQUESTS,
        fmt::format("group {} has {} messages of a queue of topic {} handed out and "
                    "not acknowledged, the limit of a queue "
                    "(limits.leases-per-queue); acknowledge some first",
                    request_.group, context_.options.max_queue_leases, request_.topic));
  }
  return absl::OkStatus();
}

TakeRequest ReceiveOperation::NewTake(size_t leases) const {
  const int64_t now = context_.time.NowMillis();
  const absl::Duration life =
      request_.auto_renew ? context_.options.max_auto_renew : request_.invisible;
  TakeRequest take;
  take.filter = request_.filter.get();
  take.max = std::min(request_.batch, context_.options.max_leases - leases);
  take.max_bytes = context_.options.max_answer_bytes;
  take.lease = {{},
                now + absl::ToInt64Milliseconds(life),
                owner_,
                1,
                request_.auto_renew,
                now,
                now,
                request_.attempt_id};
  take.cold = cold_.has_value() ? &*cold_ : nullptr;
  if (topic_->kind == TopicKind::kDeadLetter) take.dead_letters = &context_.dead_letters;
  take.order = OrderOf(*topic_, *group_);
  return take;
}

std::unique_ptr<store::Append> ReceiveOperation::NewAppend(const GroupProgressPtr& progress,
                                                           TakeOutcome& outcome,
                                                           int64_t deadline_ms) {
  std::vector<LeaseRecord>& records = outcome.records;
  std::unique_ptr<store::Append> append;
  if (taken_.empty()) {
    append = std::make_unique<PassedAppend>(context_, progress, topic_->id, records);
  } else {
    append = std::make_unique<LeaseAppend>(shared_from_this(), progress, records, outcome.fresh);
  }
  for (LeaseRecord& record : records) {
    record.group = group_->id;
    record.auto_renew = request_.auto_renew;
    record.owner = owner_;
    record.deadline_ms = deadline_ms;
    if (group_->fifo) record.attempt_id = request_.attempt_id;
    append->AddRecord(kLeaseRecord, record.Encode());
  }
  return append;
}

TakeOutcome ReceiveOperation::TakeAndLog(absl::Status* refused) {
  taken_.clear();
  TakeOutcome outcome;
  const size_t leases = context_.state.leases();
  if (leases >= context_.options.max_leases) {
    *refused =
        WireError(v2::TOO_MANY_REQUESTS,
                  fmt::format("{} messages are handed out and not acknowledged, the limit of "
                              "this broker (limits.leases); acknowledge some first",
                              context_.options.max_leases));
    return outcome;
  }
  const GroupProgressPtr progress = context_.state.Find(group_->id);
  if (progress == nullptr) {
    *refused = WireError(v2::CONSUMER_GROUP_NOT_FOUND,
                         fmt::format("group {} was deleted", request_.group));
    return outcome;
  }
  TakeRequest take = NewTake(leases);
  MutexLock lock(&progress->mutex);
  const size_t group_limit = context_.options.max_group_leases;
  take.max_new = group_limit - std::min(group_limit, progress->leases + progress->claimed_leases);
  take.max_queue_leases = context_.options.max_queue_leases;
  const auto topic = progress->topics.find(topic_->id);
  if (topic == progress->topics.end()) {
    *refused = WireError(v2::TOPIC_NOT_FOUND, fmt::format("topic {} was deleted", request_.topic));
    return outcome;
  }
  // Under the lock: a client that dies after this finds its leases here (LeaseKeeper).
  if (!context_.clients.IsAlive(owner_)) {
    *refused = absl::CancelledError("the client is dead");
    return outcome;
  }
  const std::optional<RetryQueue> retry = progress->RetryOf(topic_->id);
  TopicProgress::Notes& notes = topic->second.notes();
  const int64_t now = take.lease.delivered_ms;
  outcome = topic->second.Take(
      context_.store(), topic_->id, retry, take,
      [this, &notes, now](store::QueueKey queue, uint64_t count) {
        notes.missed += count;
        notes.missed_ms = now;
        LOG_WARNING(
            "group {} missed {} messages of topic {} queue {}: retention deleted them before the group "
            "came to them; it goes on at the oldest one there is",
            request_.group, count, request_.topic, queue.queue);
      });
  notes.asked_ms = now;
  notes.passed_over = outcome.taken.empty() ? notes.passed_over + outcome.passed_over : 0;
  if (outcome.passed_over > 0) notes.filter = request_.filter_text;
  if (outcome.taken.empty() && !outcome.cold_queue.has_value()) *refused = AtLimit(outcome);
  taken_ = outcome.taken;
  held_ = outcome.records.empty() && !taken_.empty();
  if (outcome.records.empty()) return outcome;
  auto append = NewAppend(progress, outcome, take.lease.deadline_ms);
  if (absl::Status status = context_.store().Submit(std::move(append)); !status.ok()) {
    topic->second.Undo(outcome, retry);
    taken_.clear();
    *refused = AppendRefused(status);
  }
  return outcome;
}

}  // namespace mansio::broker
