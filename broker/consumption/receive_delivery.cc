#include <utility>

#include "broker/consumption/delivery.h"
#include "broker/consumption/expiry.h"
#include "broker/consumption/receive_operation.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"

// How a receive delivers what it has taken: the messages are read, and those that are wanted and
// have not expired are answered.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

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

std::optional<rpc::Payload> ReceiveOperation::Encode(const TakenMessage& taken,
                                                     const StoredContent& content,
                                                     const store::StoredMessage& message) const {
  if (!taken.judged && !request_.filter->Matches(content)) return std::nullopt;
  return EncodeDelivery({context_, request_, *topic_, group_->id, held_}, taken, content, message);
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
      continue;
    }
    std::optional<rpc::Payload> payload;
    if (content.ok()) payload = Encode(taken_[i], *content, *messages[i]);
    if (payload.has_value()) {
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

}  // namespace mansio::broker
