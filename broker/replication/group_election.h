#ifndef MANSIO_BROKER_REPLICATION_GROUP_ELECTION_H_
#define MANSIO_BROKER_REPLICATION_GROUP_ELECTION_H_

#include <cstdint>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/records.h"
#include "store/types.h"

namespace mansio::broker {

// A slave promises its master, over the replication stream, not to stand for election for some
// time. Each side counts with its own clock, so the time begins for the slave when it answers, and
// for the master when it asked, which was before.

// From the master to a slave.
struct PromiseRequest {
  store::Epoch epoch = 0;  // the master's reign
  uint64_t sequence = 0;
};

// The slave's answer.
struct Promise {
  store::Epoch epoch = 0;  // as asked
  uint64_t sequence = 0;   // as asked
  absl::Duration lasts;
};

// What replication asks of the election where the group's master is elected, and tells it (design
// section 9). Thread-safe; nothing here waits.
class GroupElection {
 public:
  virtual ~GroupElection() = default;

  // --- A master.

  // This is to be the in-sync set; it is told when that is recorded. Until then the members of both
  // are waited for. `stores`: of the members, as far as known. An error: it is not the master any
  // more.
  virtual absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores) = 0;
  virtual void Promised(BrokerId from, const Promise& promise) = 0;

  // --- A slave.

  // Whether frames of the master of this epoch may be appended.
  virtual bool AcceptsFrames(store::Epoch reign) = 0;
  // nullopt: it promises nothing.
  virtual std::optional<Promise> PromiseAsked(const PromiseRequest& request) = 0;
  // This slave's log has all that its master, whose reign has begun, had committed a moment ago.
  virtual void HoldsAll() = 0;
  // The master has refused it, as another process follows with this number and a copy of this
  // store. Which of the two has what the number confirmed is not known: this one is not to be
  // elected before it holds all, or is started again.
  virtual void IsSecond() = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_GROUP_ELECTION_H_
