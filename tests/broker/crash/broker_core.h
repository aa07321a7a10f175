#ifndef MANSIO_TESTS_BROKER_CRASH_BROKER_CORE_H_
#define MANSIO_TESTS_BROKER_CRASH_BROKER_CORE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/consumption.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/delay/delay.h"
#include "broker/offsets/offsets.h"
#include "broker/send/send_service.h"
#include "broker/transaction/transactions.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "store/store_impl.h"
#include "tests/broker/crash/broken.h"

// The broker without a network: its features on a real store, calls without a transport, and timers
// that run when they are told to.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

inline constexpr char kOrders[] = "orders";  // its topics: of transactions,
inline constexpr char kLater[] = "later";    // of exact delivery times,
inline constexpr char kPlain[] = "plain";    // and of what is sent at once or with a level
inline constexpr const char* kUserTopics[] = {kOrders, kLater, kPlain};
inline constexpr uint32_t kQueues = 2;         // of each topic
inline constexpr char kWorkers[] = "workers";  // the group that consumes all topics
inline constexpr char kSeeker[] = "seeker";    // one that only sets its position on kPlain

// Segments, checkpoints and retention small enough that a short run sees many of each.
store::StoreOptions SmallStore(store::Durability durability, bool retention);

// One life of a broker: what is in memory. It ends as a killed process does.
class BrokerCore {
 public:
  // A call that is answered, on whatever thread.
  using Answered = std::function<void(const rpc::testing::FakeUnaryCall&)>;
  using Received = std::function<void(const rpc::testing::FakeServerStreamCall&)>;

  BrokerCore(FakeClock* clock, Breakage breakage);
  ~BrokerCore();

  // Recovers from what is on the disks. `lies_about_sync`: a checkpoint does not wait for the log.
  absl::Status Open(const store::StoreOptions& options, FileSystem* files,
                    store::KeyValueStore* checkpoint, bool lies_about_sync = false);
  // Ends what waits in the features; then closes the store, or drops it as kill -9 would.
  absl::Status End(bool in_order);

  // Makes the topics and groups where they are missing.
  absl::Status CreateTopicsAndGroups();

  // Starts a call of the method with this name; `answered` may be empty.
  std::shared_ptr<rpc::testing::FakeUnaryCall> Start(std::string_view method,
                                                     const google::protobuf::MessageLite& request,
                                                     const std::string& client, Answered answered);
  // Starts a receive of kWorkers, which waits a second for messages.
  void StartReceive(const std::string& topic, int batch, absl::Duration invisible,
                    Received received);
  // Makes a call and waits for its answer. Runs no timer.
  template <typename Response>
  Response Call(std::string_view method, const google::protobuf::MessageLite& request) {
    const auto call = Start(method, request, "client", nullptr);
    return call->WaitUntilFinished() ? call->template Response<Response>() : Response();
  }
  // What a receive finds; settles meanwhile, and lets time pass while it waits.
  std::vector<v2::Message> Receive(const std::string& topic, int batch);

  // Runs what is due, and waits until all that has begun is read, logged and applied.
  void Settle();

  // The whole derived state, to compare two lives; after End.
  std::map<std::string, std::string> State();

  BrokerTime time;
  TimerQueue timers;
  gateway::ClientRegistry clients;
  Metadata metadata;
  Mover mover;
  AppendBudget budget;
  DeadLetterState dead_letters;
  std::unique_ptr<Consumption> consumption;
  Delay delay;
  std::unique_ptr<Offsets> offsets;
  std::unique_ptr<Transactions> transactions;
  SendService sends;
  FeatureSet features;
  WatchedState state;

 private:
  FakeClock* const clock_;
  const Breakage breakage_;
  rpc::MethodTable methods_;
  std::vector<std::shared_ptr<rpc::Call>> calls_;  // outlive what handlers still hold of them

 public:
  std::unique_ptr<store::StoreImpl> store;  // the first to go
};

// The messages in the answer to a receive.
std::vector<v2::Message> MessagesOf(const rpc::testing::FakeServerStreamCall& call);

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_BROKER_CORE_H_
