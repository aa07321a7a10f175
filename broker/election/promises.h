#ifndef MANSIO_BROKER_ELECTION_PROMISES_H_
#define MANSIO_BROKER_ELECTION_PROMISES_H_

#include <cstdint>
#include <map>
#include <set>

#include "absl/time/time.h"
#include "broker/replication/group_election.h"
#include "broker/replication/records.h"
#include "store/types.h"

// The promises of replication/group_election.h, as both sides keep them.
namespace mansio::broker {

// The master's side. Not thread-safe.
class PromisesOfOthers {
 public:
  // `margin`: how much of a promise is not counted, as clocks do not run alike.
  PromisesOfOthers(store::Epoch epoch, absl::Duration margin) : epoch_(epoch), margin_(margin) {}

  // One request for all slaves, made at `now`, before it is sent.
  PromiseRequest Ask(absl::Duration now);
  // A promise of another reign, or to a request that is long over, counts for nothing.
  void Take(BrokerId from, const Promise& promise);
  // What `member` has promised counts no more: its number is to mean another store.
  void Forget(BrokerId member) { until_.erase(member); }
  // Until when all of `others` have promised: for ever when there are none.
  absl::Duration Until(const std::set<BrokerId>& others) const;

 private:
  const store::Epoch epoch_;
  const absl::Duration margin_;
  uint64_t last_ = 0;
  std::map<uint64_t, absl::Duration> asked_;  // when, by sequence; the newest
  std::map<BrokerId, absl::Duration> until_;
};

// The slave's side. Not thread-safe.
class OwnPromise {
 public:
  // The process that ran here before may have promised something just before `now`.
  OwnPromise(absl::Duration lasts, absl::Duration now) : lasts_(lasts), until_(now + lasts) {}

  // `now` is read after the request has come.
  Promise Give(absl::Duration now, const PromiseRequest& request);
  // The master of `epoch` has given up: promises to it and to those before it are void.
  void Release(store::Epoch epoch);
  bool Ended(absl::Duration now) const { return now >= until_; }
  absl::Duration until() const { return until_; }

 private:
  const absl::Duration lasts_;
  absl::Duration until_;
  store::Epoch epoch_ = 0;  // the greatest that was promised to
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_PROMISES_H_
