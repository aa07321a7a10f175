#include "broker/consumption/queue_progress.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "broker/core/codec.h"

namespace mansio::broker {

size_t QueueProgress::SetWaiting(Entries::iterator it) {
  if (fifo()) return order_->Wait(it->second.group, it->first);
  return ready_.insert(it->first).second ? 1 : 0;
}

void QueueProgress::SetLeased(Entries::iterator it) {
  if (fifo()) return order_->Lease(it->second.group, it->first);
  ready_.erase(it->first);
}

size_t QueueProgress::Erase(Entries::iterator it) {
  const auto [offset, group] = std::pair(it->first, it->second.group);
  const store::QueueOffset oldest = Oldest();
  if (it->second.has_applied && it->second.applied.attempt > 0) --applied_;
  if (it->second.BacksOff()) --backing_off_;
  entries_.erase(it);
  if (!fifo()) {
    ready_.erase(offset);
    return 0;
  }
  const bool looked_to_the_end = claimed_cursor_ >= oldest + kLookAhead;
  return order_->Finish(group, offset) + (looked_to_the_end ? Oldest() - oldest : 0);
}

uint32_t QueueProgress::ClaimLease(store::QueueOffset offset, Lease lease, MessageGroupHash group) {
  const auto [it, added] = entries_.try_emplace(offset);
  Entry& entry = it->second;
  if (added) entry.group = group;
  lease.id = {};
  lease.attempt = entry.has_applied ? entry.applied.attempt + 1 : 1;
  lease.first_ms = lease.attempt > 1 ? entry.applied.first_ms : lease.delivered_ms;
  entry.claimed = std::make_unique<Lease>(lease);
  entry.abandoned = entry.aside = false;
  if (fifo()) {
    order_->Take(entry.group, offset);
  } else {
    ready_.erase(offset);
  }
  if (offset >= claimed_cursor_) claimed_cursor_ = offset + 1;
  return lease.attempt;
}

void QueueProgress::LeaseAppended(store::QueueOffset offset, store::LogPosition id) {
  const auto it = entries_.find(offset);
  if (it != entries_.end() && it->second.claimed != nullptr) it->second.claimed->id = id;
}

void QueueProgress::Unclaim(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.claimed == nullptr) return;
  it->second.claimed = nullptr;
  SetWaiting(it);
}

void QueueProgress::RewindTo(store::QueueOffset next) {
  claimed_cursor_ = next;
  for (auto it = entries_.lower_bound(next); it != entries_.end();
       it = entries_.lower_bound(next)) {
    Erase(it);
  }
}

void QueueProgress::TakeBack(store::QueueOffset offset) {
  const auto claim = entries_.find(offset);
  // A move that failed, too, has taken it back already.
  if (claim == entries_.end() || claim->second.claimed == nullptr) return;
  Unclaim(offset);
  const auto it = entries_.find(offset);
  if (it == entries_.end() || !it->second.returned) TakeBackFrom(offset);
}

void QueueProgress::TakeBackFrom(store::QueueOffset offset) {
  RewindTo(std::max(cursor_, std::min(claimed_cursor_, offset)));
}

const Lease* QueueProgress::Find(store::QueueOffset offset, store::LogPosition id) const {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.ending) return nullptr;
  const Entry& entry = it->second;
  if (entry.claimed != nullptr) return entry.claimed->id == id ? entry.claimed.get() : nullptr;
  if (entry.returned || entry.acked || entry.applied.id != id) return nullptr;
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
    if (!entry.Live() || entry.aside) continue;
    if (entry.applied.deadline_ms > now_ms && !entry.abandoned) continue;
    if (fifo() && !MayEndBatch(it->first, entry)) continue;
    ended.push_back({it->first, entry.applied, entry.abandoned, !fifo() || entry.led});
  }
  return ended;
}

uint32_t QueueProgress::CountFailedRead(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return 0;
  uint8_t& failed = it->second.failed_reads;
  if (failed < std::numeric_limits<uint8_t>::max()) ++failed;
  return failed;
}

void QueueProgress::SetAside(store::QueueOffset offset, bool aside) {
  const auto it = entries_.find(offset);
  if (it != entries_.end()) it->second.aside = aside;
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
    // What waits in a FIFO group is backlog like what was not looked at.
    if (!fifo() || !it->second.WaitsForFirst()) offsets.push_back(it->first);
  }
  return offsets;
}

