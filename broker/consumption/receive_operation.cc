#include "broker/consumption/receive_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/consumption/cold_scan.h"
#include "broker/consumption/expiry.h"
#include "broker/consumption/receipt_handle.h"
#include "broker/message/stored_message.h"
#include "broker/message/wire_writer.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr uint32_t kResponseTimestampField = 3;  // ReceiveMessageResponse.delivery_timestamp

absl::Status NothingFound() {
  return WireError(v2::MESSAGE_NOT_FOUND, "no message came within the polling time");
}

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
    context_.timers.Schedule(context_.time.NowMillis() + kLookAgainMs,
                             [&waiting = context_.waiting, group = group_->id, topic = topic_] {
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
              const std::vector<LeaseRecord>& records)
      : operation_(std::move(operation)),
        progress_(std::move(progress)),
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
  const FirstPassed passed_;
  std::vector<uint32_t> topics_;
  bool appended_ = false;
};

ReceiveOperation::ReceiveOperation(ConsumptionContext& context, rpc::ServerStreamCall& call,
                                   ReceiveRequest request, uint64_t owner)
    : context_(context),
      call_(call),
      request_(std::move(request)),
      owner_(owner),
      give_up_ms_(context.time.NowMillis() + absl::ToInt64Milliseconds(request_.polling)) {}

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
  if (context_.metadata.IsPaused(request_.group)) return Park();
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

// The search for what a filter wants ends with the polling time, as waiting does; the next receive
// goes on where it ended. One round more is for receives that do not want to wait at all.
bool ReceiveOperation::ScansTooLong() {
  return context_.time.NowMillis() >= give_up_ms_ && ++late_rounds_ > 1;
}

void ReceiveOperation::PassOn() {
  context_.waiting.WakeGroup(group_->id, topic_->id, 1);
  AnswerNothing();
}

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
  take.order = OrderOf(*topic_, *group_);

  MutexLock lock(&progress->mutex);
  const size_t group_limit = context_.options.max_group_leases;
  take.max_new = group_limit - std::min(group_limit, progress->leases);
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
  outcome = topic->second.Take(
      context_.store(), topic_->id, retry, take, [this](store::QueueKey queue, uint64_t count) {
        LOG_WARNING(
            "group {} missed {} messages of topic {} queue {}: retention deleted them before the group "
            "came to them; it goes on at the oldest one there is",
            request_.group, count, request_.topic, queue.queue);
      });
  if (outcome.taken.empty() && !outcome.cold_queue.has_value()) *refused = AtLimit(outcome);
  held_ = outcome.records.empty() && !outcome.taken.empty();
  if (held_) taken_ = outcome.taken;
  if (outcome.records.empty()) return outcome;
  std::unique_ptr<store::Append> append;
  if (outcome.taken.empty()) {
    append = std::make_unique<PassedAppend>(context_, progress, topic_->id, outcome.records);
  } else {
    taken_ = outcome.taken;
    append = std::make_unique<LeaseAppend>(shared_from_this(), progress, outcome.records);
  }
  for (LeaseRecord& record : outcome.records) {
    record.group = group_->id;
    record.auto_renew = request_.auto_renew;
    record.owner = owner_;
    record.deadline_ms = take.lease.deadline_ms;
    if (group_->fifo) record.attempt_id = request_.attempt_id;
    append->AddRecord(kLeaseRecord, record.Encode());
  }
  if (absl::Status status = context_.store().Submit(std::move(append)); !status.ok()) {
    topic->second.Undo(outcome, retry);
    taken_.clear();
    *refused = AppendRefused(status);
  }
  return outcome;
}

