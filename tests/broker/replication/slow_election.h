#ifndef MANSIO_TESTS_BROKER_REPLICATION_SLOW_ELECTION_H_
#define MANSIO_TESTS_BROKER_REPLICATION_SLOW_ELECTION_H_

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/replication/group_election.h"

namespace mansio::broker::testing {

// Records what it is asked to, when the test says so.
class SlowElection : public GroupElection {
 public:
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores) override {
    proposed.emplace_back(std::move(members), std::move(stores));
    return absl::OkStatus();
  }
  void Promised(BrokerId, const Promise&) override {}
  bool AcceptsFrames(store::Epoch) override { return true; }
  std::optional<Promise> PromiseAsked(const PromiseRequest&) override { return std::nullopt; }
  void HoldsAll() override {}
  void IsSecond() override {}

  std::vector<std::pair<std::set<BrokerId>, StoreIds>> proposed;
};

}  // namespace mansio::broker::testing

#endif  // MANSIO_TESTS_BROKER_REPLICATION_SLOW_ELECTION_H_
