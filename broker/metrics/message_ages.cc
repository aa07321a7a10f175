#include "broker/metrics/message_ages.h"

#include <vector>

namespace mansio::broker {

void MessageAges::Begin() {
  asked_.clear();
  reads_ = 0;
}

void MessageAges::End() { known_ = std::move(asked_); }

std::optional<store::StoreTime> MessageAges::StoredAt(store::QueueKey queue,
                                                      store::QueueOffset offset) {
  const Place place(queue, offset);
  if (const auto found = known_.find(place); found != known_.end()) {
    asked_.insert(*found);
    return found->second;
  }
  if (const auto found = asked_.find(place); found != asked_.end()) return found->second;
  const std::optional<store::StoreTime> time = Read(queue, offset);
  if (time) asked_.emplace(place, *time);
  return time;
}

std::optional<store::StoreTime> MessageAges::Read(store::QueueKey queue,
                                                  store::QueueOffset offset) {
  std::optional<std::vector<store::QueueEntry>> hot = store_->HotEntries(queue, offset, 1);
  if (!hot.has_value()) {
    if (reads_++ >= kMaxReads) return std::nullopt;
    auto read = store_->ReadEntries(queue, offset, 1);
    if (!read.ok()) return std::nullopt;
    hot = *std::move(read);
  }
  if (hot->empty()) return std::nullopt;
  const store::QueueEntry& entry = hot->front();
  if (const auto message = store_->HotMessage(queue, offset, entry)) {
    return message->view.store_time;
  }
  if (reads_++ >= kMaxReads) return std::nullopt;
  const auto message = store_->ReadMessage(queue, offset, entry);
  if (!message.ok()) return std::nullopt;
  return message->view.store_time;
}

}  // namespace mansio::broker
