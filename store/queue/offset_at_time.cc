#include "store/queue/offset_at_time.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace mansio::store {

namespace {

// nullopt: retention has taken the message meanwhile, or the whole queue has gone.
absl::StatusOr<std::optional<StoreTime>> TimeAt(Store& store, QueueKey queue, QueueOffset offset) {
  const absl::StatusOr<std::vector<QueueEntry>> entries = store.ReadEntries(queue, offset, 1);
  if (absl::IsOutOfRange(entries.status())) return std::nullopt;
  if (!entries.ok()) return entries.status();
  if (entries->empty()) return std::nullopt;
  const QueueEntry& entry = entries->front();
  if (const auto hot = store.HotMessage(queue, offset, entry)) return hot->view.store_time;
  const absl::StatusOr<StoredMessage> cold = store.ReadMessage(queue, offset, entry);
  if (absl::IsNotFound(cold.status())) return std::nullopt;
  if (!cold.ok()) return cold.status();
  return cold->view.store_time;
}

}  // namespace

absl::StatusOr<QueueOffset> OffsetAtTime(Store& store, QueueKey queue, StoreTime time) {
  const QueueRange range = store.Range(queue);
  QueueOffset low = range.min;
  QueueOffset high = range.next;
  while (low < high) {
    const QueueOffset middle = low + (high - low) / 2;
    const auto stored = TimeAt(store, queue, middle);
    if (!stored.ok()) return stored.status();
    // What has gone was older than what is left.
    if (!stored->has_value() || **stored < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::min(std::max(low, store.Range(queue).min), range.next);
}

}  // namespace mansio::store
