#include "broker/transaction/transaction_ender.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "broker/message/content_copy.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_append.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"

namespace mansio::broker {

namespace {

void LogUnreadable(store::QueueOffset half, const absl::Status& status) {
  if (absl::IsCancelled(status)) return;  // the broker stops
  LOG_WARNING("The half message at offset {} cannot be read to end its transaction: {}", half,
              std::string(status.message()));
}

}  // namespace

bool IsLost(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// The end of one half on its way into the log.
class TransactionEnder::EndAppend : public store::Append {
 public:
  EndAppend(TransactionState* state, store::QueueOffset half) : state_(state), half_(half) {}

  void AddEnd(TransactionOutcome outcome) {
    AddRecord(kTransactionEndRecord, TransactionEndRecord{half_, outcome}.Encode());
  }
  void Applied(const store::AppendResult&) override { state_->Ended(half_, absl::OkStatus()); }
  void Failed(const absl::Status& status) override { state_->Ended(half_, ToSendStatus(status)); }

 private:
  TransactionState* const state_;
  const store::QueueOffset half_;
};

std::optional<store::QueueKey> TransactionEnder::HalfQueue() const {
  const TopicPtr topic = environment_.metadata->FindTopic(kHalfTopic);
  if (topic == nullptr) return std::nullopt;
  return store::QueueKey{topic->id, 0};
}

void TransactionEnder::End(HalfKey key, TransactionOutcome outcome, Done done) {
  const TransactionState::ClaimResult claim = environment_.state->ClaimEnd(key, outcome, done);
  if (claim.claim == TransactionState::Claim::kDecided) return done(claim.status);
  if (claim.claim == TransactionState::Claim::kJoined) return;
  if (outcome == TransactionOutcome::kRolledBack) {
    LogRollback(key.half);
  } else {
    GatherAndLog(key.half, claim.half, outcome);
  }
}

void TransactionEnder::LogRollback(store::QueueOffset half) {
  auto append = std::make_unique<EndAppend>(environment_.state, half);
  append->AddEnd(TransactionOutcome::kRolledBack);
  Submit(half, std::move(append));
}

void TransactionEnder::GatherAndLog(store::QueueOffset half, const Half& entry,
                                    TransactionOutcome outcome) {
  const std::optional<store::QueueKey> queue = HalfQueue();
  if (!queue) return environment_.state->Ended(half, UnknownTransaction());
  environment_.mover->Gather(
      {{*queue, half, {}}}, [this, half, entry, outcome](std::vector<Message> messages) {
        const Message& message = messages.front();
        const absl::Status readable =
            message.ok() ? DecodeContent(message->view.content).status() : message.status();
        if (!readable.ok() && IsLost(readable) && outcome == TransactionOutcome::kExpired) {
          LOG_ERROR("The half message at offset {} is lost; its transaction is rolled back: {}",
                    half, std::string(readable.message()));
          LogRollback(half);
        } else if (!readable.ok()) {
          LogUnreadable(half, readable);
          environment_.state->Ended(half, ToSendStatus(readable));
        } else if (outcome == TransactionOutcome::kCommitted) {
          LogCommit(half, entry.topic, *DecodeContent(message->view.content));
        } else {
          LogExpiry(half, entry, *DecodeContent(message->view.content));
        }
      });
}

void TransactionEnder::LogCommit(store::QueueOffset half, uint32_t topic_id,
                                 const StoredContent& content) {
  const TopicPtr topic = environment_.metadata->FindTopic(topic_id);
  if (topic == nullptr) return environment_.state->Ended(half, UnknownTransaction());
  const uint32_t queue = topic->next_queue.fetch_add(1, std::memory_order_relaxed) % topic->queues;
  auto append = std::make_unique<EndAppend>(environment_.state, half);
  ContentCopy(content, {}).AddTo(*append, {topic->id, queue}, environment_.time->NowMillis());
  append->AddEnd(TransactionOutcome::kCommitted);
  Submit(half, std::move(append));
}

void TransactionEnder::LogExpiry(store::QueueOffset half, const Half& entry,
                                 const StoredContent& content) {
  const TopicPtr expired = environment_.metadata->FindTopic(kExpiredTopic);
  const TopicPtr topic = environment_.metadata->FindTopic(entry.topic);
  if (expired == nullptr || topic == nullptr) {
    return environment_.state->Ended(half, UnknownTransaction());
  }
  const std::string reason = fmt::format(
      "rolled back by the broker: nobody ended the transaction until after check {}, its last",
      entry.checks);
  CopyChanges changes;
  changes.provenance = {.topic = entry.topic,
                        .offset = half,
                        .stored_ms = entry.stored_ms,
                        .attempts = entry.checks,
                        .topic_name = topic->name,
                        .reason = reason};
  auto append = std::make_unique<EndAppend>(environment_.state, half);
  const ContentCopy copy(content, changes);
  copy.AddTo(*append, {expired->id, 0}, environment_.time->NowMillis());
  append->AddEnd(TransactionOutcome::kExpired);
  environment_.budget->Charge(copy.size());
  Submit(half, std::move(append));
}

void TransactionEnder::Submit(store::QueueOffset half, std::unique_ptr<EndAppend> append) {
  const absl::Status submitted = environment_.state->store()->Submit(std::move(append));
  if (!submitted.ok()) environment_.state->Ended(half, ToSendStatus(submitted));
}

}  // namespace mansio::broker
