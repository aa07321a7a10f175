#ifndef MANSIO_TESTS_BROKER_ELECTION_ELECTION_FIXTURE_H_
#define MANSIO_TESTS_BROKER_ELECTION_ELECTION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_group.h"

namespace mansio::broker::testing {

// Rules of the election by themselves: with a group whose members do what they do, or with one
// member whose requests the test answers.
class ElectionTest : public ::testing::Test {
 protected:
  static ElectionOptions Options(BrokerId id) { return ElectionGroup::Options(id); }
  // The one request that there is.
  static EtcdRequest RequestOf(const ElectionWork& work) {
    EXPECT_EQ(work.requests.size(), 1u);
    return work.requests.at(0);
  }
  // A member that is not in group_ looks at etcd, where there is no master, and asks for a lease.
  EtcdRequest AskForLease(Election& election, absl::Duration now) {
    const auto next = [&election] {
      const ElectionWork work = election.TakeWork();
      EXPECT_THAT(work.events, ::testing::IsEmpty());
      return RequestOf(work);
    };
    election.Tick(now);
    election.Replied(now, next().id, group_.etcd.Apply({}, now));
    return next();
  }

  ElectionGroup group_;
};

}  // namespace mansio::broker::testing

#endif  // MANSIO_TESTS_BROKER_ELECTION_ELECTION_FIXTURE_H_
