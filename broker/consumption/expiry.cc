#include "broker/consumption/expiry.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"

namespace mansio::broker {

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
  for (const auto& [queue, messages] : by_queue) {
    context.expired.Add({group, queue.topic, queue.queue}, messages, [moves] {
      if (moves->left.fetch_sub(1) == 1) moves->done();
    });
  }
}

}  // namespace mansio::broker
