#include "broker/consumption/receive_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
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
constexpr size_t kColdEntries = 256;

absl::Status NothingFound() {
  return WireError(v2::MESSAGE_NOT_FOUND, "no message came within the polling time");
}

// An append that nobody waits for.
class Unattended : public store::Append {
 public:
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

// Offsets by queue, rising, from messages in any order.
std::vector<QueueOffsets> ByQueue(const std::vector<TakenMessage>& messages) {
  absl::btree_map<uint32_t, absl::btree_set<store::QueueOffset>> sorted;
  for (const TakenMessage& m : messages) sorted[m.queue].insert(m.offset);
  std::vector<QueueOffsets> queues;
  for (const auto& [queue, offsets] : sorted) {
    queues.push_back({queue, 0, {offsets.begin(), offsets.end()}});
  }
  return queues;
}

}  // namespace

// The lease of what one receive took. Its place in the log is waited for, its durability is not: a
// lost lease means a duplicate, which at-least-once allows (design section 6).
class ReceiveOperation::LeaseAppend : public store::Append {
 public:
  LeaseAppend(std::shared_ptr<ReceiveOperation> operation, GroupProgressPtr progress)
      : operation_(std::move(operation)), progress_(std::move(progress)) {}

  void Appended(const store::AppendResult& result) override {
    appended_ = true;
    const store::LogPosition id = result.PositionOf(0);
    {
      MutexLock lock(&progress_->mutex);
      const auto topic = progress_->topics.find(operation_->topic_->id);
      if (topic != progress_->topics.end()) {
        for (const TakenMessage& m : operation_->taken_) {
          if (QueueProgress* queue = topic->second.queue(m.queue))
            queue->LeaseAppended(m.offset, id);
        }
      }
    }
    ReceiveOperation* operation = operation_.get();
    operation->call_.Post([operation = std::move(operation_), id] { operation->Read(id); });
    (void)operation;
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
    const auto topic = progress_->topics.find(operation_->topic_->id);
    if (topic == progress_->topics.end()) return;
    for (const TakenMessage& m : operation_->taken_) {
      if (QueueProgress* queue = topic->second.queue(m.queue)) queue->TakeBack(m.offset);
    }
  }

