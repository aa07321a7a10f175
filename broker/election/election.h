#ifndef MANSIO_BROKER_ELECTION_ELECTION_H_
#define MANSIO_BROKER_ELECTION_ELECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/election/etcd.h"
#include "broker/election/promises.h"
#include "broker/election/records.h"
#include "broker/election/reign.h"

// Who is master of a broker group (design section 9). The rules, and why no two members may
// acknowledge at the same time:
//
// 1. A member becomes master by one transaction in etcd: the group has no master, and the group's
//    record is the one that the member has read, by which it is in the in-sync set. The epoch is
//    one more than the record's, and than all in the member's own log. A member outside the set is
//    elected only where that is allowed (`allow_outside`).
// 2. The master's key lives as long as its lease. The master counts the lease from before it asked
//    for it, on its own clock, and less a margin: it stops before etcd lets the key go.
// 3. A master that cannot renew its lease goes on while every other member that may be in the set
//    as etcd has it, changes whose outcome is unknown included, keeps promising not to stand. The
//    master counts a promise from before it asked. A member that has promised stands only after
//    that, and one whose own transaction may still be carried out promises nothing. So rule 1's
//    transaction fails by the key, or is not made.
// 4. The set changes by a transaction that compares the group's record: one that was changed by
//    anybody else's reign is not changed any more by this one's. The master waits for a member that
//    is to join from the proposal on, and for one that is to leave until the change is recorded.
//    Rule 1's transaction is such a change, too: a master whose key went without an heir, and one
//    that hands over as it ends, leave the set with their reign if enough others are in it. Nothing
//    is waited for that is not there: they join again as anybody does.
// 5. A slave refuses frames of an epoch older than one that it has promised to, has seen in etcd,
//    or has in its log.
// 6. A master hands over by one transaction that takes its key away and names the heir, after it
//    has ceased to acknowledge. Promises to it are void then; others let the heir go first.
// 7. A transaction whose outcome is unknown is settled before anything else is done: its lease is
//    revoked, without which it fails, or another change of the same record has succeeded.
// 8. A member of the set that may have lost something says what it still has, in a record of its
//    own that names the revision of the group's. When all of the set have said so, whoever has as
//    much as any (the later last epoch, then the longer log) stands as if it lacked nothing: all
//    share one history, so it has what any of them has. One that lacks nothing says nothing, and is
//    waited for. From saying so until the group's record changes, as every election and every
//    return of a master's key changes it, a member takes no frames and promises nothing, and so
//    never has more than it said. A process that finds no master at its first look does the same,
//    as the one before it may have said something.
// 9. A number in the set means one store: the group's record names it. A member with another one
//    counts as outside the set and says nothing by rule 8, and its promise, or one of a member
//    whose store is not recorded yet, counts for nothing. The store of a number changes only while
//    that is not in the set.
namespace mansio::broker {

struct ElectionOptions {
  BrokerId self = 0;
  std::string address;  // where slaves open their streams to this member, HOST:PORT
  std::string prefix;   // ElectionPrefix of the group
  // This member may found a group that etcd knows nothing of: one alone of the group's, with all
  // that the group has.
  bool founds = false;
  // A member outside the in-sync set may be elected when there has been no master for ten leases:
  // what was acknowledged since it left the set is lost. Equal in all members: a master then counts
  // on its lease alone, as promises of the set's members would not bind the others.
  bool allow_outside = false;
  absl::Duration lease = absl::Seconds(3);  // whole seconds, as etcd's
  // So many members stay in the set when a master leaves it with its reign.
  size_t min_in_sync = 1;
  // Of the lease, what the master does not count. A second, which is etcd's own election time-out:
  // so long an etcd server that is cut off may take itself for the leader, and renew.
  absl::Duration margin = absl::Seconds(1);
  absl::Duration promise = absl::Seconds(2);  // less than the lease; equal in all members
  absl::Duration promise_margin = absl::Milliseconds(100);
  absl::Duration renew = absl::Milliseconds(500);  // the lease and promises, so often
  absl::Duration poll = absl::Seconds(1);          // a member that is not master asks so often
  absl::Duration retry = absl::Milliseconds(200);  // after an error
  // A master whose log does not begin its reign in that time (Standing::last_epoch) gives it up:
  // its disk may not answer.
  absl::Duration take_up = absl::InfiniteDuration();
};

// What the broker says of itself.
struct Standing {
  bool may_stand = true;
  // All that it has told others it holds is in its log: perhaps not after a power cut with
  // durability `replica`, nor after its disk was replaced. Else it counts as one outside the set,
  // unless it is the whole set and has a log: then nobody has more.
  bool whole = true;
  // It began with an empty log and has not got everything: it does not say what it has (rule 8), as
  // somebody may look for a disk that was not mounted. Never when it is whole.
  bool began_empty = false;
  store::Epoch last_epoch = 0;  // of its log; 0: that is empty
  StoreId store = {};           // its own; empty: any
  // Where its log ends, which was just opened and has taken nothing since; nullopt: no news of it.
  std::optional<store::LogOffset> log_end = {};
};

// A request to etcd, to be answered exactly once by Replied.
struct EtcdRequest {
  enum class Kind { kRead, kCommit, kGrant, kKeepAlive, kRevoke };
  uint64_t id = 0;
  Kind kind = Kind::kRead;
  EtcdTxn txn = {};         // kCommit
  absl::Duration ttl = {};  // kGrant
  EtcdLeaseId lease = 0;    // kKeepAlive, kRevoke
};

struct EtcdReply {
  absl::Status status;
  EtcdSnapshot snapshot = {};  // kRead
  EtcdCommit commit = {};
  EtcdLease lease = {};  // kGrant; kKeepAlive: ttl alone
};

// What has come to be, in this order.
struct Elected {
  std::shared_ptr<const Reign> reign;
  std::set<BrokerId> in_sync;
  StoreIds stores = {};  // of these, as far as known
};
struct Deposed {
  store::Epoch epoch = 0;
  std::string why;
};
struct MasterSeen {  // another one than before, or none
  std::optional<MasterRecord> master;
};
struct InSyncRecorded {
  std::set<BrokerId> in_sync;
};
// It must say where its log ends, and frames have come since it was opened: it is to be opened
// again, and SetStanding then tells.
struct LogEndWanted {};
using ElectionEvent = std::variant<Elected, Deposed, MasterSeen, InSyncRecorded, LogEndWanted>;

struct ElectionWork {
  std::vector<EtcdRequest> requests;
  std::vector<std::pair<BrokerId, PromiseRequest>> promises;  // to be asked for
  std::vector<ElectionEvent> events;
};

// For commands and metrics.
struct ElectionState {
  bool is_master = false;
  store::Epoch epoch = 0;  // of the group, as far as known
  std::optional<MasterRecord> master;
  std::set<BrokerId> in_sync;   // as recorded
  absl::Duration acknowledges;  // a master: for how long, if nothing comes any more; else zero
  // Why it cannot do what it wants to, or why nobody is master as far as this member goes; empty:
  // nothing is wrong.
  std::string trouble;
  bool has_another_store = false;  // that is why: its number means another one (rule 9)
};

// What whoever wants a hand-over is told while etcd does not answer: Unavailable. `why`: its last
// error, or empty.
absl::Status EtcdIsAway(const std::string& why);

// The rules of one member, without threads, clocks or connections: it is told what has happened and
// when (`now`: BootNow, never less than before), and TakeWork says what is to be done. Not
// thread-safe.
class Election {
 public:
  Election(ElectionOptions options, absl::Duration now);

