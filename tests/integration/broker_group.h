#ifndef MANSIO_TESTS_INTEGRATION_BROKER_GROUP_H_
#define MANSIO_TESTS_INTEGRATION_BROKER_GROUP_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/server_process.h"

namespace mansio::testing {

// A broker group of real processes, with broker.id 1 to 3; with static roles the first is its
// master. Not thread-safe.
class BrokerGroup {
 public:
  enum class Roles { kStatic, kElected };

  // `settings` of all of them, election.etcd included.
  explicit BrokerGroup(const std::vector<std::string>& settings, Roles roles = Roles::kStatic) {
    for (int id = 1; id <= 3; ++id) {
      std::vector<std::string> own = settings;
      own.push_back("broker.id=" + std::to_string(id));
      own.push_back("store.segment-bytes=1MiB");
      if (roles == Roles::kElected) {
        own.push_back(id == 1 ? "election.founds=true" : "election.founds=false");
      } else if (id > 1) {
        own.push_back("role=slave");
        own.push_back("replication.master=" + members_.front()->address());
      }
      members_.push_back(std::make_unique<BrokerProcess>(std::move(own)));
    }
  }

  BrokerProcess& at(int id) { return *members_[id - 1]; }
  BrokerProcess& master() { return at(1); }

  // The master has begun this change of its in-sync set, as in "{1, 2} to {1, 2, 3}".
  void AwaitSet(const std::string& change) {
    EXPECT_NE(master().WaitForLog("changes from " + change), "") << master().Log();
  }
  // The master accepts sends.
  void AwaitReign() { EXPECT_NE(master().WaitForLog("The reign has begun"), "") << master().Log(); }
  // All three are there and in sync. Once, with a new group.
  void StartAll() {
    master().Start();
    at(2).Start();
    AwaitReign();
    AwaitSet("{1} to {1, 2}");
    at(3).Start();
    AwaitSet("{1, 2} to {1, 2, 3}");
  }

  // At their next start, member `id` is the master and the others its slaves.
  void Promote(int id);
  // A member, which is not running, begins its next start as after a power cut of its machine in
  // the middle of its work, which has cost its log the last `bytes`. Fewer than its last segment
  // has.
  void LosePower(int id, size_t bytes);
  // Waits until a member's log has these bytes.
  bool AwaitCopy(int id, const std::string& bytes) const;
  // How many parts of its log a member has kept aside.
  size_t SalvagedFiles(int id) const;
  // Receives from the topic "orders" through member `id`, and acknowledges, until there are so many
  // bodies or no more come.
  std::multiset<std::string> ReceiveAtLeast(int id, size_t count) const;
  // The same until there are these; those of them that did not come.
  std::set<std::string> Missing(int id, std::set<std::string> bodies) const;
  // Ends all of them, the master `id` last, and compares: each log is the beginning of its log.
  void ExpectSameLogs(int id);

  // The files of a member's log, oldest first.
  std::vector<std::string> Segments(int id) const;
  // The segments of a member's log one after the other, without the zeros at the end.
  std::string LogBytes(int id) const;

 private:
  // Receives and acknowledges until `enough`, which is told each body, says so, or no more come.
  void ReceiveUntil(int id, const std::function<bool(const std::string&)>& enough) const;

  std::vector<std::unique_ptr<BrokerProcess>> members_;
};

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_INTEGRATION_BROKER_GROUP_H_
