#ifndef MANSIO_BROKER_PROMOTION_PROMOTION_RULES_H_
#define MANSIO_BROKER_PROMOTION_PROMOTION_RULES_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "broker/replication/records.h"
#include "store/options.h"
#include "store/types.h"

namespace mansio::broker {

// What a member of a group says of itself.
struct MemberState {
  BrokerId id = 0;
  std::string address;  // HOST:PORT
  store::Role role = store::Role::kSlave;
  store::Epoch epoch = 0;    // of the last frame of its log
  store::LogOffset end = 0;  // of its log
  bool copying = false;      // its log is not complete
  bool whole = true;         // it lacks nothing of what it has confirmed
  bool returning = false;    // it is to be the master, and asks first what it may have lost
};

// A slave that is to become the master, and what is known of the other members.
struct Candidacy {
  MemberState candidate;
  store::Durability durability = store::Durability::kReplica;
  size_t min_in_sync = 1;
  std::set<BrokerId> in_sync;        // the last set in the candidate's log
  std::set<BrokerId> members;        // all that the candidate has heard of
  std::vector<MemberState> answers;  // of other members
  bool handed_over = false;          // by the master, whose log ends where the candidate's does
};

// Why acknowledged messages would be lost, or may be, if the candidate became the master now: cause
// and cure, a sentence each. Empty when none can be.
//
// With replica and replica-sync a message is acknowledged when all members of some set have it, and
// a set has `min_in_sync` members at least. So nothing is lost when the candidate has all that
// those have who answer, and too few others are left to be such a set. One that answers and may
// have lost the end of its log counts among the others, too, as long as one of them is silent.
// Pure.
std::vector<std::string> LossesOf(const Candidacy& candidacy);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PROMOTION_PROMOTION_RULES_H_