void ReceiveOperation::LoadCold(store::QueueKey queue, store::QueueOffset from) {
  const bool queued = context_.store().RunCold([self = shared_from_this(), queue, from] {
    auto cold =
        ScanCold(self->context_.store(), queue, from, *self->request_.filter, self->request_.batch);
    self->call_.Post([self, cold = std::move(cold)]() mutable {
      self->ReleaseScan();
      if (cold.ok()) {
        self->cold_ = *std::move(cold);
      } else if (!absl::IsOutOfRange(cold.status())) {
        return self->Answer(
            WireError(v2::INTERNAL_SERVER_ERROR, std::string(cold.status().message())), {});
      }
      self->Attempt();
    });
  });
  if (!queued) {
    ReleaseScan();
    Answer(WireError(v2::TOO_MANY_REQUESTS,
                     "too many reads of old messages wait for the disk; try again later"),
           {});
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

void ReceiveOperation::Park() {
  if (context_.stopping || context_.time.NowMillis() >= give_up_ms_) return AnswerNothing();
  if (!timer_set_) {
    timer_set_ = true;
    timer_ = context_.timers.Schedule(give_up_ms_, [weak = weak_from_this()] {
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
  bool again = context_.stopping || call_.Cancelled() || context_.time.NowMillis() >= give_up_ms_;
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

void ReceiveOperation::Read() {
  std::vector<absl::StatusOr<store::StoredMessage>> messages;
  messages.reserve(taken_.size());
  for (const TakenMessage& m : taken_) {
    if (m.entry.size == 0) {
      messages.push_back(absl::NotFoundError("retention has deleted the message"));
      continue;
    }
    auto hot = context_.store().HotMessage(m.queue, m.offset, m.entry);
    if (!hot.has_value()) return ReadCold();
    messages.push_back(*std::move(hot));
  }
  Deliver(std::move(messages));
}

void ReceiveOperation::ReadCold() {
  const bool queued = context_.store().RunCold([self = shared_from_this()] {
    std::vector<absl::StatusOr<store::StoredMessage>> messages;
    for (const TakenMessage& m : self->taken_) {
      if (m.entry.size == 0) {
        messages.push_back(absl::NotFoundError("retention has deleted the message"));
      } else {
        messages.push_back(self->context_.store().ReadMessage(m.queue, m.offset, m.entry));
      }
    }
    self->call_.Post(
        [self, messages = std::move(messages)]() mutable { self->Deliver(std::move(messages)); });
  });
  if (queued) return;
  context_.leases.GiveBack(group_->id, taken_);
  Answer(WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later"),
         {});
}

void ReceiveOperation::Deliver(std::vector<absl::StatusOr<store::StoredMessage>> messages) {
  if (call_.Cancelled()) {
    context_.leases.GiveBack(group_->id, taken_);
    return AnswerNothing();
  }
  std::vector<rpc::Payload> payloads;
  std::vector<TakenMessage> unwanted;
  std::vector<TakenMessage> expired;
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (absl::IsDataLoss(messages[i].status())) {
      LOG_ERROR("topic {} queue {} offset {} cannot be delivered: {}", request_.topic,
                taken_[i].queue.queue, taken_[i].offset,
                std::string(messages[i].status().message()));
      continue;
    }
    const absl::StatusOr<StoredContent> content =
        messages[i].ok() ? DecodeContent(messages[i]->view.content)
                         : absl::StatusOr<StoredContent>(messages[i].status());
    // What was delivered before to a receive with the same attempt id may be in work.
    if (content.ok() && !held_ &&
        HasExpired(*topic_, *content, messages[i]->view.store_time,
                   taken_[i].queue.topic != topic_->id, context_.time.NowMillis())) {
      expired.push_back(taken_[i]);
    } else if (auto payload = Encode(taken_[i], content, messages[i])) {
      payloads.push_back(*std::move(payload));
    } else {
      unwanted.push_back(taken_[i]);
    }
  }
  context_.leases.Discard(group_->id, unwanted);
  if (!payloads.empty()) {
    EndExpired(context_, group_->id, topic_->expiry, expired, [] {});
    return Answer(absl::OkStatus(), std::move(payloads));
  }
  if (held_) return AnswerNothing();
  if (expired.empty()) return Attempt();
  // One batch at a time: moves that wait for their turn keep their leases, which are limited.
  EndExpired(context_, group_->id, topic_->expiry, expired, [self = shared_from_this()] {
    self->call_.Post([self] {
      // A backlog of expired messages is looked through no longer than one of unwanted messages.
      if (self->ScansTooLong()) return self->PassOn();
      self->Attempt();
    });
  });
}

std::optional<rpc::Payload> ReceiveOperation::Encode(
    const TakenMessage& taken, const absl::StatusOr<StoredContent>& content,
    const absl::StatusOr<store::StoredMessage>& message) {
  if (!content.ok() || !(taken.judged || request_.filter->Matches(*content))) return std::nullopt;
  ReceiptHandle handle;
  handle.broker = context_.options.broker_name;
  handle.group = group_->id;
  handle.topic = taken.queue.topic;
  handle.queue = taken.queue.queue;
  handle.offset = taken.offset;
  handle.attempt = taken.attempt;
  handle.lease = taken.lease;
  const std::string handle_text = handle.Encode(context_.metadata.handle_key());
  Delivery delivery;
  delivery.topic = request_.topic;
  delivery.resource_namespace = request_.topic_namespace;
  delivery.store_host = context_.options.store_host;
  delivery.receipt_handle = handle_text;
  delivery.queue_id = static_cast<int32_t>(taken.queue.queue);
  delivery.queue_offset = static_cast<int64_t>(taken.offset);
  delivery.store_time_ms = message->view.store_time;
  delivery.attempt = static_cast<int32_t>(taken.attempt);
  if (!request_.auto_renew) {
    delivery.invisible_ms = held_ ? taken.deadline_ms - context_.time.NowMillis()
                                  : absl::ToInt64Milliseconds(request_.invisible);
  }
  if (!SetOrigin(taken, *content, &delivery)) return std::nullopt;
  return EncodeReceivedMessage(*content, delivery, message->bytes.owner);
}

// A message that is retried looks like the one that was sent; a dead letter says what it was.
bool ReceiveOperation::SetOrigin(const TakenMessage& taken, const StoredContent& content,
                                 Delivery* delivery) const {
  std::string_view dead_letter;
  if (topic_->kind == TopicKind::kDeadLetter) dead_letter = content.provenance;
  if (taken.queue.topic != topic_->id) {
    const auto origin = Provenance::Decode(content.provenance);
    if (!origin.ok()) return false;
    delivery->queue_id = static_cast<int32_t>(origin->queue);
    delivery->queue_offset = static_cast<int64_t>(origin->offset);
    delivery->store_time_ms = origin->stored_ms;
    delivery->attempt += static_cast<int32_t>(origin->attempts);
    dead_letter = origin->dead_letter;
  }
  if (!dead_letter.empty()) {
    const auto dead = Provenance::Decode(dead_letter);
    if (!dead.ok()) return false;
    delivery->dead_letter_topic = dead->topic_name;
  }
  return true;
}

void ReceiveOperation::AnswerNothing() { Answer(NothingFound(), {}); }

void ReceiveOperation::Answer(const absl::Status& status, std::vector<rpc::Payload> messages) {
  if (finished_) return;
  finished_ = true;
  if (timer_set_) context_.timers.Cancel(timer_);
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
