#ifndef MANSIO_TESTS_BROKER_TRANSACTION_TRANSACTION_HARNESS_H_
#define MANSIO_TESTS_BROKER_TRANSACTION_TRANSACTION_HARNESS_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/core/feature_set.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_service.h"
#include "broker/transaction/transactions.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "mansio/v1/admin.pb.h"
#include "tests/broker/fake_store.h"

// A broker's transactions without processes: a fake clock, a store in memory, calls without a
// transport.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

inline constexpr char kTopic[] = "orders";

// One life of a broker: what is in memory. The clock and the history outlive it.
struct TransactionLife {
  TransactionLife(const FakeClock* clock, const TransactionOptions& options)
      : time(clock, absl::InfinitePast()),
        timers([this] { return time.NowMillis(); }, [this] { return time.PassedMillis(); }),
        clients({}, clock),
        metadata({}, &time),
        mover({}, &timers),
        budget(1 << 30, clock),
        transactions(
            Transactions::Create(options, {&metadata, &clients, &mover, &budget, &time, &timers})),
        sends({}, {.metadata = &metadata,
                   .clients = &clients,
                   .time = &time,
                   .halves = transactions->halves()}) {
    features.Add(&metadata);
    features.Add(transactions->feature());
    transactions->Register(methods);
    sends.Register(methods);
  }
  // The store is there.
  void Begin(std::unique_ptr<store::FakeStore> opened) {
    store = std::move(opened);
    mover.Attach(store.get());
    sends.Attach(store.get());
    EXPECT_TRUE(transactions->Start().ok());
  }

  BrokerTime time;
  TimerQueue timers;
  gateway::ClientRegistry clients;
  Metadata metadata;
  Mover mover;
  AppendBudget budget;
  std::unique_ptr<Transactions> transactions;
  SendService sends;
  FeatureSet features;
  rpc::MethodTable methods;
  std::unique_ptr<store::FakeStore> store;
};

class TransactionHarness {
 public:
  using Store = store::FakeStore;
  using Stream = std::shared_ptr<rpc::testing::FakeBidiCall>;

  explicit TransactionHarness(TransactionOptions options = {}) : options_(std::move(options)) {
    options_.broker_name = "broker-a";
    options_.store_host = "127.0.0.1:8081";
    life_ = std::make_unique<TransactionLife>(&clock, options_);
    life_->Begin(std::make_unique<Store>(&life_->features));
    EXPECT_TRUE(life_->metadata.EnsureHandleKey().ok());
    CreateTopic(kTopic);
  }

  // kill -9 and start: only what was committed remains.
  void Restart(bool from_checkpoint = false) {
    auto next = std::make_unique<TransactionLife>(&clock, options_);
    auto store = from_checkpoint
                     ? life_->store->RestartFromCheckpoint(life_->features, &next->features)
                     : life_->store->Restart(&next->features);
    life_->transactions->Stop();
    dead_.push_back(std::move(life_));
    life_ = std::move(next);
    life_->Begin(std::move(store));
  }

  void CreateTopic(const std::string& name, CheckBackPolicy policy = {}, uint32_t queues = 1,
                   MessageType type = MessageType::kTransaction) {
    TopicRecord topic;
    topic.name = name;
    topic.type = type;
    topic.queues = queues;
    topic.check_back = policy;
    life_->metadata.CreateTopic(std::move(topic), [](const absl::StatusOr<TopicPtr>& made) {
      EXPECT_TRUE(made.ok()) << made.status();
    });
  }

  // A producer that publishes to `topic` and has a stream open.
  Stream AddProducer(const std::string& id, const std::string& topic = kTopic) {
    auto stream = std::make_shared<rpc::testing::FakeBidiCall>(Headers(id));
    EXPECT_TRUE(life_->clients.StreamOpened(id, stream).ok());
    EXPECT_TRUE(
        life_->clients.Describe(id, gateway::ClientRole::kProducer, "", {topic}, "", "", "").ok());
    return stream;
  }

