#include "broker/consumption/cold_scan.h"

#include <utility>

namespace mansio::broker {

namespace {

constexpr size_t kColdEntries = 256;
constexpr size_t kColdBytes = 4 * 1024 * 1024;  // of messages read, and of what the filter looks at

absl::StatusOr<store::StoredMessage> ReadAny(store::Store& store, store::QueueKey queue,
                                             store::QueueOffset offset,
                                             const store::QueueEntry& entry) {
  if (auto hot = store.HotMessage(queue, offset, entry); hot.has_value()) return *std::move(hot);
  return store.ReadMessage(queue, offset, entry);
}

}  // namespace

absl::StatusOr<ColdEntries> ScanCold(store::Store& store, store::QueueKey queue,
                                     store::QueueOffset from, const MessageFilter& filter,
                                     size_t max_wanted) {
  auto entries = store.ReadEntries(queue, from, kColdEntries);
  if (!entries.ok()) return entries.status();
  ColdEntries cold{queue, from, *std::move(entries), {}};
  if (!filter.reads_messages()) return cold;
  size_t found = 0;
  size_t bytes = 0;
  for (const store::QueueEntry& entry : cold.entries) {
    if (found >= max_wanted || bytes >= kColdBytes) break;
    const auto message = ReadAny(store, queue, from + cold.wanted.size(), entry);
    bool wanted = !absl::IsNotFound(message.status());
    if (message.ok()) {
      const absl::StatusOr<StoredContent> content = DecodeContent(message->view.content);
      wanted = !content.ok() || filter.Matches(*content);
      bytes += entry.size + (content.ok() ? filter.Cost(*content) : 0);
    }
    cold.wanted.push_back(wanted);
    if (wanted) ++found;
  }
  cold.entries.resize(cold.wanted.size());
  return cold;
}

}  // namespace mansio::broker
