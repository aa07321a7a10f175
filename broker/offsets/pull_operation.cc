#include "broker/offsets/pull_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/cold_scan.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// How many entries are looked at before other calls get their turn.
constexpr size_t kPullScan = 256;
// How many unwanted ones a pull passes over before its client has to ask again.
constexpr size_t kMaxPullScan = 16384;

absl::Status DiskBusy() {
  return WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later");
}

}  // namespace

PullOperation::PullOperation(OffsetsContext& context, rpc::ServerStreamCall& call,
                             PullRequest request)
    : context_(context),
      call_(call),
      request_(std::move(request)),
      queue_(request_.queue.key),
      give_up_ms_(context.environment.time->PassedMillis() +
                  absl::ToInt64Milliseconds(request_.polling)) {}

void PullOperation::Begin() {
  const store::QueueRange range = context_.store->Range(queue_);
  if (request_.offset < 0 || static_cast<uint64_t>(request_.offset) > range.next) {
    return Answer(WireError(v2::ILLEGAL_OFFSET,
                            fmt::format("offset {} is not one of the queue, which holds {} up to "
                                        "{}; go on at next_offset",
                                        request_.offset, range.min, range.next)),
                  {}, request_.offset < 0 ? range.min : range.next);
  }
  next_ = static_cast<store::QueueOffset>(request_.offset);
  call_.OnCancel([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Cancelled();
  });
  Attempt();
}

void PullOperation::Attempt() {
  if (call_.Cancelled()) return AnswerNothing();
  if (context_.environment.metadata->FindTopic(queue_.topic) == nullptr) {
    return Answer(TopicNotFound(request_.queue.topic->name), {}, std::nullopt);
  }
  const store::QueueRange range = context_.store->Range(queue_);
  if (next_ < range.min) {
    return Answer(WireError(v2::ILLEGAL_OFFSET,
                            fmt::format("the messages from offset {} on were deleted by retention; "
                                        "the oldest one is {}; go on at next_offset",
                                        next_, range.min)),
                  {}, range.min);
  }
  if (!CanGoOn()) return Park();
  const auto found = Entries(std::max(kPullScan, request_.batch));
  if (!found.has_value()) return LoadEntries();
  Choose(*found);
  if (!candidates_.empty()) return Read();
  if (scanned_ >= kMaxPullScan) return AnswerNothing();
  AttemptLater();
}

void PullOperation::AttemptLater() {
  call_.Post([self = shared_from_this()] { self->Attempt(); });
}

bool PullOperation::CanGoOn() const {
  return next_ != context_.store->Range(queue_).next &&
         !context_.environment.metadata->IsPaused(request_.group);
}

// A filter that has to see the messages does that in the cold pool.
std::optional<ColdEntries> PullOperation::Entries(size_t max) {
  if (cold_.has_value()) return std::exchange(cold_, std::nullopt);
  if (request_.filter->reads_messages()) return std::nullopt;
  auto hot = context_.store->HotEntries(queue_, next_, max);
  if (!hot.has_value()) return std::nullopt;
  return ColdEntries{queue_, next_, *std::move(hot), {}};
}

void PullOperation::Choose(const ColdEntries& found) {
  candidates_.clear();
  uint64_t bytes = 0;
  for (size_t i = 0; i < found.entries.size(); ++i) {
    if (candidates_.size() == request_.batch) return;
    const store::QueueEntry& entry = found.entries[i];
    if (found.wanted.empty() ? request_.filter->MayMatch(TagHashOf(entry.tag_hash))
                             : found.wanted[i]) {
      bytes += entry.size;
      if (!candidates_.empty() && bytes > context_.options.max_answer_bytes) return;
      candidates_.push_back({next_, entry});
    }
    ++next_;
    ++scanned_;
  }
}

void PullOperation::LoadEntries() {
  const bool queued = context_.store->RunCold([self = shared_from_this()] {
    auto found = ScanCold(*self->context_.store, self->queue_, self->next_, *self->request_.filter,
                          self->request_.batch);
    self->call_.Post([self, found = std::move(found)]() mutable {
      if (found.ok()) {
        self->cold_ = *std::move(found);
      } else if (!absl::IsOutOfRange(found.status())) {
        return self->Answer(
            WireError(v2::INTERNAL_SERVER_ERROR, std::string(found.status().message())), {},
            std::nullopt);
      }
      self->Attempt();
    });
  });
  if (!queued) Answer(DiskBusy(), {}, std::nullopt);
}

void PullOperation::Read() {
  Messages messages;
  messages.reserve(candidates_.size());
  for (const Candidate& c : candidates_) {
    auto hot = context_.store->HotMessage(queue_, c.offset, c.entry);
    if (!hot.has_value()) break;
    messages.push_back(*std::move(hot));
  }
  if (messages.size() == candidates_.size()) return Deliver(messages);
  const bool queued = context_.store->RunCold([self = shared_from_this()] {
    Messages cold;
    cold.reserve(self->candidates_.size());
    for (const Candidate& c : self->candidates_) {
      cold.push_back(self->context_.store->ReadMessage(self->queue_, c.offset, c.entry));
    }
    self->call_.Post([self, cold = std::move(cold)] { self->Deliver(cold); });
  });
  if (!queued) Answer(DiskBusy(), {}, std::nullopt);
}

