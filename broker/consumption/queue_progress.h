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
#include "broker/consumption/message_group_order.h"
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
  uint64_t attempt_id = 0;   // hash of the receive's attempt_id; 0 when it had none
  bool changed = false;      // the deadline is not that of the receive: mostly a back-off
  uint32_t attempts = 0;     // if changed: of the message in all; 0: not known
};

// How far one group is on one queue: the cursor, and what was handed out and is not acknowledged.
//
// For a FIFO group it keeps the order within message groups (MessageGroupOrder). Messages behind
// the cursor then also wait for their first delivery. An ack inside a batch counts for good when
// all before it in the batch are acked or dead; when the lease of the first one, the *head*, ends,
// all of the batch comes again in place, acked or not. A batch ends, and the next one begins, when
// that is applied: a message handed out behind an ack that a crash takes back would overtake.
//
// Two layers (design section 1.3). *Applied* state is the fold of the log and nothing else.
// *Claims* are decisions whose record is on its way; readers see them as if applied, replay never
// has any, and DropClaims forgets them all. The owner (GroupProgress) holds the lock.
class QueueProgress {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  // How far past the oldest message that is not finished a FIFO group looks for others to hand out.
  static constexpr store::QueueOffset kLookAhead = 4096;

  // `implied`: the group begins here should it ever consume, but nobody has asked for it.
  explicit QueueProgress(store::QueueOffset cursor, bool fifo = false, bool implied = false)
      : cursor_(cursor), claimed_cursor_(cursor), implied_(implied) {
    if (fifo) order_ = std::make_unique<MessageGroupOrder>();
  }

  bool fifo() const { return order_ != nullptr; }

  // ---- Decisions ----

  // The next message that nobody has claimed.
  store::QueueOffset next() const { return claimed_cursor_; }
  // Passes over messages up to `to` (filtered out, or gone by retention).
  void SkipTo(store::QueueOffset to) {
    if (to > claimed_cursor_) claimed_cursor_ = to;
  }
  // Claims that what is before `to`, from next() on, goes elsewhere with a frame that has messages.
  // Until the frame is applied, or taken back as it has failed, nothing is taken from next() on:
  // such a frame may fail while later records do not (store/append.h), and those must not log a
  // cursor that passes over what the frame was to move.
  void ClaimPass(store::QueueOffset to) { passing_to_ = to; }
  void UnclaimPass() { passing_to_ = 0; }
  bool passing() const { return passing_to_ > 0; }
  // Where a take stops in a queue that ends at `end`.
  store::QueueOffset LookEnd(store::QueueOffset end) const;
  // Messages that came back and wait for their next delivery, lowest first. Of a FIFO group, the
  // first of each message group that waits for any delivery and may have it.
  const absl::btree_set<store::QueueOffset>& ready() const {
    return fifo() ? order_->ready() : ready_;
  }
  // FIFO: whether the message at next(), of this message group, has to wait for one before it; and
  // claims that it does, which moves the cursor behind it.
  bool MustWait(MessageGroupHash group) const { return fifo() && order_->MustWait(group); }
  void ClaimWait(MessageGroupHash group);
  // FIFO: the message is behind the cursor and was not handed out yet, or not so that it counts.
  bool WaitsForFirst(store::QueueOffset offset) const;
  // Claims a message for a lease that is about to be logged: one of ready(), or the one at next(),
  // which moves the cursor behind it; `group` is that one's message group. Returns the number of
  // this delivery.
  uint32_t ClaimLease(store::QueueOffset offset, Lease lease, MessageGroupHash group = 0);
  // FIFO: nothing more joins the batches of the claims so far. After each take.
  void EndTake() {
    if (fifo()) order_->EndTake();
  }
  // Its record has its place in the log.
  void LeaseAppended(store::QueueOffset offset, store::LogPosition id);
  // Takes back a claim whose record was refused at once, before the lock was released; RewindTo
  // then puts next() where it was and forgets what was claimed behind it. (Later claims would
  // otherwise log a cursor that passes over the message.)
  void Unclaim(store::QueueOffset offset);
  void RewindTo(store::QueueOffset next);
  // Takes back a claim whose record failed on its way: the message is next again, or ready. The
  // records of all later claims have failed too, or will before any other is logged
  // (store/append.h); so no claim of these is ever logged together with messages (ClaimPass).
  void TakeBack(store::QueueOffset offset);
  // FIFO: the same of all that the record's take passed, from this offset on.
  void TakeBackFrom(store::QueueOffset offset);

  // The lease that `id` names while it lives and no decision to end or change it is on its way;
  // nullptr otherwise. Claimed leases count as soon as they have an id.
  const Lease* Find(store::QueueOffset offset, store::LogPosition id) const;
  // Claims the end or change of a lease that Find returned.
  void ClaimEnd(store::QueueOffset offset);
  // The claim's record was refused.
  void UnclaimEnd(store::QueueOffset offset);
  // Claims the end of a lease that is to come again in place, of a FIFO group with its whole batch.
  // Returns whose; nothing when another decision about one of them is on its way.
  std::vector<store::QueueOffset> ClaimReturn(store::QueueOffset offset);

