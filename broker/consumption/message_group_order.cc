#include "broker/consumption/message_group_order.h"

#include <utility>

namespace mansio::broker {

const MessageGroupOrder::Offsets& MessageGroupOrder::Batch(MessageGroupHash hash) const {
  static const Offsets& none = *new Offsets();
  const auto it = groups_.find(hash);
  return it == groups_.end() ? none : it->second.batch;
}

size_t MessageGroupOrder::WaitingOf(MessageGroupHash hash) const {
  const auto it = groups_.find(hash);
  return it == groups_.end() ? 0 : it->second.waiting.size();
}

bool MessageGroupOrder::MustWait(MessageGroupHash hash) const {
  const auto it = groups_.find(hash);
  if (it == groups_.end()) return false;
  return !it->second.waiting.empty() || (!it->second.batch.empty() && !taking_.contains(hash));
}

void MessageGroupOrder::Take(MessageGroupHash hash, store::QueueOffset offset) {
  taking_.insert(hash);
  Lease(hash, offset);
}

void MessageGroupOrder::EndTake() {
  for (const MessageGroupHash hash : std::exchange(taking_, {})) Update(hash);
}

void MessageGroupOrder::Lease(MessageGroupHash hash, store::QueueOffset offset) {
  Group& group = groups_[hash];
  waiting_ -= group.waiting.erase(offset);
  group.batch.insert(offset);
  Update(hash);
}

size_t MessageGroupOrder::Wait(MessageGroupHash hash, store::QueueOffset offset) {
  Group& group = groups_[hash];
  group.batch.erase(offset);
  if (group.waiting.insert(offset).second) ++waiting_;
  return Update(hash);
}

size_t MessageGroupOrder::Finish(MessageGroupHash hash, store::QueueOffset offset) {
  Group& group = groups_[hash];
  group.batch.erase(offset);
  waiting_ -= group.waiting.erase(offset);
  return Update(hash);
}

size_t MessageGroupOrder::Update(MessageGroupHash hash) {
  const auto it = groups_.find(hash);
  if (it == groups_.end()) return 0;
  Group& group = it->second;
  std::optional<store::QueueOffset> next;
  if (!group.waiting.empty() && (group.batch.empty() || taking_.contains(hash))) {
    next = *group.waiting.begin();
  }
  size_t freed = 0;
  if (next != group.ready) {
    if (group.ready.has_value()) {
      ready_.erase(*group.ready);
    } else {
      freed = group.waiting.size();
    }
    if (next.has_value()) ready_.insert(*next);
    group.ready = next;
  }
  if (group.batch.empty() && group.waiting.empty()) groups_.erase(it);
  return freed;
}

}  // namespace mansio::broker
