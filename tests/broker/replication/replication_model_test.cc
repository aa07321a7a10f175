// A master and two slaves under random disconnections, crashes, power cuts and changes of master,
// against a simple model: what was acknowledged stays, what was applied is never taken back, and a
// slave's log is a prefix of its master's, byte by byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/broker/replication/group.h"

namespace mansio::broker::testing {
namespace {

constexpr int kMembers = 3;

struct Scenario {
  Durability durability = Durability::kReplica;
  CrashMode mode = CrashMode::kDropAll;
  size_t min_in_sync = 2;
};

// An outcome that is looked at, not waited for.
struct Sent {
  std::string text;
  std::shared_ptr<Outcome> outcome;
};

class Model {
 public:
  Model(const Scenario& scenario, uint64_t seed)
      : scenario_(scenario),
        random_(seed),
        group_(kMembers, scenario.durability, scenario.min_in_sync) {
    group_.StartMaster(1);
    group_.StartSlave(2);
    group_.StartSlave(3);
    group_.Heal();
  }

  void Run(int steps) {
    for (int n = 0; n < steps && !::testing::Test::HasFatalFailure(); ++n) {
      Step();
      static_cast<void>(Committed());
      if (n % 16 == 0) Check();
    }
    Finish();
  }

  int sends() const { return static_cast<int>(sent_.size()); }
  int acknowledged() const { return acknowledged_; }
  int changes() const { return changes_; }
  int cuts() const { return cuts_; }

 private:
  uint64_t Random(uint64_t below) { return random_() % below; }
  BrokerId AnyMember() { return static_cast<BrokerId>(1 + Random(kMembers)); }

  void Step() {
    const BrokerId id = AnyMember();
    switch (Random(100)) {
      case 0:
        return CrashSlave(id);
      case 1:
        if (Random(3) == 0) CrashMaster();
        return;
      case 2:
        return group_.Disconnect(id);
      case 3:
      case 4:
        if (group_.up(id)) static_cast<void>(group_.at(id).log->log->SyncAll());
        return;
      case 5:
        return group_.clock.Advance(absl::Milliseconds(Random(1500)));
      case 6:
        // It may end later, or live on and come again.
        if (group_.at(id).slave != nullptr) group_.at(id).slave->SayGoodbye();
        return;
      default:
        break;
    }
    if (!group_.up(id)) {
      if (Random(8) == 0) group_.StartSlave(id);
      return;
    }
    switch (Random(5)) {
      case 0:
        return SendOne();
      case 1:
        return group_.ToSlave(id);
      case 2:
        return group_.ToMaster(id);
      case 3:
        if (Random(2) == 0) group_.Connect(id);
        return;
      default:
        return group_.Tick(id);
    }
  }

  void SendOne() {
    Sent sent{"note " + std::to_string(sent_.size()) + std::string(Random(1200), 'n'),
              std::make_shared<Outcome>()};
    if (group_.Send(sent.text, sent.outcome)) sent_.push_back(std::move(sent));
  }

  // What was ever committed: it stays so from reign to reign.
  store::LogOffset Committed() {
    if (group_.master() != 0) {
      committed_ = std::max(committed_, group_.at(group_.master()).log->log->cursors().committed);
    }
    return committed_;
  }

  // With `replica` nobody need have synced anything: it is for one machine at a time. So no power
  // is cut while another member lacks what was committed.
  bool MayCutPower(BrokerId id) {
    if (scenario_.durability == Durability::kReplicaSync) return true;
    if (group_.present() == nullptr) return false;
    const store::LogOffset committed = Committed();
    for (const BrokerId other : group_.ids()) {
      if (other == id || !group_.up(other)) continue;
      const store::Cursors has = group_.at(other).log->log->cursors();
      if (group_.present()->InSync().contains(other) && has.appended >= committed) return true;
    }
    return false;
  }

  void CrashSlave(BrokerId id) {
    if (!group_.up(id) || id == group_.master()) return;
    if (Random(2) == 0 && MayCutPower(id)) {
      ++cuts_;
      group_.PowerCut(id, scenario_.mode, random_());
    } else {
      group_.Down(id);
    }
  }

  // Members that may be made master: of the set, with all that was committed.
  std::vector<BrokerId> Heirs() {
    std::vector<BrokerId> heirs;
    const store::LogOffset committed = Committed();
    for (const BrokerId id : group_.present()->InSync()) {
      if (id == group_.master() || !group_.up(id)) continue;
      const store::Cursors has = group_.at(id).log->log->cursors();
      if (has.appended >= committed) {
        heirs.push_back(id);
      } else {
        // A member of the set that was not cut off from its power holds everything.
        EXPECT_EQ(scenario_.durability, Durability::kReplica) << "member " << id;
      }
    }
    return heirs;
  }

