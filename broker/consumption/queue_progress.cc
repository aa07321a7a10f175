#include "broker/consumption/queue_progress.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "broker/core/codec.h"

namespace mansio::broker {

uint32_t QueueProgress::ClaimLease(store::QueueOffset offset, Lease lease) {
  Entry& entry = entries_[offset];
  lease.id = {};
  lease.attempt = entry.has_applied ? entry.applied.attempt + 1 : 1;
  lease.first_ms = lease.attempt > 1 ? entry.applied.first_ms : lease.delivered_ms;
  const uint32_t attempt = lease.attempt;
  ready_.erase(offset);
  entry.claimed = std::make_unique<Lease>(lease);
  entry.abandoned = false;
  if (offset >= claimed_cursor_) claimed_cursor_ = offset + 1;
  return attempt;
}

void QueueProgress::LeaseAppended(store::QueueOffset offset, store::LogPosition id) {
  const auto it = entries_.find(offset);
  if (it != entries_.end() && it->second.claimed != nullptr) it->second.claimed->id = id;
}

void QueueProgress::Unclaim(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.claimed == nullptr) return;
  it->second.claimed = nullptr;
  if (it->second.has_applied) {
    ready_.insert(offset);
  } else {
    entries_.erase(it);
  }
}

void QueueProgress::TakeBack(store::QueueOffset offset) {
  Unclaim(offset);
  if (ready_.contains(offset)) return;
  claimed_cursor_ = std::max(cursor_, std::min(claimed_cursor_, offset));
}

const Lease* QueueProgress::Find(store::QueueOffset offset, store::LogPosition id) const {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.ending) return nullptr;
  const Entry& entry = it->second;
  if (entry.claimed != nullptr) return entry.claimed->id == id ? entry.claimed.get() : nullptr;
  if (entry.returned || entry.applied.id != id) return nullptr;
  return &entry.applied;
}

void QueueProgress::ClaimEnd(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it != entries_.end()) it->second.ending = true;
}

void QueueProgress::UnclaimEnd(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return;
  it->second.ending = false;
  NoteDeadline(it->second.applied.deadline_ms);
}

std::vector<QueueProgress::Ended> QueueProgress::EndedBy(int64_t now_ms, size_t max) const {
  std::vector<Ended> ended;
  for (auto it = entries_.begin(); it != entries_.end() && ended.size() < max; ++it) {
    const Entry& entry = it->second;
    if (!entry.Live() || (entry.applied.deadline_ms > now_ms && !entry.abandoned)) continue;
    ended.push_back({it->first, entry.applied, entry.abandoned});
  }
  return ended;
}

bool QueueProgress::Abandon(absl::FunctionRef<bool(const Lease&)> whose) {
  bool any = false;
  for (auto& [offset, entry] : entries_) {
    const bool held = entry.claimed != nullptr || (entry.has_applied && !entry.returned);
    if (!held || !whose(entry.claimed != nullptr ? *entry.claimed : entry.applied)) continue;
    entry.abandoned = any = true;
  }
  return any;
}

std::vector<store::QueueOffset> QueueProgress::Outstanding(store::QueueOffset from,
                                                           store::QueueOffset to,
                                                           size_t max) const {
  std::vector<store::QueueOffset> offsets;
  for (auto it = entries_.lower_bound(from);
       it != entries_.end() && it->first < to && offsets.size() < max; ++it) {
    offsets.push_back(it->first);
  }
  return offsets;
}

void QueueProgress::RecomputeEarliestDeadline() {
  earliest_deadline_ = kNever;
  for (const auto& [offset, entry] : entries_) {
    if (entry.ending) continue;
    if (entry.abandoned && entry.Live()) NoteDeadline(0);
    if (entry.claimed != nullptr) NoteDeadline(entry.claimed->deadline_ms);
    if (entry.has_applied && !entry.returned) NoteDeadline(entry.applied.deadline_ms);
  }
}

void QueueProgress::DropClaims() {
  claimed_cursor_ = cursor_;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    entry.ending = entry.abandoned = false;
    entry.claimed = nullptr;
    if (!entry.has_applied) {
      it = entries_.erase(it);
      continue;
    }
    if (entry.returned) ready_.insert(it->first);
    ++it;
  }
}

