#ifndef MANSIO_TESTS_BROKER_CONSUMPTION_CONSUMPTION_HARNESS_H_
#define MANSIO_TESTS_BROKER_CONSUMPTION_CONSUMPTION_HARNESS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/consumption.h"
#include "broker/core/feature_set.h"
#include "broker/deadletter/dead_letter_moves.h"
#include "broker/deadletter/dead_letter_service.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/delay/delay.h"
#include "broker/message/stored_message.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "tests/broker/fake_store.h"

// A broker's consumption without processes: a fake clock, a store in memory, calls without a
// transport.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

inline constexpr char kTopic[] = "orders";
inline constexpr char kGroup[] = "workers";

// One life of a broker: what is in memory. The clock and the history outlive it.
struct Life {
  Life(const FakeClock* clock, ConsumptionOptions options)
      : time(clock, absl::InfinitePast()),
        timers([this] { return time.NowMillis(); }, [this] { return time.PassedMillis(); }),
        clients({}, clock),
        metadata({}, &time),
        dead_letters(&metadata),
        mover({}, &timers),
        budget(1u << 30, clock),
        consumption(Consumption::Create(std::move(options), {&metadata, &dead_letters, &clients,
                                                             &time, &timers, &mover, &budget})),
        delay({.broker_name = "broker-a"}, {&metadata, &clients, &mover, &budget, &time, &timers}),
        dead_letter_moves({}, {&metadata, &dead_letters, &delay, &budget, &time, &timers}),
        dead_letter_service({.broker_name = "broker-a"},
                            {&metadata, &dead_letters, &dead_letter_moves, &time}) {
    features.Add(&metadata);
    features.Add(&dead_letters);
    for (Feature* feature : consumption->features()) features.Add(feature);
    features.Add(delay.feature());
    clients.SetObserver(consumption->observer());
    consumption->Register(methods);
    dead_letter_service.Register(admin_methods);
  }
  BrokerTime time;
  TimerQueue timers;
  gateway::ClientRegistry clients;
  Metadata metadata;
  DeadLetterState dead_letters;
  Mover mover;
  AppendBudget budget;
  std::unique_ptr<Consumption> consumption;
  Delay delay;  // started where a test needs it
  DeadLetterMoves dead_letter_moves;
  DeadLetterService dead_letter_service;
  FeatureSet features;
  rpc::MethodTable methods;
  rpc::MethodTable admin_methods;
  std::unique_ptr<store::FakeStore> store;
};

struct ReceiveArguments {
  std::string group = kGroup;
  std::string topic = kTopic;
  int batch = 32;
  absl::Duration invisible = absl::Seconds(30);
  std::string filter = "*";
  bool auto_renew = false;
  std::string client = "client-1";
  v2::FilterType filter_type = v2::TAG;
  std::string attempt_id;
};

using ReceiveCall = std::shared_ptr<rpc::testing::FakeServerStreamCall>;

class Harness {
 public:
  explicit Harness(ConsumptionOptions options = {}) : options_(std::move(options)) {
    options_.broker_name = "broker-a";
    options_.store_host = "127.0.0.1:8081";
    life_ = std::make_unique<Life>(&clock, options_);
    life_->store =
        std::make_unique<store::FakeStore>(&life_->features, store::FakeStore::Mode::kHeld);
    life_->mover.Attach(life_->store.get());
    life_->consumption->Start();
  }

  // kill -9 and start: only what was committed remains.
  void Restart(bool from_checkpoint = false) {
    auto next = std::make_unique<Life>(&clock, options_);
    next->store = from_checkpoint
                      ? life_->store->RestartFromCheckpoint(life_->features, &next->features,
                                                            store::FakeStore::Mode::kHeld)
                      : life_->store->Restart(&next->features, store::FakeStore::Mode::kHeld);
    dead_.push_back(std::move(life_));
    life_ = std::move(next);
    life_->mover.Attach(life_->store.get());
    life_->consumption->Start();
  }

  void CreateTopic(uint32_t queues = 1, const std::string& name = kTopic) {
    life_->metadata.CreateTopic(name, MessageType::kNormal, queues,
                                [](absl::StatusOr<TopicPtr>) {});
    store().Run();
  }
  void CreateTopic(TopicRecord topic) {
    life_->metadata.CreateTopic(std::move(topic), [](absl::StatusOr<TopicPtr>) {});
    store().Run();
  }
  void CreateGroup(StartPolicy start, const std::string& name = kGroup, uint32_t max_attempts = 17,
                   bool fifo = false) {
    GroupRecord group;
    group.fifo = fifo;
    group.name = name;
    group.max_attempts = max_attempts;
    group.start = start;
    life_->metadata.CreateGroup(group, [](absl::StatusOr<GroupPtr>) {});
    store().Run();
  }