void QueueProgress::ForEachLease(
    size_t max,
    absl::FunctionRef<void(store::QueueOffset, const Lease&, MessageGroupHash)> visit) const {
  for (const auto& [offset, entry] : entries_) {
    const bool held = entry.claimed != nullptr || (entry.has_applied && !entry.returned);
    if (!held || entry.ending || entry.acked) continue;
    if (max-- == 0) return;
    visit(offset, entry.claimed != nullptr ? *entry.claimed : entry.applied, entry.group);
  }
}

void QueueProgress::RecomputeEarliestDeadline() {
  earliest_deadline_ = kNever;
  for (const auto& [offset, entry] : entries_) {
    if (entry.ending || entry.aside) continue;
    // Of a batch about which something is on its way, NoteHead tells when that is applied.
    if (fifo() && !entry.returned && !MayEndBatch(offset, entry)) continue;
    if (entry.abandoned && entry.Live()) NoteDeadline(0);
    if (entry.claimed != nullptr) NoteDeadline(entry.claimed->deadline_ms);
    if (entry.has_applied && !entry.returned) NoteDeadline(entry.applied.deadline_ms);
  }
}

void QueueProgress::DropClaims() {
  std::vector<store::QueueOffset> only_claimed;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    Entry& entry = it->second;
    entry.ending = entry.abandoned = false;
    entry.claimed = nullptr;
    if (!entry.has_applied) {
      only_claimed.push_back(it->first);
    } else if (entry.returned) {
      SetWaiting(it);
    }
  }
  for (const store::QueueOffset offset : only_claimed) Erase(entries_.find(offset));
  claimed_cursor_ = cursor_;
  passing_to_ = 0;
}

void QueueProgress::ForgetLeases() {
  entries_.clear();
  ready_.clear();
  if (fifo()) order_ = std::make_unique<MessageGroupOrder>();
  applied_ = backing_off_ = 0;
  earliest_deadline_ = kNever;
}

void QueueProgress::ApplyCursor(store::QueueOffset cursor) {
  implied_ = false;
  cursor_ = std::max(cursor_, cursor);
  claimed_cursor_ = std::max(claimed_cursor_, cursor_);
  if (cursor_ >= passing_to_) passing_to_ = 0;
}

bool QueueProgress::ApplyLease(store::QueueOffset offset, Lease lease) {
  const auto it = entries_.try_emplace(offset).first;
  Entry& entry = it->second;
  lease.attempt = entry.has_applied ? entry.applied.attempt + 1 : 1;
  lease.first_ms = lease.attempt > 1 ? entry.applied.first_ms : lease.delivered_ms;
  if (lease.attempt == 1) ++applied_;
  if (entry.BacksOff()) --backing_off_;
  entry.applied = lease;
  entry.has_applied = true;
  entry.returned = entry.acked = false;
  if (entry.claimed != nullptr && entry.claimed->id == lease.id) entry.claimed = nullptr;
  SetLeased(it);
  entry.led = fifo() && *order_->Batch(entry.group).begin() == offset;
  NoteDeadline(lease.deadline_ms);
  return entry.abandoned;
}

bool QueueProgress::ApplyChange(store::QueueOffset offset, store::LogPosition id,
                                int64_t deadline_ms, uint32_t attempts) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return false;
  if (!it->second.BacksOff() && !it->second.returned) ++backing_off_;
  it->second.applied.id = id;
  it->second.applied.deadline_ms = deadline_ms;
  it->second.applied.auto_renew = false;  // the client has named a time
  it->second.applied.changed = true;
  it->second.applied.attempts = attempts;
  it->second.ending = false;
  NoteDeadline(deadline_ms);
  if (fifo()) NoteHead(it->second.group);
  return it->second.abandoned;
}

size_t QueueProgress::ApplyAck(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return 0;
  if (!fifo()) return Erase(it);
  // Of a message that comes again already only its reader can say that nobody wants it.
  if (it->second.returned) return 0;
  it->second.ending = false;
  it->second.acked = true;
  return FinishFront(it->second.group);
}

size_t QueueProgress::ApplyEnd(store::QueueOffset offset, bool counted) {
  const auto it = entries_.find(offset);
  if (it == entries_.end() || it->second.returned) return 0;
  Entry& entry = it->second;
  if (entry.BacksOff()) --backing_off_;
  entry.returned = true;
  entry.ending = entry.acked = false;
  if (!counted && entry.applied.attempt > 0 && --entry.applied.attempt == 0) --applied_;
  return entry.claimed == nullptr ? SetWaiting(it) : 0;
}

