#include "broker/inspection/queue_backwards.h"

#include <utility>

namespace mansio::broker {
namespace {

constexpr int kMaxDamaged = 100;  // in a row that are passed over: others are worth seeing

}  // namespace

absl::StatusOr<bool> QueueBackwards::Next() {
  for (int damaged = 0; end_ > store_->Range(queue_).min;) {
    --end_;
    const auto entries = store_->ReadEntries(queue_, end_, 1);
    if (absl::IsOutOfRange(entries.status())) return false;  // retention was faster
    if (!entries.ok()) return entries.status();
    if (entries->empty()) return false;
    entry_ = entries->front();
    const auto message = Read();
    if (message.ok()) {
      time_ = message->message.view.store_time;
      return true;
    }
    if (++damaged > kMaxDamaged) return message.status();
  }
  return false;
}

absl::StatusOr<DecodedMessage> QueueBackwards::Read() const {
  auto message = store_->ReadMessage(queue_, end_, entry_);
  if (!message.ok()) return message.status();
  return Decode(*std::move(message));
}

}  // namespace mansio::broker