void QueueProgress::ForgetLeases() {
  entries_.clear();
  ready_.clear();
  applied_ = 0;
  earliest_deadline_ = kNever;
}

void QueueProgress::ApplyCursor(store::QueueOffset cursor) {
  implied_ = false;
  cursor_ = std::max(cursor_, cursor);
  claimed_cursor_ = std::max(claimed_cursor_, cursor_);
}

bool QueueProgress::ApplyLease(store::QueueOffset offset, Lease lease) {
  Entry& entry = entries_[offset];
  lease.attempt = entry.has_applied ? entry.applied.attempt + 1 : 1;
  lease.first_ms = lease.attempt > 1 ? entry.applied.first_ms : lease.delivered_ms;
  entry.applied = lease;
  if (!entry.has_applied) ++applied_;
  entry.has_applied = true;
  entry.returned = false;
  if (entry.claimed != nullptr && entry.claimed->id == lease.id) entry.claimed = nullptr;
  ready_.erase(offset);
  NoteDeadline(lease.deadline_ms);
  return entry.abandoned;
}

bool QueueProgress::ApplyChange(store::QueueOffset offset, store::LogPosition id,
                                int64_t deadline_ms) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return false;
  it->second.applied.id = id;
  it->second.applied.deadline_ms = deadline_ms;
  it->second.applied.auto_renew = false;  // the client has named a time
  it->second.ending = false;
  NoteDeadline(deadline_ms);
  return it->second.abandoned;
}

void QueueProgress::ApplyAck(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return;
  if (it->second.has_applied) --applied_;
  entries_.erase(it);
  ready_.erase(offset);
}

void QueueProgress::ApplyEnd(store::QueueOffset offset, bool counted) {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.returned) return;
  Entry& entry = it->second;
  entry.returned = true;
  entry.ending = false;
  if (!counted && entry.applied.attempt > 0) --entry.applied.attempt;
  if (entry.claimed == nullptr) ready_.insert(offset);
}

std::string QueueProgress::Encode() const {
  ByteWriter w;
  w.Varint(cursor_).U8(implied_ ? 1 : 0);
  for (const auto& [offset, entry] : entries_) {
    if (!entry.has_applied) continue;  // only claimed: not part of the fold
    const Lease& lease = entry.applied;
    w.Varint(offset).Varint(lease.id.epoch).Varint(lease.id.offset).Varint(lease.deadline_ms);
    w.Fixed64(lease.owner).Varint(lease.attempt);
    w.Varint(static_cast<uint64_t>(lease.first_ms));
    w.Varint(static_cast<uint64_t>(lease.delivered_ms));
    w.U8((lease.auto_renew ? 1 : 0) | (entry.returned ? 2 : 0));
  }
  return w.Take();
}

absl::StatusOr<QueueProgress> QueueProgress::Decode(std::string_view value) {
  ByteReader r(value);
  QueueProgress progress(r.Varint());
  progress.implied_ = r.U8() != 0;
  while (r.ok() && !r.AtEnd()) {
    const store::QueueOffset offset = r.Varint();
    Entry entry;
    entry.has_applied = true;
    entry.applied.id.epoch = r.Varint();
    entry.applied.id.offset = r.Varint();
    entry.applied.deadline_ms = static_cast<int64_t>(r.Varint());
    entry.applied.owner = r.Fixed64();
    entry.applied.attempt = r.Varint32();
    entry.applied.first_ms = static_cast<int64_t>(r.Varint());
    entry.applied.delivered_ms = static_cast<int64_t>(r.Varint());
    const uint8_t flags = r.U8();
    entry.applied.auto_renew = (flags & 1) != 0;
    entry.returned = (flags & 2) != 0;
    if (entry.returned) {
      progress.ready_.insert(offset);
    } else {
      progress.NoteDeadline(entry.applied.deadline_ms);
    }
    if (!progress.entries_.emplace(offset, std::move(entry)).second) {
      return absl::DataLossError("a group's position names an offset twice");
    }
    ++progress.applied_;
  }
  if (!r.ok()) return absl::DataLossError("a group's position cannot be decoded");
  return progress;
}

}  // namespace mansio::broker