  // Puts a message into a queue; its body and id are `body`.
  void Send(const std::string& body, uint32_t queue = 0, const std::string& tag = "",
            const std::map<std::string, std::string>& properties = {},
            const std::string& message_group = "") {
    v2::Message message;
    message.mutable_topic()->set_name(kTopic);
    message.set_body(body);
    for (const auto& [name, value] : properties) (*message.mutable_user_properties())[name] = value;
    message.mutable_system_properties()->set_message_id(body);
    if (!tag.empty()) message.mutable_system_properties()->set_tag(tag);
    if (!message_group.empty())
      message.mutable_system_properties()->set_message_group(message_group);
    const int64_t now = life_->time.NowMillis();
    ContentEncoder encoder(&message, "test", now);
    auto append = std::make_unique<Unattended>();
    encoder.EncodeTo(append->BeginMessage({life_->metadata.FindTopic(kTopic)->id, queue},
                                          EntryHash(tag, message_group), now, encoder.size()),
                     BodyDigest(body));
    append->SealMessage();
    (void)store().Submit(std::move(append));
    Follow();
  }

  // Starts a receive and lets the log do what it can.
  ReceiveCall Receive(const ReceiveArguments& a = {}) {
    ReceiveCall call = Start(a);
    Follow();
    return call;
  }
  // Starts a receive of a group whose position is fixed; its lease waits for the log.
  ReceiveCall Start(const ReceiveArguments& a) {
    ReceiveCall call = NewReceive(a);
    life_->methods.server_stream[0].handler(*call);
    return call;
  }
  // One that is not started.
  ReceiveCall NewReceive(const ReceiveArguments& a) {
    auto call =
        std::make_shared<rpc::testing::FakeServerStreamCall>(RequestOf(a), Headers(a.client));
    calls_.push_back(call);  // calls outlive what handlers still hold of them
    return call;
  }
  static std::string RequestOf(const ReceiveArguments& a) {
    v2::ReceiveMessageRequest request;
    request.mutable_group()->set_name(a.group);
    request.mutable_message_queue()->mutable_topic()->set_name(a.topic);
    request.mutable_filter_expression()->set_type(a.filter_type);
    request.mutable_filter_expression()->set_expression(a.filter);
    request.set_batch_size(a.batch);
    request.set_auto_renew(a.auto_renew);
    if (!a.attempt_id.empty()) request.set_attempt_id(a.attempt_id);
    request.mutable_invisible_duration()->set_seconds(absl::ToInt64Seconds(a.invisible));
    return request.SerializeAsString();
  }
  // The messages of a finished receive.
  static std::vector<v2::Message> Messages(const ReceiveCall& call) {
    std::vector<v2::Message> messages;
    for (const auto& element : call->Elements<v2::ReceiveMessageResponse>()) {
      if (element.has_message()) messages.push_back(element.message());
    }
    return messages;
  }
  static v2::Code StatusOf(const ReceiveCall& call) {
    const auto elements = call->Elements<v2::ReceiveMessageResponse>();
    return elements.empty() ? v2::CODE_UNSPECIFIED : elements[0].status().code();
  }
  static std::vector<std::string> Bodies(const ReceiveCall& call) {
    std::vector<std::string> bodies;
    for (const v2::Message& m : Messages(call)) bodies.push_back(m.body());
    return bodies;
  }

