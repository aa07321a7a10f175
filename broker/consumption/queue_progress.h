#ifndef MANSIO_BROKER_CONSUMPTION_QUEUE_PROGRESS_H_
#define MANSIO_BROKER_CONSUMPTION_QUEUE_PROGRESS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::broker {

// One hand-over of one message.
struct Lease {
  store::LogPosition id;     // of its record; {0, 0} until the log has placed it
  int64_t deadline_ms = 0;   // broker time
  uint64_t owner = 0;        // gateway::ClientHash
  uint32_t attempt = 1;      // this delivery's number, the first is 1
  bool auto_renew = false;   // lives while its owner does, at most until the deadline
  int64_t first_ms = 0;      // store time of the first delivery of the message in this queue
  int64_t delivered_ms = 0;  // and of this one
};

// How far one group is on one queue: the cursor, and what was handed out and is not acknowledged.
//
// Two layers (design section 1.3). *Applied* state is the fold of the log and nothing else.
// *Claims* are decisions whose record is on its way; readers see them as if applied, replay never
// has any, and DropClaims forgets them all. The owner (GroupProgress) holds the lock.
class QueueProgress {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  // `implied`: the group begins here should it ever consume, but nobody has asked for it.
  explicit QueueProgress(store::QueueOffset cursor, bool implied = false)
      : cursor_(cursor), claimed_cursor_(cursor), implied_(implied) {}

  // ---- Decisions ----

  // The next message that nobody has claimed.
  store::QueueOffset next() const { return claimed_cursor_; }
  // Passes over messages up to `to` (filtered out, or gone by retention).
  void SkipTo(store::QueueOffset to) {
    if (to > claimed_cursor_) claimed_cursor_ = to;
  }
  // Messages that came back and wait for their next delivery, lowest first.
  const absl::btree_set<store::QueueOffset>& ready() const { return ready_; }
  // Claims a message for a lease that is about to be logged: one of ready(), or the one at next(),
  // which moves the cursor behind it. Returns the number of this delivery.
  uint32_t ClaimLease(store::QueueOffset offset, Lease lease);
  // Its record has its place in the log.
  void LeaseAppended(store::QueueOffset offset, store::LogPosition id);
  // Takes back a claim whose record was refused at once, before the lock was released; RewindTo
  // then puts next() where it was. (Later claims would otherwise log a cursor that passes over the
  // message.)
  void Unclaim(store::QueueOffset offset);
  void RewindTo(store::QueueOffset next) { claimed_cursor_ = next; }
  // Takes back a claim whose record failed on its way: the message is next again, or ready. The
  // records of all later claims have failed too, or will before any other is logged
  // (store/append.h).
  void TakeBack(store::QueueOffset offset);

  // The lease that `id` names while it lives and no decision to end or change it is on its way;
  // nullptr otherwise. Claimed leases count as soon as they have an id.
  const Lease* Find(store::QueueOffset offset, store::LogPosition id) const;
  // Claims the end or change of a lease that Find returned.
  void ClaimEnd(store::QueueOffset offset);
  // The claim's record was refused.
  void UnclaimEnd(store::QueueOffset offset);

  struct Ended {
    store::QueueOffset offset = 0;
    Lease lease;
    bool abandoned = false;
  };
  // Up to `max` applied leases that have ended by `now_ms`, lowest offsets first: those whose time
  // has passed, and those that were abandoned. Nothing is claimed.
  std::vector<Ended> EndedBy(int64_t now_ms, size_t max) const;
  // Marks the leases that `whose` says so of as ended: their client is dead. Returns whether there
  // was one. What is on its way into the log counts, too; ApplyLease and ApplyChange tell when it
  // has come. The mark is a claim: it is not part of the fold.
  bool Abandon(absl::FunctionRef<bool(const Lease&)> whose);
  // No lease can lapse before this broker time; kNever when there is none.
  int64_t earliest_deadline() const { return earliest_deadline_; }
  // Looks at all leases again to make that bound exact; leases whose end is claimed do not count,
  // one that was abandoned has ended at 0.
  void RecomputeEarliestDeadline();

  void DropClaims();
  // Forgets every lease: the messages of the queue will not be delivered any more.
  void ForgetLeases();

  // Offsets in [from, to) that are handed out and not acknowledged, claims included; the lowest
  // `max`.
  std::vector<store::QueueOffset> Outstanding(store::QueueOffset from, store::QueueOffset to,
                                              size_t max) const;

  // ---- The fold: log thread ----

  void ApplyCursor(store::QueueOffset cursor);
  // Both return whether the lease was abandoned while its record was on its way.
  bool ApplyLease(store::QueueOffset offset, Lease lease);
  bool ApplyChange(store::QueueOffset offset, store::LogPosition id, int64_t deadline_ms);
  void ApplyAck(store::QueueOffset offset);
  void ApplyEnd(store::QueueOffset offset, bool counted);

  // ---- Reading ----

  store::QueueOffset cursor() const { return cursor_; }
  // Whether nothing was ever consumed here, nor the position set.
  bool implied() const { return implied_; }
  // Everything before it is acknowledged or passed over, claims included.
  store::QueueOffset consumed() const {
    return entries_.empty() ? claimed_cursor_ : std::min(entries_.begin()->first, claimed_cursor_);
  }
  // Messages handed out and not acknowledged, those that came back included: by the log, and with
  // claims.
  size_t applied_outstanding() const { return applied_; }
  size_t outstanding() const { return entries_.size(); }

  // The applied state as bytes, and back. DataLoss for bytes that are not one.
  std::string Encode() const;
  static absl::StatusOr<QueueProgress> Decode(std::string_view value);

 private:
  struct Entry {
    Lease applied;
    bool has_applied = false;  // false: only claimed so far
    bool returned = false;     // the applied lease has ended; `attempt` counts it
    bool ending = false;       // claimed: an ack, an end or a change is on its way
    bool abandoned = false;    // claimed: its client is dead
    std::unique_ptr<Lease> claimed;
    // The applied lease lives, and no decision about it is on its way.
    bool Live() const { return has_applied && !returned && !ending && claimed == nullptr; }
  };

  void NoteDeadline(int64_t deadline_ms) {
    if (deadline_ms < earliest_deadline_) earliest_deadline_ = deadline_ms;
  }

  store::QueueOffset cursor_;
  store::QueueOffset claimed_cursor_;
  bool implied_;
  absl::btree_map<store::QueueOffset, Entry> entries_;
  absl::btree_set<store::QueueOffset> ready_;
  size_t applied_ = 0;  // entries with has_applied
  int64_t earliest_deadline_ = kNever;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_QUEUE_PROGRESS_H_