  // Time has passed: some times a second.
  void Tick(absl::Duration now);
  // Something below the prefix has changed: a hint, which may be missing.
  void Changed() { read_now_ = true; }
  void Replied(absl::Duration now, uint64_t request, const EtcdReply& reply);
  void SetStanding(const Standing& standing);

  // The master of the stream asks, `now` being read after that; nullopt: no promise.
  std::optional<Promise> PromiseAsked(absl::Duration now, const PromiseRequest& request);
  // A slave has answered.
  void Promised(absl::Duration now, BrokerId from, const Promise& promise);
  // Whether a slave may append what a master of this epoch sends (rule 5): the epoch of the
  // master's reign, not of the frames, which may be from reigns before it.
  bool AcceptsFrames(store::Epoch epoch);

  // The master wants this set recorded; InSyncRecorded follows, after others perhaps. Until then
  // it must wait for the members of both. `stores`: of the members, as far as known; the master's
  // own is added. FailedPrecondition when this is not the master; InvalidArgument when the master
  // is not in the set.
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores = {});
  // Gives the group to a member of the recorded set. The broker must have ceased to take sends;
  // from now on nothing may be acknowledged any more, whatever comes of it, and Deposed follows.
  // `leaves`: this process ends then, and is not to be waited for. FailedPrecondition says why it
  // cannot be, as CheckHandOver.
  absl::Status HandOver(absl::Duration now, BrokerId heir, bool leaves);
  // Whether it could be now, and somebody be elected then: FailedPrecondition when this is not the
  // master, or `heir` not another member of the recorded set; Unavailable when etcd has not
  // answered just now.
  absl::Status CheckHandOver(absl::Duration now, BrokerId heir) const;
  // Gives up being master, if it is: its disk has failed, for example. Nothing may be acknowledged
  // any more. It stands again when SetStanding says that it may.
  void StepDown(std::string why);
  // This member's end: gives up being master and stands no more.
  void Resign();