  v2::AckMessageResponse Ack(const std::vector<std::string>& handles,
                             const std::string& group = kGroup) {
    return Call<v2::AckMessageResponse>(0, AckRequest(handles, group));
  }
  // Only sends the ack; the log has not followed yet.
  std::shared_ptr<rpc::testing::FakeUnaryCall> BeginAck(const std::string& handle) {
    auto call = std::make_shared<rpc::testing::FakeUnaryCall>(AckRequest({handle}, kGroup),
                                                              Headers("client-1"));
    life_->methods.unary[0].handler(*call);
    return call;
  }
  v2::Code Forward(const std::string& handle) {
    const auto call = BeginForward(handle);
    Settle();
    EXPECT_TRUE(call->finished());
    return call->Response<v2::ForwardMessageToDeadLetterQueueResponse>().status().code();
  }
  // Only begins it: the log has not followed yet.
  std::shared_ptr<rpc::testing::FakeUnaryCall> BeginForward(const std::string& handle) {
    v2::ForwardMessageToDeadLetterQueueRequest request;
    request.mutable_group()->set_name(kGroup);
    request.mutable_topic()->set_name(kTopic);
    request.set_receipt_handle(handle);
    auto call = std::make_shared<rpc::testing::FakeUnaryCall>(request.SerializeAsString(),
                                                              Headers("client-1"));
    life_->methods.unary[2].handler(*call);
    return call;
  }
  v2::ChangeInvisibleDurationResponse Change(const std::string& handle, absl::Duration invisible) {
    v2::ChangeInvisibleDurationRequest request;
    request.mutable_group()->set_name(kGroup);
    request.mutable_topic()->set_name(kTopic);
    request.set_receipt_handle(handle);
    request.mutable_invisible_duration()->set_seconds(absl::ToInt64Seconds(invisible));
    return Call<v2::ChangeInvisibleDurationResponse>(1, request.SerializeAsString());
  }

  // A call of mansio.v1.Admin.
  template <typename Response, typename Request>
  Response Admin(const std::string& method, const Request& request) {
    const auto call = BeginAdmin(method, request);
    Settle();
    EXPECT_TRUE(call->finished());
    return call->template Response<Response>();
  }
  // Only begins it: the log has not followed yet.
  template <typename Request>
  std::shared_ptr<rpc::testing::FakeUnaryCall> BeginAdmin(const std::string& method,
                                                          const Request& request) {
    auto call = std::make_shared<rpc::testing::FakeUnaryCall>(request.SerializeAsString());
    for (const auto& unary : life_->admin_methods.unary) {
      if (unary.path == "/mansio.v1.Admin/" + method) unary.handler(*call);
    }
    return call;
  }
  // The group's dead letters, newest first.
  v1::ListDeadLettersResponse ListDeadLetters(int limit = 1000, const std::string& group = kGroup) {
    v1::ListDeadLettersRequest request;
    request.set_group(group);
    request.set_limit(limit);
    return Admin<v1::ListDeadLettersResponse>("ListDeadLetters", request);
  }

  // What is submitted next fails on its way into the log.
  void FailNext(absl::Status status) { fail_next_ = std::move(status); }
  // From now on the log does not follow sends and receives by itself: step the store.
  void SetLag(bool lag) { lag_ = lag; }

  // Lets time pass, runs what is due and lets the log follow.
  void Advance(absl::Duration d) {
    clock.Advance(d);
    Settle();
  }
  // Runs what is due and lets the log follow, until nothing is left to do.
  void Settle() {
    do {
      RunLog();
    } while (life_->timers.RunDue() > 0 || store().pending() > 0);
  }

  store::FakeStore& store() { return *life_->store; }
  Life& life() { return *life_; }
  static rpc::testing::Headers Headers(const std::string& client) {
    return {{"x-mq-client-id", client}, {"x-mq-client-version", "5.0.8"}};
  }

  FakeClock clock;

 private:
  class Unattended : public store::Append {
   public:
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  };

  static std::string AckRequest(const std::vector<std::string>& handles, const std::string& group) {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(group);
    request.mutable_topic()->set_name(kTopic);
    for (const std::string& handle : handles) request.add_entries()->set_receipt_handle(handle);
    return request.SerializeAsString();
  }

  void Follow() {
    if (!lag_) store().Run();
  }

  template <typename Response>
  Response Call(size_t method, std::string request) {
    rpc::testing::FakeUnaryCall call(std::move(request), Headers("client-1"));
    life_->methods.unary[method].handler(call);
    Settle();
    EXPECT_TRUE(call.finished());
    return call.Response<Response>();
  }

  void RunLog() {
    if (!fail_next_.ok() && store().pending() > 0) {
      store().StepFail(std::exchange(fail_next_, absl::OkStatus()));
    }
    store().Run();
  }

  ConsumptionOptions options_;
  absl::Status fail_next_;
  bool lag_ = false;
  std::vector<std::unique_ptr<Life>> dead_;
  std::unique_ptr<Life> life_;
  std::vector<ReceiveCall> calls_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CONSUMPTION_CONSUMPTION_HARNESS_H_