size_t QueueProgress::ApplyMoved(store::QueueOffset offset) {
  const auto it = entries_.find(offset);
  if (it == entries_.end()) return 0;
  const MessageGroupHash group = it->second.group;
  const size_t freed = Erase(it);
  return fifo() ? freed + FinishFront(group) : freed;
}

namespace {
constexpr uint8_t kFifoFlag = 1;  // of the queue
constexpr uint8_t kImpliedFlag = 2;

constexpr uint8_t kAutoRenewFlag = 1;  // of an entry
constexpr uint8_t kReturnedFlag = 2;
constexpr uint8_t kAckedFlag = 4;
constexpr uint8_t kLedFlag = 8;
constexpr uint8_t kNoLeaseFlag = 16;
constexpr uint8_t kChangedFlag = 32;
constexpr uint8_t kAttemptsFlag = 64;
}  // namespace

std::string QueueProgress::Encode() const {
  ByteWriter w;
  w.U8((fifo() ? kFifoFlag : 0) | (implied_ ? kImpliedFlag : 0)).Varint(cursor_);
  for (const auto& [offset, entry] : entries_) {
    if (!entry.has_applied) continue;  // only claimed: not part of the fold
    const Lease& lease = entry.applied;
    const bool no_lease = lease.attempt == 0;
    w.Varint(offset).U8((lease.auto_renew ? kAutoRenewFlag : 0) |
                        (entry.returned ? kReturnedFlag : 0) | (entry.acked ? kAckedFlag : 0) |
                        (entry.led ? kLedFlag : 0) | (no_lease ? kNoLeaseFlag : 0) |
                        (lease.changed ? kChangedFlag : 0) |
                        (lease.attempts > 0 ? kAttemptsFlag : 0));
    if (fifo()) w.Fixed32(entry.group);
    if (no_lease) continue;
    w.Varint(lease.id.epoch).Varint(lease.id.offset).Varint(lease.deadline_ms);
    w.Fixed64(lease.owner).Varint(lease.attempt);
    w.Varint(static_cast<uint64_t>(lease.first_ms));
    w.Varint(static_cast<uint64_t>(lease.delivered_ms));
    if (fifo()) w.Fixed64(lease.attempt_id);
    if (lease.attempts > 0) w.Varint(lease.attempts);
  }
  return w.Take();
}

absl::StatusOr<QueueProgress> QueueProgress::Decode(std::string_view value) {
  ByteReader r(value);
  const uint8_t kind = r.U8();
  const bool fifo = (kind & kFifoFlag) != 0;
  QueueProgress progress(r.Varint(), fifo, (kind & kImpliedFlag) != 0);
  while (r.ok() && !r.AtEnd()) {
    const store::QueueOffset offset = r.Varint();
    Entry entry;
    entry.has_applied = true;
    const uint8_t flags = r.U8();
    entry.returned = (flags & (kReturnedFlag | kNoLeaseFlag)) != 0;
    entry.acked = (flags & kAckedFlag) != 0;
    entry.led = (flags & kLedFlag) != 0;
    if (fifo) entry.group = r.Fixed32();
    entry.applied.attempt = 0;
    if ((flags & kNoLeaseFlag) == 0) {
      entry.applied.auto_renew = (flags & kAutoRenewFlag) != 0;
      entry.applied.changed = (flags & kChangedFlag) != 0;
      entry.applied.id.epoch = r.Varint();
      entry.applied.id.offset = r.Varint();
      entry.applied.deadline_ms = static_cast<int64_t>(r.Varint());
      entry.applied.owner = r.Fixed64();
      entry.applied.attempt = r.Varint32();
      entry.applied.first_ms = static_cast<int64_t>(r.Varint());
      entry.applied.delivered_ms = static_cast<int64_t>(r.Varint());
      if (fifo) entry.applied.attempt_id = r.Fixed64();
      if ((flags & kAttemptsFlag) != 0) entry.applied.attempts = r.Varint32();
      if (entry.applied.attempt == 0) return absl::DataLossError("a lease has no attempt");
      ++progress.applied_;
    }
    if (!entry.returned) progress.NoteDeadline(entry.applied.deadline_ms);
    if (entry.BacksOff()) ++progress.backing_off_;
    const auto [it, added] = progress.entries_.emplace(offset, std::move(entry));
    if (!added) return absl::DataLossError("a group's position names an offset twice");
    if (it->second.returned) {
      progress.SetWaiting(it);
    } else {
      progress.SetLeased(it);
    }
  }
  if (!r.ok()) return absl::DataLossError("a group's position cannot be decoded");
  return progress;
}

}  // namespace mansio::broker