  ElectionWork TakeWork() { return std::exchange(work_, {}); }
  ElectionState State(absl::Duration now) const;

 private:
  struct InSync {
    std::set<BrokerId> members;
    StoreIds stores;  // of the members
    friend bool operator==(const InSync&, const InSync&) = default;
  };
  // What the one request under way is for; renewals and revocations go beside it.
  enum class Step { kRead, kGrant, kCampaign, kSettle, kResume, kRecord, kHandOver, kSay };
  static constexpr EtcdRevision kNoKey = 0;  // as the revision of a key that is not there

  struct Pending {
    uint64_t id = 0;
    Step step = Step::kRead;
    absl::Duration sent;
  };
  struct Renewal {
    uint64_t id = 0;
    EtcdLeaseId lease = 0;
    absl::Duration sent;
  };
  struct HeldLease {
    EtcdLeaseId id = 0;
    absl::Duration until;  // as the master counts
  };

  // Both roles.
  void Send(absl::Duration now, Step step, EtcdRequest request);
  void SendRead(absl::Duration now) { Send(now, Step::kRead, {}); }
  void SendGrant(absl::Duration now);
  // A transaction without changes yet, for while the group's record is as seen and the master's key
  // is the one of that revision.
  EtcdTxn TxnWhere(EtcdRevision master_created) const;
  void Commit(absl::Duration now, Step step, EtcdTxn txn);
  // Revokes it; it would end by itself, too.
  void Forget(EtcdLeaseId lease);
  void Answered(absl::Duration now, const Pending& request, const EtcdReply& reply);
  void OnRead(absl::Duration now, const EtcdReply& reply);
  void OnGrant(absl::Duration now, const Pending& request, const EtcdReply& reply);
  bool Look(absl::Duration now, const EtcdSnapshot& snapshot);
  HeldLease Count(const EtcdLease& lease, absl::Duration sent) const;
  MasterRecord Self() const;

  // As a member (election_member.cc).
  void TickMember(absl::Duration now);
  void LookAsMember(absl::Duration now, const std::optional<MasterRecord>& before);
  bool MayStand(absl::Duration now);
  // The greatest that this member has heard of.
  store::Epoch LastEpoch() const;
  bool IsInSync() const;  // as etcd has it, and rightly so
  // Its number means another store in the group's record (rule 9).
  bool HasAnotherStore() const;
  std::string WhyItsStoreDoesNotCount() const;
  // Why it does not stand, for people; empty when it does, or there is a master.
  std::string WhyItDoesNotStand() const;
  // Why nothing may be acknowledged, for people.
  std::string WhyItMustWait() const;
  void Campaign(absl::Duration now);
  // Takes a member out that is not there, unless too few would be left.
  void Leave(ElectionRecord& group, BrokerId member) const;
  void OnCampaign(absl::Duration now, const EtcdReply& reply);
  void OnSettle(absl::Duration now, const EtcdReply& reply);
  void BeginReign(absl::Duration now, EtcdRevision revision);
  bool Accepts(store::Epoch epoch) const;

