#ifndef MANSIO_TESTS_BROKER_DELAY_DELAY_HARNESS_H_
#define MANSIO_TESTS_BROKER_DELAY_DELAY_HARNESS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/core/feature_set.h"
#include "broker/delay/delay.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_service.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "tests/broker/fake_store.h"

// A broker that takes delayed messages, without processes: a fake clock, a store in memory, calls
// without a transport.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

inline constexpr int64_t kTestLevels[] = {1000, 5000, 10000};

// One life of a broker: what is in memory. The clock and the history outlive it.
struct DelayLife {
  DelayLife(const FakeClock* clock, DelayOptions options, absl::Time last_store_time)
      : time(clock, last_store_time),
        timers([this] { return time.NowMillis(); },
               [clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
        clients({}, clock),
        metadata({}, &time),
        mover({}, &timers),
        budget(32 << 20, clock),
        delay(std::move(options), {&metadata, &clients, &mover, &budget, &time, &timers}),
        send({}, {&metadata, &clients, &time, &delay}) {
    features.Add(&metadata);
    features.Add(delay.feature());
    send.Register(methods);
    delay.Register(methods);
  }
  // The system topics need a store that works by itself; firing needs one that does not.
  void Begin(std::unique_ptr<store::FakeStore> opened) {
    store = std::move(opened);
    mover.Attach(store.get());
    send.Attach(store.get());
    (void)delay.Start();
    store->SetMode(store::FakeStore::Mode::kHeld);
  }
  BrokerTime time;
  TimerQueue timers;
  gateway::ClientRegistry clients;
  Metadata metadata;
  Mover mover;
  AppendBudget budget;
  Delay delay;
  SendService send;
  FeatureSet features;
  rpc::MethodTable methods;
  std::unique_ptr<store::FakeStore> store;
};

class DelayHarness {
 public:
  struct Sent {
    v2::Code code = v2::OK;
    std::string text;
    std::string handle;
  };
  struct Delivered {
    std::string id;
    int64_t stored_ms = 0;  // by broker time
    v2::SystemProperties system;
    std::string properties;
  };

  DelayHarness() : DelayHarness(Options()) {}
  explicit DelayHarness(DelayOptions options) : options_(std::move(options)) {
    life_ = std::make_unique<DelayLife>(&clock, options_, absl::InfinitePast());
    life_->Begin(std::make_unique<store::FakeStore>(&life_->features));
  }
  static DelayOptions Options() {
    return {.broker_name = "broker-a",
            .levels_ms = {std::begin(kTestLevels), std::end(kTestLevels)}};
  }

  // kill -9 and start: only what was committed remains. Broker time does not go back.
  void Restart(bool from_checkpoint = false, std::optional<DelayOptions> options = {}) {
    if (options) options_ = *options;
    life_->delay.Stop();
    auto next = std::make_unique<DelayLife>(&clock, options_, life_->time.Now());
    auto store = from_checkpoint
                     ? life_->store->RestartFromCheckpoint(life_->features, &next->features)
                     : life_->store->Restart(&next->features);
    next->Begin(std::move(store));
    dead_ = std::move(life_);
    life_ = std::move(next);
  }

  void CreateTopic(const std::string& name, MessageType type, uint32_t queues = 1) {
    life_->metadata.CreateTopic(name, type, queues, [](absl::StatusOr<TopicPtr>) {});
    store().Run();
  }

  // Sends without letting the log go on.
  Sent Send(const v2::Message& message) {
    v2::SendMessageRequest request;
    *request.add_messages() = message;
    auto call = MakeCall(request.SerializeAsString());
    life_->methods.unary[0].handler(*call);
    store().Run();
    const auto response = call->Response<v2::SendMessageResponse>();
    Sent sent{response.status().code(), response.status().message(), ""};
    if (response.entries_size() > 0) sent.handle = response.entries(0).recall_handle();
    calls_.pop_back();  // answered: a million of them would fill the memory
    return sent;
  }
  static v2::Message MessageOf(const std::string& topic, const std::string& id) {
    v2::Message message;
    message.mutable_topic()->set_name(topic);
    message.set_body("body of " + id);
    message.mutable_system_properties()->set_message_id(id);
    return message;
  }
  static v2::Message AtTime(const std::string& topic, const std::string& id, int64_t due_ms,
                            int32_t extra_nanos = 0) {
    v2::Message message = MessageOf(topic, id);
    auto* time = message.mutable_system_properties()->mutable_delivery_timestamp();
    time->set_seconds(due_ms / 1000);
    time->set_nanos(static_cast<int32_t>(due_ms % 1000 * 1'000'000) + extra_nanos);
    return message;
  }
  static v2::Message AtLevel(const std::string& topic, const std::string& id,
                             const std::string& level) {
    v2::Message message = MessageOf(topic, id);
    (*message.mutable_user_properties())["DELAY"] = level;
    return message;
  }

  v2::RecallMessageResponse Recall(const std::string& topic, const std::string& handle) {
    auto call = BeginRecall(topic, handle);
    store().Run();
    return call->Response<v2::RecallMessageResponse>();
  }
  std::shared_ptr<rpc::testing::FakeUnaryCall> BeginRecall(const std::string& topic,
                                                           const std::string& handle) {
    v2::RecallMessageRequest request;
    request.mutable_topic()->set_name(topic);
    request.set_recall_handle(handle);
    auto call = MakeCall(request.SerializeAsString());
    life_->methods.unary[1].handler(*call);
    return call;
  }

  // What stands in a queue.
  std::vector<Delivered> Messages(const std::string& topic, uint32_t queue = 0) {
    const store::QueueKey key{life_->metadata.FindTopic(topic)->id, queue};
    std::vector<Delivered> messages;
    const auto entries = store().ReadEntries(key, 0, 1'000'000);
    for (size_t i = 0; i < entries->size(); ++i) {
      const auto message = store().ReadMessage(key, i, entries->at(i));
      const auto content = DecodeContent(message->view.content);
      Delivered delivered;
      delivered.system.ParseFromString(std::string(content->system));
      delivered.id = delivered.system.message_id();
      delivered.stored_ms = message->view.store_time;
      delivered.properties = std::string(content->properties);
      EXPECT_EQ(content->provenance, "");
      EXPECT_EQ(content->body, "body of " + delivered.id);
      messages.push_back(std::move(delivered));
    }
    return messages;
  }
  std::vector<std::string> Ids(const std::string& topic, uint32_t queue = 0) {
    std::vector<std::string> ids;
    for (const Delivered& message : Messages(topic, queue)) ids.push_back(message.id);
    return ids;
  }

  // Lets time pass, runs what is due and lets the log follow.
  void Advance(int64_t ms) {
    clock.Advance(absl::Milliseconds(ms));
    Settle();
  }
  void Settle() {
    while (life_->timers.RunDue() > 0 || store().pending() > 0) store().Run();
  }

  int64_t now() { return life_->time.NowMillis(); }
  store::FakeStore& store() { return *life_->store; }
  DelayLife& life() { return *life_; }
  size_t pending() const { return life_->delay.state().pending(); }

  FakeClock clock;

 private:
  std::shared_ptr<rpc::testing::FakeUnaryCall> MakeCall(std::string request) {
    auto call = std::make_shared<rpc::testing::FakeUnaryCall>(
        std::move(request), rpc::testing::Headers{{"x-mq-client-id", "client-1"}});
    calls_.push_back(call);  // calls outlive what handlers still hold of them
    return call;
  }

  DelayOptions options_;
  std::unique_ptr<DelayLife> life_;
  std::unique_ptr<DelayLife> dead_;  // the last one, whose calls may still be open
  std::vector<std::shared_ptr<rpc::testing::FakeUnaryCall>> calls_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_DELAY_DELAY_HARNESS_H_
