#ifndef MANSIO_TESTS_INTEGRATION_GROUP_LOAD_H_
#define MANSIO_TESTS_INTEGRATION_GROUP_LOAD_H_

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/server_process.h"

// What tests of broker groups do with them from the outside. "orders" is the topic, "billing" the
// consumer group.
namespace mansio::testing {

inline constexpr absl::Duration kLease = absl::Minutes(5);
inline constexpr absl::Duration kWait = absl::Seconds(20);

// Sends one after the other until it is ended, and knows what was acknowledged. Of several brokers
// it turns to the next one when a send has failed.
class Load {
 public:
  explicit Load(BrokerProcess& broker, std::string prefix = "body-")
      : Load({&broker}, client::ClientOptions().request_timeout, std::move(prefix)) {}
  // `timeout`: of one attempt to send.
  Load(std::vector<const BrokerProcess*> brokers, absl::Duration timeout,
       std::string prefix = "body-")
      : brokers_(std::move(brokers)),
        timeout_(timeout),
        prefix_(std::move(prefix)),
        thread_([this] { Run(); }) {}
  ~Load() { End(); }

  std::set<std::string> End();
  void AwaitAcknowledged(int more);
  // Sends that failed, after the client library's own attempts.
  int failures() const { return failures_; }
  // Why the first one did; after End.
  const std::string& first_failure() const { return first_failure_; }

 private:
  void Run();

  const std::vector<const BrokerProcess*> brokers_;
  const absl::Duration timeout_;
  const std::string prefix_;
  std::set<std::string> acknowledged_;  // of the thread, until it has ended, as the next
  std::string first_failure_;
  std::atomic<int> count_{0};
  std::atomic<int> failures_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

// Receives and acknowledges until so many have come.
std::multiset<std::string> ReceiveAtLeast(BrokerProcess& broker, size_t count);

// "id role", and whether it is in sync, of each member that is there, as a node lists them.
std::vector<std::string> MembersAt(const BrokerProcess& node);
// Waits until a node lists these members. A change of the set is logged before it counts.
void AwaitMembers(const BrokerProcess& node, const std::vector<std::string>& expected);

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_INTEGRATION_GROUP_LOAD_H_