  // As one that may have lost something (election_lost.cc).
  bool IsLacking() const;  // and is in the set
  bool HasNothingToSay() const;
  // What it has to say; nullopt: nothing, or it does not know.
  std::optional<LostRecord> WhatItHas() const;
  void SayWhatItHas(absl::Duration now);
  void OnSaid(absl::Duration now, const EtcdReply& reply);
  bool HasAsMuchAsAny() const;    // of the set, all of which have said what they have
  bool AnotherHasMore() const;    // as far as members have said
  bool IsBoundByItsWord() const;  // takes no frames, promises nothing
  std::string WhyItWaitsForOthers() const;

  // As the master (election_master.cc).
  void TickMaster(absl::Duration now);
  void AskForPromises(absl::Duration now);
  void OnKeepAlive(absl::Duration now, const Renewal& renewal, const EtcdReply& reply);
  void LookAsMaster(absl::Duration now);
  void Resume(absl::Duration now);
  void OnResume(absl::Duration now, const EtcdReply& reply);
  void Record(absl::Duration now);
  void OnRecord(absl::Duration now, const EtcdReply& reply);
  void SendHandOver(absl::Duration now);
  void OnHandOver(absl::Duration now, const EtcdReply& reply);
  void Depose(std::string why);
  void Recorded(InSync in_sync, EtcdRevision revision);
  ElectionRecord GroupOf(const InSync& in_sync) const;  // of its reign
  std::set<BrokerId> Others() const;
  absl::Duration Authority() const;  // until when it may acknowledge
  void UpdateAuthority();

  const ElectionOptions options_;
  Standing standing_;
  ElectionWork work_;
  uint64_t last_request_ = 0;
  std::optional<Pending> pending_;
  bool read_now_ = true;
  absl::Duration read_at_;   // at the latest, for a member
  absl::Duration retry_at_;  // of what has failed
  GroupView view_;           // as read last
  std::string trouble_;
  absl::Duration etcd_seen_ = -absl::InfiniteDuration();  // its last answer that was no error
  bool resigned_ = false;

  // As a member.
  OwnPromise own_promise_;
  store::Epoch fence_ = 0;                  // frames and requests of older epochs are refused
  std::optional<ElectionRecord> campaign_;  // sent to etcd, and not known to have failed
  bool in_doubt_ = false;                   // its outcome is unknown; `lease_` is its lease
  absl::Duration no_master_since_;
  std::optional<store::LogOffset> log_end_;  // nullopt once frames may have come
  bool end_wanted_ = false;                  // LogEndWanted was told
  // The group's record by which this member, or a process of it before, may have said what it has.
  EtcdRevision said_at_ = 0;
  std::optional<MasterRecord> last_master_;  // the newest that was seen
  absl::Duration heir_seen_;

  // Also of a campaign.
  HeldLease lease_;

  // As the master.
  std::shared_ptr<Reign> reign_;  // null: a member
  std::optional<PromisesOfOthers> promises_;
  std::optional<Renewal> renewal_;
  absl::Duration renew_at_;
  absl::Duration ask_at_;
  bool taken_up_ = false;  // its log has begun this reign
  absl::Duration take_up_until_;
  bool key_held_ = false;  // the master's key is there, with `lease_`
  EtcdRevision key_created_ = 0;
  InSync recorded_;               // the in-sync set in etcd, as far as known
  InSync wanted_;                 // the last that was proposed
  InSync recording_;              // in the transaction under way
  std::set<BrokerId> maybe_;      // all who may be in the set in etcd
  bool set_in_doubt_ = false;     // a change has failed without saying whether it was made
  std::optional<BrokerId> heir_;  // is handing over to
  bool leaves_ = false;           // and ends then
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_ELECTION_H_