  std::shared_ptr<ReceiveOperation> operation_;
  const GroupProgressPtr progress_;
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
  if (topic_ == nullptr) {
    return Answer(WireError(v2::TOPIC_NOT_FOUND,
                            fmt::format("topic {} does not exist on this broker", request_.topic)),
                  {});
  }
  call_.OnCancel([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Cancelled();
  });
  context_.metadata.EnsureGroup(
      request_.group, [self = shared_from_this()](absl::StatusOr<GroupPtr> group) {
        self->call_.Post([self, group = std::move(group)] { self->FixPosition(group); });
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
  if (call_.Cancelled()) return AnswerNothing();
  absl::Status refused;
  const TakeOutcome outcome = TakeAndLog(&refused);
  if (!refused.ok()) return Answer(refused, {});
  cold_.reset();
  if (!taken_.empty()) {
    if (outcome.more) context_.waiting.WakeGroup(group_->id, topic_->id, 1);
    return;  // LeaseAppend goes on
  }
  if (outcome.cold_queue.has_value()) return LoadCold(*outcome.cold_queue, outcome.cold_from);
  if (outcome.more) {  // looked past many unwanted messages; let other calls run before going on
    return call_.Post([self = shared_from_this()] { self->Attempt(); });
  }
  Park();
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
  take.filter = &request_.filter;
  take.max = std::min(request_.batch, context_.options.max_leases - leases);
  take.max_bytes = context_.options.max_answer_bytes;
  take.lease = {{}, now + absl::ToInt64Milliseconds(life), owner_, 1, request_.auto_renew};
  take.cold = cold_.has_value() ? &*cold_ : nullptr;

  MutexLock lock(&progress->mutex);
  const auto topic = progress->topics.find(topic_->id);
  if (topic == progress->topics.end()) {
    *refused = WireError(v2::TOPIC_NOT_FOUND, fmt::format("topic {} was deleted", request_.topic));
    return outcome;
  }
  outcome = topic->second.Take(
      context_.store(), topic_->id, take, [this](uint32_t queue, uint64_t count) {
        LOG_WARNING(
            "group {} missed {} messages of topic {} queue {}: retention deleted them before the group "
            "came to them; it goes on at the oldest one there is",
            request_.group, count, request_.topic, queue);
      });
  if (outcome.record.queues.empty()) return outcome;
  outcome.record.group = group_->id;
  outcome.record.topic = topic_->id;
  outcome.record.auto_renew = request_.auto_renew;
  outcome.record.owner = owner_;
  outcome.record.deadline_ms = take.lease.deadline_ms;
  std::unique_ptr<store::Append> append;
  if (outcome.taken.empty()) {
    append = std::make_unique<Unattended>();
  } else {
    taken_ = outcome.taken;
    append = std::make_unique<LeaseAppend>(shared_from_this(), progress);
  }
  append->AddRecord(kLeaseRecord, outcome.record.Encode());
  if (absl::Status status = context_.store().Submit(std::move(append)); !status.ok()) {
    topic->second.Undo(outcome);
    taken_.clear();
    *refused = AppendRefused(status);
  }
  return outcome;
}

void ReceiveOperation::LoadCold(store::QueueKey queue, store::QueueOffset from) {
  const bool queued = context_.store().RunCold([self = shared_from_this(), queue, from] {
    auto entries = self->context_.store().ReadEntries(queue, from, kColdEntries);
    self->call_.Post([self, queue, from, entries = std::move(entries)]() mutable {
      if (entries.ok()) {
        self->cold_ = ColdEntries{queue.queue, from, *std::move(entries)};
      } else if (!absl::IsOutOfRange(entries.status())) {
        return self->Answer(
            WireError(v2::INTERNAL_SERVER_ERROR, std::string(entries.status().message())), {});
      }
      self->Attempt();
    });
  });
  if (!queued) {
    Answer(WireError(v2::TOO_MANY_REQUESTS,
                     "too many reads of old messages wait for the disk; try again later"),
           {});
  }
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
    again = again || topic == progress->topics.end() ||
            topic->second.HasMore(context_.store(), topic_->id);
  }
  if (again && context_.waiting.Remove(this)) {
    call_.Post([self = shared_from_this()] { self->Attempt(); });
  }
}

void ReceiveOperation::Wake() {
  call_.Post([self = shared_from_this()] { self->Attempt(); });
}

void ReceiveOperation::TimeOut() {
  if (!context_.waiting.Remove(this)) return;  // Park looks at the time itself
  call_.Post([self = shared_from_this()] { self->AnswerNothing(); });
}

void ReceiveOperation::Cancelled() {
  if (context_.waiting.Remove(this)) AnswerNothing();
}

void ReceiveOperation::Read(store::LogPosition id) {
  std::vector<absl::StatusOr<store::StoredMessage>> messages;
  messages.reserve(taken_.size());
  for (const TakenMessage& m : taken_) {
    if (m.entry.size == 0) {
      messages.push_back(absl::NotFoundError("retention has deleted the message"));
      continue;
    }
    auto hot = context_.store().HotMessage({topic_->id, m.queue}, m.offset, m.entry);
    if (!hot.has_value()) return ReadCold(id);
    messages.push_back(*std::move(hot));
  }
  Deliver(id, std::move(messages));
}

void ReceiveOperation::ReadCold(store::LogPosition id) {
  const bool queued = context_.store().RunCold([self = shared_from_this(), id] {
    std::vector<absl::StatusOr<store::StoredMessage>> messages;
    for (const TakenMessage& m : self->taken_) {
      if (m.entry.size == 0) {
        messages.push_back(absl::NotFoundError("retention has deleted the message"));
      } else {
        messages.push_back(
            self->context_.store().ReadMessage({self->topic_->id, m.queue}, m.offset, m.entry));
      }
    }
    self->call_.Post([self, id, messages = std::move(messages)]() mutable {
      self->Deliver(id, std::move(messages));
    });
  });
  if (queued) return;
  GiveBack(taken_);
  Answer(WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later"),
         {});
}

void ReceiveOperation::Deliver(store::LogPosition id,
                               std::vector<absl::StatusOr<store::StoredMessage>> messages) {
  if (call_.Cancelled()) {
    GiveBack(taken_);
    return AnswerNothing();
  }
  std::vector<rpc::Payload> payloads;
  std::vector<TakenMessage> unwanted;
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (absl::IsDataLoss(messages[i].status())) {
      LOG_ERROR("topic {} queue {} offset {} cannot be delivered: {}", request_.topic,
                taken_[i].queue, taken_[i].offset, std::string(messages[i].status().message()));
      continue;
    }
    if (auto payload = Encode(id, taken_[i], messages[i])) {
      payloads.push_back(*std::move(payload));
    } else {
      unwanted.push_back(taken_[i]);
    }
  }
  if (!unwanted.empty()) AckUnwanted(unwanted);
  if (payloads.empty()) return Attempt();
  Answer(absl::OkStatus(), std::move(payloads));
}

std::optional<rpc::Payload> ReceiveOperation::Encode(
    store::LogPosition id, const TakenMessage& taken,
    const absl::StatusOr<store::StoredMessage>& message) {
  if (!message.ok()) return std::nullopt;
  const absl::StatusOr<StoredContent> content = DecodeContent(message->view.content);
  if (!content.ok() || !request_.filter.Matches(TagOf(*content))) return std::nullopt;
  ReceiptHandle handle;
  handle.broker = context_.options.broker_name;
  handle.group = group_->id;
  handle.topic = topic_->id;
  handle.queue = taken.queue;
  handle.offset = taken.offset;
  handle.attempt = taken.attempt;
  handle.lease = id;
  const std::string handle_text = handle.Encode(context_.metadata.handle_key());
  Delivery delivery;
  delivery.topic = request_.topic;
  delivery.resource_namespace = request_.topic_namespace;
  delivery.store_host = context_.options.store_host;
  delivery.receipt_handle = handle_text;
  delivery.queue_id = static_cast<int32_t>(taken.queue);
  delivery.queue_offset = static_cast<int64_t>(taken.offset);
  delivery.store_time_ms = message->view.store_time;
  delivery.attempt = static_cast<int32_t>(taken.attempt);
  if (!request_.auto_renew) delivery.invisible_ms = absl::ToInt64Milliseconds(request_.invisible);
  return EncodeReceivedMessage(*content, delivery, message->bytes.owner);
}

void ReceiveOperation::AckUnwanted(const std::vector<TakenMessage>& unwanted) {
  LeasesEndRecord record{group_->id, topic_->id, true, ByQueue(unwanted)};
  auto append = std::make_unique<Unattended>();
  append->AddRecord(kAckRecord, record.Encode());
  // Refused: they lapse by their deadline and are looked at again.
  (void)context_.store().Submit(std::move(append));
}

void ReceiveOperation::GiveBack(const std::vector<TakenMessage>& messages) {
  context_.leases.GiveBack({group_->id, topic_->id, false, ByQueue(messages)});
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
    if (delivering && !written) self->GiveBack(self->taken_);
  });
}

}  // namespace mansio::broker
