#include "broker/consumption/expiry.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

// After a move has failed, it is tried again then.
constexpr int64_t kExpireAgainMs = 1000;

// Those of the leases that are still the receive's own.
std::vector<QueueProgress::Ended> LivingLeases(GroupProgress& group, store::QueueKey queue,
                                               const std::vector<TakenMessage>& messages) {
  std::vector<QueueProgress::Ended> leases;
  MutexLock lock(&group.mutex);
  const QueueProgress* progress = group.Queue(queue);
  for (const TakenMessage& message : messages) {
    const Lease* lease =
        progress == nullptr ? nullptr : progress->Find(message.offset, message.lease);
    if (lease != nullptr) leases.push_back({message.offset, *lease, false});
  }
  return leases;
}

void MoveToDeadLetters(ConsumptionContext& context, uint32_t group, store::QueueKey queue,
                       std::vector<TakenMessage> expired, absl::AnyInvocable<void()> done) {
  const GroupProgressPtr progress = context.state.Find(group);
  std::vector<QueueProgress::Ended> leases;
  if (progress != nullptr) leases = LivingLeases(*progress, queue, expired);
  if (leases.empty()) return done();
  context.redelivery.Move(
      {group, queue.topic, queue.queue}, std::move(leases), Redelivery::Cause::kExpired,
      [&context, group, queue, expired = std::move(expired),
       done = std::move(done)](const absl::Status& status) mutable {
        // What the move has left is moved again: at once what was too much for one frame. Given
        // back, a message of a FIFO group would take its batch away from who has the rest of it.
        const int64_t wait = status.ok() ? 0 : kExpireAgainMs;
        context.timers.Schedule(context.time.NowMillis() + wait,
                                [&context, group, queue, expired = std::move(expired)] {
                                  MoveToDeadLetters(context, group, queue, expired, [] {});
                                });
        done();
      });
}

}  // namespace

bool HasExpired(const TopicRecord& topic, const StoredContent& content, store::StoreTime stored_ms,
                bool retried, int64_t now_ms) {
  if (topic.kind != TopicKind::kUser) return false;
  const int64_t topics = topic.expiry.ttl_ms;
  const std::optional<int64_t> own = TtlOf(content);
  if (!own.has_value() && topics == 0) return false;
  const int64_t ttl = topics == 0 ? *own : std::min(own.value_or(topics), topics);
  if (retried) {
    const auto origin = Provenance::Decode(content.provenance);
    if (origin.ok()) stored_ms = origin->stored_ms;
  }
  return now_ms - stored_ms >= ttl;
}

void EndExpired(ConsumptionContext& context, uint32_t group, const ExpiryPolicy& policy,
                const std::vector<TakenMessage>& expired, absl::AnyInvocable<void()> done) {
  if (!policy.dead_letter || expired.empty()) {
    context.leases.Discard(group, expired);
    return done();
  }
  absl::btree_map<store::QueueKey, std::vector<TakenMessage>> by_queue;
  for (const TakenMessage& message : expired) by_queue[message.queue].push_back(message);
  struct Moves {
    std::atomic<size_t> left;
    absl::AnyInvocable<void()> done;
  };
  auto moves = std::make_shared<Moves>(by_queue.size(), std::move(done));
  for (auto& [queue, messages] : by_queue) {
    MoveToDeadLetters(context, group, queue, std::move(messages), [moves] {
      if (moves->left.fetch_sub(1) == 1) moves->done();
    });
  }
}

}  // namespace mansio::broker