  static v2::Message HalfMessage(const std::string& id) {
    v2::Message message;
    message.mutable_topic()->set_name(kTopic);
    message.set_body("body of " + id);
    (*message.mutable_user_properties())["color"] = "red";
    message.mutable_system_properties()->set_message_id(id);
    message.mutable_system_properties()->set_tag("tag");
    message.mutable_system_properties()->set_message_type(v2::TRANSACTION);
    return message;
  }
  static v2::Message LargeHalf(const std::string& id, size_t bytes) {
    v2::Message message = HalfMessage(id);
    message.set_body(std::string(bytes, 'x'));
    return message;
  }
  v2::SendMessageResponse Send(const v2::Message& message, const std::string& client = "sender") {
    v2::SendMessageRequest request;
    *request.add_messages() = message;
    return Call<v2::SendMessageResponse>("SendMessage", request, client);
  }
  // Sends a half; its transaction id.
  std::string SendHalf(const std::string& id) {
    const v2::SendMessageResponse response = Send(HalfMessage(id));
    EXPECT_EQ(response.status().code(), v2::OK) << response.status().message();
    return response.entries_size() == 1 ? response.entries(0).transaction_id() : "";
  }
  v2::Status End(const std::string& transaction_id, v2::TransactionResolution resolution,
                 const std::string& topic = kTopic) {
    v2::EndTransactionRequest request;
    request.mutable_topic()->set_name(topic);
    request.set_transaction_id(transaction_id);
    request.set_resolution(resolution);
    return Call<v2::EndTransactionResponse>("EndTransaction", request).status();
  }

  // The ids of the messages in a topic of one queue, in order.
  std::vector<std::string> Ids(std::string_view topic) {
    std::vector<std::string> ids;
    const store::QueueKey queue{life_->metadata.FindTopic(topic)->id, 0};
    for (uint64_t o = 0; o < store().Range(queue).next; ++o) ids.push_back(IdOf(Stored(queue, o)));
    return ids;
  }
  store::StoredMessage Stored(store::QueueKey queue, uint64_t offset) {
    return *store().HotMessage(queue, offset, store().HotEntries(queue, offset, 1)->at(0));
  }
  static std::string IdOf(const store::StoredMessage& message) {
    v2::SystemProperties system;
    EXPECT_TRUE(system.ParseFromString(std::string(DecodeContent(message.view.content)->system)));
    return system.message_id();
  }
  // The checks that a producer was sent.
  static std::vector<v2::RecoverOrphanedTransactionCommand> Checks(const Stream& stream) {
    std::vector<v2::RecoverOrphanedTransactionCommand> checks;
    for (const auto& command : stream->Written<v2::TelemetryCommand>()) {
      checks.push_back(command.recover_orphaned_transaction_command());
    }
    return checks;
  }

  // Lets time pass in steps of a second at most, and runs what is due.
  void Advance(absl::Duration d) {
    while (d > absl::ZeroDuration()) {
      const absl::Duration step = std::min(d, absl::Seconds(1));
      clock.Advance(step);
      d -= step;
      life_->timers.RunDue();
      for (const auto& client : life_->clients.List("")) {
        EXPECT_TRUE(life_->clients.Touch(client.id).ok());
      }
    }
  }

  template <typename Response, typename Request>
  Response Call(std::string_view method, const Request& request,
                const std::string& client = "client") {
    auto call = Start(method, request, client);
    EXPECT_EQ(call->times_finished(), 1) << method;
    return call->template Response<Response>();
  }
  template <typename Request>
  std::shared_ptr<rpc::testing::FakeUnaryCall> Start(std::string_view method,
                                                     const Request& request,
                                                     const std::string& client = "client") {
    auto call =
        std::make_shared<rpc::testing::FakeUnaryCall>(request.SerializeAsString(), Headers(client));
    calls_.push_back(call);  // calls outlive what handlers still hold of them
    for (const auto& unary : life_->methods.unary) {
      if (std::string_view(unary.path).ends_with(method)) unary.handler(*call);
    }
    return call;
  }

  Store& store() { return *life_->store; }
  TransactionLife& life() { return *life_; }
  static rpc::testing::Headers Headers(const std::string& client) {
    return {{"x-mq-client-id", client}};
  }

  FakeClock clock;

 private:
  TransactionOptions options_;
  std::vector<std::unique_ptr<TransactionLife>> dead_;
  std::unique_ptr<TransactionLife> life_;
  std::vector<std::shared_ptr<rpc::testing::FakeUnaryCall>> calls_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_TRANSACTION_TRANSACTION_HARNESS_H_