  struct Held {
    store::QueueOffset offset = 0;
    Lease lease;
  };
  // FIFO: up to `max` messages that this owner holds by a receive with this attempt id, and has not
  // acked: another receive with that id gets them once more. None for the attempt id 0.
  std::vector<Held> HeldBy(uint64_t owner, uint64_t attempt_id, size_t max) const;

  struct Ended {
    store::QueueOffset offset = 0;
    Lease lease;
    bool abandoned = false;
    bool led = true;  // FIFO: it was the first of its batch from the beginning
  };
  // Up to `max` applied leases that have ended by `now_ms`, lowest offsets first: those whose time
  // has passed, and those that were abandoned. Of a FIFO group only heads. Nothing is claimed.
  std::vector<Ended> EndedBy(int64_t now_ms, size_t max) const;
  // Counts that a message cannot be read now; how often in a row that was so. Memory only.
  uint32_t CountFailedRead(store::QueueOffset offset);
  // What cannot be read now is no part of EndedBy until it is taken up again. Memory only.
  void SetAside(store::QueueOffset offset, bool aside);
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
  // FIFO: the cursor will pass a message that waits, or that is leased with the same record.
  void ApplyWait(store::QueueOffset offset, MessageGroupHash group);
  // Both return whether the lease was abandoned while its record was on its way. `attempts`: as
  // Lease::attempts.
  bool ApplyLease(store::QueueOffset offset, Lease lease);
  bool ApplyChange(store::QueueOffset offset, store::LogPosition id, int64_t deadline_ms,
                   uint32_t attempts = 0);
  // These return how many messages of the queue can be handed out that could not before.
  size_t ApplyAck(store::QueueOffset offset);
  size_t ApplyEnd(store::QueueOffset offset, bool counted);
  // The message has gone elsewhere, with the end of its lease.
  size_t ApplyMoved(store::QueueOffset offset);

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
  // Of outstanding(), those that nobody has now: they came back, or wait.
  size_t waiting() const { return fifo() ? order_->waiting() : ready_.size(); }

  // Applied leases whose deadline was changed (Lease::changed).
  size_t backing_off() const { return backing_off_; }

  // Tells of messages that somebody holds, claims included, lowest offsets first, of at most `max`
  // of them; `group` is the message group of a FIFO group's.
  void ForEachLease(
      size_t max,
      absl::FunctionRef<void(store::QueueOffset offset, const Lease& lease, MessageGroupHash group)>
          visit) const;
  // FIFO: messages that wait behind the batch of their message group.
  size_t WaitingBehind(MessageGroupHash group) const {
    return fifo() ? order_->WaitingOf(group) : 0;
  }

  // The applied state as bytes, and back. DataLoss for bytes that are not one.
  std::string Encode() const;
  static absl::StatusOr<QueueProgress> Decode(std::string_view value);

 private:
  struct Entry {
    Lease applied;             // attempt 0: none so far
    bool has_applied = false;  // false: only claimed so far
    bool returned = false;     // the applied lease has ended; `attempt` counts it
    bool acked = false;        // FIFO: behind one that is not
    bool led = false;          // FIFO: the applied lease began as its batch's first
    bool ending = false;       // claimed: an ack, an end or a change is on its way
    bool abandoned = false;    // claimed: its client is dead
    bool aside = false;        // its end waits until it can be read
    uint8_t failed_reads = 0;
    MessageGroupHash group = 0;
    std::unique_ptr<Lease> claimed;
    bool BacksOff() const { return has_applied && !returned && applied.changed; }
    // The applied lease lives, and no decision about it is on its way.
    bool Live() const { return has_applied && !returned && !ending && claimed == nullptr; }
    // It was not handed out yet, or not so that it counts.
    bool WaitsForFirst() const { return claimed == nullptr && applied.attempt == 0; }
  };

  using Entries = absl::btree_map<store::QueueOffset, Entry>;

  // Nobody has the message now; the number of messages that can be handed out by that.
  size_t SetWaiting(Entries::iterator it);
  void SetLeased(Entries::iterator it);
  // Forgets the message; the same number.
  size_t Erase(Entries::iterator it);

  // FIFO: the lease is that of a head, and nothing about its batch is on its way.
  bool MayEndBatch(store::QueueOffset offset, const Entry& entry) const;
  // FIFO: finishes what is acked at the front of the group's batch, and notes the new head.
  size_t FinishFront(MessageGroupHash group);
  void NoteHead(MessageGroupHash group);
  // The oldest message that is not finished.
  store::QueueOffset Oldest() const {
    return entries_.empty() ? claimed_cursor_ : std::min(entries_.begin()->first, claimed_cursor_);
  }

  void NoteDeadline(int64_t deadline_ms) {
    if (deadline_ms < earliest_deadline_) earliest_deadline_ = deadline_ms;
  }

  store::QueueOffset cursor_;
  store::QueueOffset claimed_cursor_;
  store::QueueOffset passing_to_ = 0;  // claimed; 0: nothing is on its way
  bool implied_;
  Entries entries_;
  absl::btree_set<store::QueueOffset> ready_;  // without order
  std::unique_ptr<MessageGroupOrder> order_;   // FIFO groups only
  size_t applied_ = 0;                         // entries with an applied lease, ended ones included
  size_t backing_off_ = 0;                     // of entries_
  int64_t earliest_deadline_ = kNever;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_QUEUE_PROGRESS_H_