void PullOperation::Deliver(const Messages& messages) {
  std::vector<rpc::Payload> payloads;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (const absl::Status& status = messages[i].status(); !status.ok()) {
      if (absl::IsNotFound(status)) continue;  // retention was faster
      ReportUnreadable(candidates_[i], status);
      if (absl::IsDataLoss(status)) continue;
      // It may be read later: the client is not to go on behind it.
      next_ = candidates_[i].offset;
      if (!payloads.empty()) break;
      return Answer(WireError(v2::INTERNAL_SERVER_ERROR,
                              fmt::format("the message at offset {} cannot be read now: {}; pull "
                                          "again later",
                                          next_, std::string(status.message()))),
                    {}, next_);
    }
    if (auto payload = Encode(candidates_[i], *messages[i])) {
      payloads.push_back(*std::move(payload));
    }
  }
  if (payloads.empty()) return AttemptLater();
  Answer(absl::OkStatus(), std::move(payloads), next_);
}

void PullOperation::ReportUnreadable(const Candidate& candidate, const absl::Status& status) const {
  LOG_ERROR("topic {} queue {} offset {} cannot be delivered: {}", request_.queue.topic->name,
            queue_.queue, candidate.offset, std::string(status.message()));
}

std::optional<rpc::Payload> PullOperation::Encode(const Candidate& candidate,
                                                  const store::StoredMessage& message) const {
  const absl::StatusOr<StoredContent> content = DecodeContent(message.view.content);
  if (!content.ok()) {
    ReportUnreadable(candidate, content.status());
    return std::nullopt;
  }
  // One that reads messages has seen it already.
  const MessageFilter& filter = *request_.filter;
  if (!filter.reads_messages() && !filter.Matches(*content)) return std::nullopt;
  Delivery delivery;
  delivery.topic = request_.queue.topic->name;
  delivery.resource_namespace = request_.topic_namespace;
  delivery.store_host = context_.options.store_host;
  delivery.queue_id = static_cast<int32_t>(queue_.queue);
  delivery.queue_offset = static_cast<int64_t>(candidate.offset);
  delivery.store_time_ms = message.view.store_time;
  absl::StatusOr<Provenance> dead;
  if (request_.queue.topic->kind == TopicKind::kDeadLetter) {
    dead = Provenance::Decode(content->provenance);
    if (!dead.ok()) {
      ReportUnreadable(candidate, dead.status());
      return std::nullopt;
    }
    delivery.dead_letter_topic = dead->topic_name;
  }
  // PullMessageResponse.message has the number of ReceiveMessageResponse.message.
  return EncodeReceivedMessage(*content, delivery, message.bytes.owner);
}

void PullOperation::Park() {
  const int64_t left = give_up_ms_ - context_.environment.time->PassedMillis();
  if (context_.stopping || left <= 0) return AnswerNothing();
  if (!timer_set_) {
    timer_set_ = true;
    timer_ = context_.environment.timers->ScheduleAfter(left, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->TimeOut();
    });
  }
  if (!context_.parked.Park(queue_.queue, queue_.topic, shared_from_this())) {
    return Answer(WireError(v2::TOO_MANY_REQUESTS,
                            fmt::format("polling full: {} pulls wait on this broker, its limit "
                                        "(limits.parked-receives)",
                                        context_.options.max_parked_pulls)),
                  {}, std::nullopt);
  }
  // What came between the attempt and now woke nobody, as nobody was parked.
  const bool again = context_.stopping || call_.Cancelled() || CanGoOn() ||
                     context_.environment.time->PassedMillis() >= give_up_ms_;
  if (again && context_.parked.Remove(this)) AttemptLater();
}

void PullOperation::Wake() { AttemptLater(); }

void PullOperation::TimeOut() {
  if (!context_.parked.Remove(this)) return;  // Park looks at the time itself
  call_.Post([self = shared_from_this()] { self->AnswerNothing(); });
}

void PullOperation::Cancelled() {
  if (context_.parked.Remove(this)) AnswerNothing();
}

void PullOperation::AnswerNothing() {
  Answer(WireError(v2::MESSAGE_NOT_FOUND, "no message came within the polling time"), {}, next_);
}

void PullOperation::Answer(const absl::Status& status, std::vector<rpc::Payload> messages,
                           std::optional<store::QueueOffset> next) {
  if (finished_) return;
  finished_ = true;
  if (timer_set_) context_.environment.timers->Cancel(timer_);
  std::vector<rpc::Payload> elements;
  elements.reserve(messages.size() + 2);
  elements.push_back(gateway::StatusResponse(status));
  for (rpc::Payload& message : messages) elements.push_back(std::move(message));
  if (next.has_value()) {
    v2::PullMessageResponse element;
    element.set_next_offset(static_cast<int64_t>(*next));
    elements.push_back(rpc::Encode(element));
  }
  // The operation may go when the call has ended.
  call_.Finish(std::move(elements), [self = shared_from_this()](bool) {});
}

}  // namespace mansio::broker