  void CrashMaster() {
    Check();
    const BrokerId old = group_.master();
    const std::vector<BrokerId> heirs = Heirs();
    const bool inherits = !heirs.empty() && Random(4) != 0;
    // A master that lost its tail is not to go on while its slaves have it: see the protocol's
    // tests.
    const bool cuts = scenario_.durability == Durability::kReplicaSync || inherits;
    if (cuts && Random(2) == 0) {
      ++cuts_;
      group_.PowerCut(old, scenario_.mode, random_());
    } else {
      group_.Down(old);
    }
    if (!inherits) return group_.StartMaster(old);
    ++changes_;
    const BrokerId heir = heirs[Random(heirs.size())];
    group_.Down(heir);
    group_.StartMaster(heir);
  }

  // What every member has applied agrees with what anybody ever applied.
  void Check() {
    for (const BrokerId id : group_.ids()) {
      if (!group_.up(id)) continue;
      EXPECT_TRUE(group_.at(id).log->log->Health().ok()) << group_.at(id).log->log->Health();
      const std::vector<std::string> texts = group_.Applied(id);
      const size_t common = std::min(texts.size(), applied_.size());
      ASSERT_TRUE(std::equal(texts.begin(), texts.begin() + common, applied_.begin()))
          << "member " << id << " has applied something else";
      if (texts.size() > applied_.size()) applied_ = texts;
    }
  }

  void Finish() {
    for (const BrokerId id : group_.ids()) {
      if (!group_.up(id)) group_.StartSlave(id);
    }
    group_.Heal();
    Check();
    const std::string bytes = group_.Bytes(group_.master());
    for (const BrokerId id : group_.ids()) {
      EXPECT_TRUE(group_.Bytes(id) == bytes)
          << "member " << id << ", ended for " << group_.last_end;
      EXPECT_EQ(group_.Applied(id).size(), applied_.size()) << "member " << id;
    }
    // Outcomes are final when the logs are closed.
    for (const BrokerId id : group_.ids()) group_.Down(id);
    for (const Sent& sent : sent_) {
      const bool is_there =
          std::find(applied_.begin(), applied_.end(), sent.text) != applied_.end();
      if (!sent.outcome->Wait().ok()) continue;
      ++acknowledged_;
      EXPECT_TRUE(is_there) << sent.text.substr(0, 12) << " was acknowledged and is lost";
    }
    EXPECT_EQ(std::set<std::string>(applied_.begin(), applied_.end()).size(), applied_.size())
        << "something was applied twice";
  }

  const Scenario scenario_;
  std::mt19937_64 random_;
  Group group_;
  std::vector<Sent> sent_;
  std::vector<std::string> applied_;
  store::LogOffset committed_ = 0;
  int acknowledged_ = 0;
  int changes_ = 0;
  int cuts_ = 0;
};

class ReplicationModelTest : public ::testing::TestWithParam<Scenario> {};

TEST_P(ReplicationModelTest, NothingAcknowledgedIsLost) {
  const char* const text = std::getenv("MANSIO_LONG");
  const bool is_long = text != nullptr && std::string(text) == "1";
  const uint64_t seeds = is_long ? 400 : 20;
  int acknowledged = 0;
  int changes = 0;
  int cuts = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    Model model(GetParam(), seed);
    model.Run(2500);
    if (::testing::Test::HasFailure()) return;
    acknowledged += model.acknowledged();
    changes += model.changes();
    cuts += model.cuts();
  }
  EXPECT_GT(acknowledged, 100 * static_cast<int>(seeds) / 10);
  EXPECT_GT(changes, static_cast<int>(seeds));
  EXPECT_GT(cuts, static_cast<int>(seeds));
  RecordProperty("acknowledged", acknowledged);
  RecordProperty("changes", changes);
  RecordProperty("cuts", cuts);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, ReplicationModelTest,
    ::testing::Values(Scenario{Durability::kReplica, CrashMode::kDropAll},
                      Scenario{Durability::kReplica, CrashMode::kRandomSubset},
                      Scenario{Durability::kReplicaSync, CrashMode::kDropAll},
                      Scenario{Durability::kReplicaSync, CrashMode::kRandomSubset},
                      Scenario{Durability::kReplica, CrashMode::kDropAll, 1},
                      Scenario{Durability::kReplicaSync, CrashMode::kRandomSubset, 1}));

}  // namespace
}  // namespace mansio::broker::testing
