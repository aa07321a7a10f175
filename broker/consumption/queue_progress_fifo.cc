// The part of QueueProgress that keeps the order of FIFO groups.

#include <algorithm>

#include "broker/consumption/queue_progress.h"

namespace mansio::broker {

store::QueueOffset QueueProgress::LookEnd(store::QueueOffset end) const {
  if (passing()) return std::min(end, claimed_cursor_);
  return fifo() ? std::min(end, Oldest() + kLookAhead) : end;
}

void QueueProgress::ClaimWait(MessageGroupHash group) {
  const auto it = entries_.try_emplace(claimed_cursor_++).first;
  it->second.applied.attempt = 0;
  it->second.returned = true;
  it->second.group = group;
  SetWaiting(it);
}

bool QueueProgress::WaitsForFirst(store::QueueOffset offset) const {
  const auto it = entries_.find(offset);
  return fifo() && it != entries_.end() && it->second.WaitsForFirst();
}

std::vector<store::QueueOffset> QueueProgress::ClaimReturn(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return {};
  std::vector<store::QueueOffset> returning = {offset};
  if (fifo()) {
    const auto& batch = order_->Batch(it->second.group);
    if (batch.empty() || !MayEndBatch(*batch.begin(), entries_.at(*batch.begin()))) return {};
    returning.assign(batch.begin(), batch.end());
  }
  for (const store::QueueOffset o : returning) ClaimEnd(o);
  return returning;
}

std::vector<QueueProgress::Held> QueueProgress::HeldBy(uint64_t owner, uint64_t attempt_id,
                                                       size_t max) const {
  std::vector<Held> held;
  if (!fifo() || attempt_id == 0) return held;
  for (auto it = entries_.begin(); it != entries_.end() && held.size() < max; ++it) {
    const Entry& entry = it->second;
    const Lease& lease = entry.claimed != nullptr ? *entry.claimed : entry.applied;
    if (lease.owner != owner || lease.attempt_id != attempt_id) continue;
    // A claim whose record has no place yet has no handle either.
    if (lease.id == store::LogPosition{} || Find(it->first, lease.id) == nullptr) continue;
    held.push_back({it->first, lease});
  }
  return held;
}

void QueueProgress::ApplyWait(store::QueueOffset offset, MessageGroupHash group) {
  if (!fifo()) return;
  const auto it = entries_.try_emplace(offset).first;
  Entry& entry = it->second;
  if (entry.has_applied) return;
  entry.has_applied = entry.returned = true;
  entry.applied.attempt = 0;
  entry.group = group;
  if (entry.claimed == nullptr) SetWaiting(it);
}

bool QueueProgress::MayEndBatch(store::QueueOffset offset, const Entry& entry) const {
  const auto& batch = order_->Batch(entry.group);
  // An ack on its way comes before the end of the batch, or it would finish a message that is to
  // come again.
  return !batch.empty() && *batch.begin() == offset &&
         std::all_of(batch.begin(), batch.end(), [this](store::QueueOffset o) {
           const Entry& one = entries_.at(o);
           return !one.ending &&
                  (one.claimed == nullptr || one.claimed->id != store::LogPosition{});
         });
}

size_t QueueProgress::FinishFront(MessageGroupHash group) {
  size_t freed = 0;
  while (!order_->Batch(group).empty()) {
    const auto head = entries_.find(*order_->Batch(group).begin());
    if (!head->second.acked) break;
    freed += Erase(head);
  }
  NoteHead(group);
  return freed;
}

void QueueProgress::NoteHead(MessageGroupHash group) {
  const auto& batch = order_->Batch(group);
  if (batch.empty()) return;
  const Entry& head = entries_.at(*batch.begin());
  if (head.has_applied) NoteDeadline(head.abandoned ? 0 : head.applied.deadline_ms);
}

}  // namespace mansio::broker
