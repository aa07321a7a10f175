#include "broker/send/send_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/core/feature_set.h"
#include "broker/message/stored_message.h"
#include "broker/send/queue_choice.h"
#include "common/clock/broker_time.h"
#include "common/rpc/testing/fake_call.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using rpc::testing::FakeUnaryCall;
using store::FakeStore;
using testing::HasSubstr;

class SendServiceTest : public testing::Test {
 protected:
  SendServiceTest() {
    features_.Add(&metadata_);
    store_ = std::make_unique<FakeStore>(&features_);
    CreateTopic("orders", MessageType::kNormal, 4);
    CreateTopic("queue", MessageType::kFifo, 8);
    Configure({});
  }

  void CreateTopic(const std::string& name, MessageType type, uint32_t queues) {
    metadata_.CreateTopic(name, type, queues, [](const absl::StatusOr<TopicPtr>&) {});
  }
  void Configure(SendOptions options) {
    service_ = std::make_unique<SendService>(
        options, SendService::Environment{&metadata_, &clients_, &time_, &delay_});
    service_->Attach(store_.get());
    methods_ = {};
    service_->Register(methods_);
  }
  static v2::Message MessageFor(const std::string& topic, const std::string& id,
                                const std::string& body = "hello") {
    v2::Message message;
    message.mutable_topic()->set_name(topic);
    message.set_body(body);
    message.mutable_system_properties()->set_message_id(id);
    return message;
  }
  std::unique_ptr<FakeUnaryCall> Call(const v2::SendMessageRequest& request,
                                      rpc::testing::Headers headers = {{"x-mq-client-id", "c1"}}) {
    auto call = std::make_unique<FakeUnaryCall>(request.SerializeAsString(), std::move(headers));
    methods_.unary.at(0).handler(*call);
    return call;
  }
  v2::SendMessageResponse Send(const v2::SendMessageRequest& request) {
    const auto call = Call(request);
    EXPECT_EQ(call->times_finished(), 1);
    EXPECT_TRUE(call->status().ok()) << call->status();
    return call->Response<v2::SendMessageResponse>();
  }
  v2::SendMessageResponse Send(const v2::Message& message) {
    v2::SendMessageRequest request;
    *request.add_messages() = message;
    return Send(request);
  }
  uint64_t MessagesIn(const std::string& topic, uint32_t queue) {
    return store_->Range({metadata_.FindTopic(topic)->id, queue}).next;
  }
  uint64_t MessagesIn(const std::string& topic) {
    uint64_t messages = 0;
    for (uint32_t q = 0; q < metadata_.FindTopic(topic)->queues; ++q)
      messages += MessagesIn(topic, q);
    return messages;
  }
  store::StoredMessage Stored(const std::string& topic, uint32_t queue, uint64_t offset) {
    const store::QueueKey key{metadata_.FindTopic(topic)->id, queue};
    const auto entries = store_->HotEntries(key, offset, 1);
    return *store_->HotMessage(key, offset, entries->at(0));
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  FeatureSet features_;
  Metadata metadata_{{}, &time_};
  Delay delay_{{.broker_name = "broker-a", .levels_ms = {1000}}, {.metadata = &metadata_}};
  gateway::ClientRegistry clients_{{.max_clients = 2}, &clock_};
  std::unique_ptr<FakeStore> store_;
  std::unique_ptr<SendService> service_;
  rpc::MethodTable methods_;
};

TEST_F(SendServiceTest, AMessageIsStoredAndAnswered) {
  v2::Message message = MessageFor("orders", "id-1");
  message.mutable_system_properties()->set_tag("tag");
  const v2::SendMessageResponse response = Send(message);
  EXPECT_EQ(response.status().code(), v2::OK);
  EXPECT_EQ(response.status().message(), "OK");
  ASSERT_EQ(response.entries_size(), 1);
  const v2::SendResultEntry& entry = response.entries(0);
  EXPECT_EQ(entry.status().code(), v2::OK);
  EXPECT_EQ(entry.message_id(), "id-1");
  EXPECT_EQ(entry.transaction_id(), "");
  EXPECT_EQ(entry.recall_handle(), "");
  EXPECT_EQ(entry.offset(), 0);

  const store::StoredMessage stored = Stored("orders", 0, 0);
  EXPECT_EQ(stored.view.store_time, time_.NowMillis());
  EXPECT_EQ(stored.view.tag_hash, TagHash("tag"));
  const auto content = DecodeContent(stored.view.content);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->body, "hello");
  EXPECT_EQ(content->md5, BodyDigest("hello"));
  v2::SystemProperties system;
  ASSERT_TRUE(system.ParseFromString(std::string(content->system)));
  EXPECT_EQ(system.message_type(), v2::NORMAL);
  EXPECT_EQ(system.born_host(), "192.0.2.7:4711");
}

TEST_F(SendServiceTest, OffsetsGrowPerQueue) {
  for (int i = 0; i < 9; ++i) {
    const auto response = Send(MessageFor("orders", "id-" + std::to_string(i)));
    EXPECT_EQ(response.entries(0).offset(), i / 4);
  }
}

TEST_F(SendServiceTest, TheAnswerWaitsForTheLog) {
  store_->SetMode(FakeStore::Mode::kHeld);
  v2::SendMessageRequest request;
  *request.add_messages() = MessageFor("orders", "id-1");
  const auto call = Call(request);
  store_->StepAppend();
  EXPECT_FALSE(call->finished());
  store_->StepCommit();
  EXPECT_EQ(call->Response<v2::SendMessageResponse>().status().code(), v2::OK);
}

TEST_F(SendServiceTest, MessagesWithoutAGroupTakeQueuesInTurn) {
  for (int i = 0; i < 8; ++i) Send(MessageFor("orders", "id"));
  for (uint32_t queue = 0; queue < 4; ++queue) EXPECT_EQ(MessagesIn("orders", queue), 2u);
}

TEST_F(SendServiceTest, AMessageGroupStaysInItsQueueWhateverTheClientSays) {
  for (int i = 0; i < 5; ++i) {
    v2::Message message = MessageFor("queue", "id");
    message.mutable_system_properties()->set_message_group("g1");
    message.mutable_system_properties()->set_queue_id(i);
    EXPECT_EQ(Send(message).entries(0).offset(), i);
  }
  EXPECT_EQ(MessagesIn("queue", QueueOfGroup("g1", 8)), 5u);
}

TEST_F(SendServiceTest, ABatchIsAnsweredInOrder) {
  v2::SendMessageRequest request;
  for (int i = 0; i < 6; ++i) {
    v2::Message message = MessageFor("queue", "id-" + std::to_string(i));
    message.mutable_system_properties()->set_message_group(i % 2 == 0 ? "even" : "odd");
    *request.add_messages() = message;
  }
  const v2::SendMessageResponse response = Send(request);
  EXPECT_EQ(response.status().code(), v2::OK);
  ASSERT_EQ(response.entries_size(), 6);
  const bool same_queue = QueueOfGroup("even", 8) == QueueOfGroup("odd", 8);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(response.entries(i).message_id(), "id-" + std::to_string(i));
    EXPECT_EQ(response.entries(i).status().code(), v2::OK);
    EXPECT_EQ(response.entries(i).offset(), same_queue ? i : i / 2);
  }
}

TEST_F(SendServiceTest, ABatchWithoutGroupsKeepsItsOrderInOneQueue) {
  v2::SendMessageRequest request;
  for (int i = 0; i < 5; ++i)
    *request.add_messages() = MessageFor("orders", "id" + std::to_string(i));
  const v2::SendMessageResponse response = Send(request);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(response.entries(i).offset(), i);
  EXPECT_EQ(MessagesIn("orders", 0), 5u);
}

TEST_F(SendServiceTest, ABatchLargerThanAFrameTakesSeveral) {
  v2::SendMessageRequest request;
  const std::string body(3 << 20, 'x');
  for (int i = 0; i < 8; ++i) *request.add_messages() = MessageFor("orders", "id", body);
  const size_t before = store_->submitted();
  const v2::SendMessageResponse response = Send(request);
  EXPECT_EQ(response.status().code(), v2::OK);
  EXPECT_EQ(response.entries(7).offset(), 7);
  EXPECT_EQ(store_->submitted() - before, 2u);  // five of 3 MiB fit a frame of 16 MiB
}

TEST_F(SendServiceTest, APartlyFailedBatchSaysWhichMessages) {
  store_->SetMode(FakeStore::Mode::kHeld);
  v2::SendMessageRequest request;
  const std::string body(3 << 20, 'x');
  for (int i = 0; i < 7; ++i) *request.add_messages() = MessageFor("orders", "id", body);
  store_->HoldColdJobs(true);
  const auto call = Call(request);
  EXPECT_FALSE(call->finished());
  store_->AcceptOnly(1);
  store_->RunColdJobs();
  EXPECT_FALSE(call->finished());
  store_->Run();

  const auto response = call->Response<v2::SendMessageResponse>();
  EXPECT_EQ(call->times_finished(), 1);
  EXPECT_EQ(response.status().code(), v2::MULTIPLE_RESULTS);
  EXPECT_THAT(response.status().message(), HasSubstr("5 of 7"));
  ASSERT_EQ(response.entries_size(), 7);
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(response.entries(i).status().code(), i < 5 ? v2::OK : v2::TOO_MANY_REQUESTS) << i;
  }
}

TEST_F(SendServiceTest, LargeBodiesAreTakenOnTheColdPool) {
  store_->HoldColdJobs(true);
  v2::SendMessageRequest request;
  *request.add_messages() = MessageFor("orders", "large", std::string(64 << 10, 'x'));
  const auto large = Call(request);
  EXPECT_FALSE(large->finished());
  EXPECT_EQ(Send(MessageFor("orders", "small")).status().code(), v2::OK);
  EXPECT_EQ(store_->RunColdJobs(), 1u);
  EXPECT_EQ(large->Response<v2::SendMessageResponse>().status().code(), v2::OK);
}

TEST_F(SendServiceTest, WaitingLargeMessagesAreBounded) {
  SendOptions options;
  options.limits.bytes_in_flight = 200 << 10;
  Configure(options);
  store_->HoldColdJobs(true);
  v2::SendMessageRequest request;
  *request.add_messages() = MessageFor("orders", "large", std::string(128 << 10, 'x'));
  const auto first = Call(request);
  const auto second = Call(request);
  EXPECT_FALSE(first->finished());
  EXPECT_EQ(second->Response<v2::SendMessageResponse>().status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(second->Response<v2::SendMessageResponse>().status().message(),
              HasSubstr("limits.send-bytes-in-flight"));
  store_->RunColdJobs();
  EXPECT_TRUE(first->finished());
  const auto third = Call(request);
  store_->RunColdJobs();
  EXPECT_EQ(third->Response<v2::SendMessageResponse>().status().code(), v2::OK);
  store_->RefuseColdJobs(true);
  EXPECT_EQ(Send(request).status().code(), v2::TOO_MANY_REQUESTS);
}

TEST_F(SendServiceTest, TheBytesOfARequestAreLimited) {
  SendOptions options;
  options.limits.request_bytes = 1000;
  Configure(options);
  const auto response = Send(MessageFor("orders", "id", std::string(1000, 'x')));
  EXPECT_EQ(response.status().code(), v2::PAYLOAD_TOO_LARGE);
  EXPECT_THAT(response.status().message(), HasSubstr("limits.request-bytes"));
}

TEST_F(SendServiceTest, RefusalsOfTheStoreCarryItsSentence) {
  store_->RefuseSubmits(absl::ResourceExhaustedError("too many bytes wait"));
  auto response = Send(MessageFor("orders", "id"));
  EXPECT_EQ(response.status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(response.status().message(), "TOO_MANY_REQUESTS: too many bytes wait");
  EXPECT_EQ(response.entries_size(), 0);
  store_->RefuseSubmits(absl::UnavailableError("the disk is full"));
  response = Send(MessageFor("orders", "id"));
  EXPECT_EQ(response.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(response.status().message(), "INTERNAL_SERVER_ERROR: the disk is full");
}

TEST_F(SendServiceTest, AFailedAppendIsAnError) {
  store_->SetMode(FakeStore::Mode::kHeld);
  v2::SendMessageRequest one, two;
  *one.add_messages() = MessageFor("orders", "id");
  *two.add_messages() = MessageFor("orders", "id-1");
  *two.add_messages() = MessageFor("orders", "id-2");
  const auto single = Call(one);
  const auto batch = Call(two);
  store_->StepAppend();
  store_->StepFail(absl::UnavailableError("fdatasync failed"));
  EXPECT_EQ(single->Response<v2::SendMessageResponse>().status().code(), v2::INTERNAL_SERVER_ERROR);
  const auto response = batch->Response<v2::SendMessageResponse>();
  EXPECT_EQ(response.status().code(), v2::INTERNAL_SERVER_ERROR);
  ASSERT_EQ(response.entries_size(), 2);
  EXPECT_EQ(response.entries(1).message_id(), "id-2");
  EXPECT_EQ(response.entries(1).status().code(), v2::INTERNAL_SERVER_ERROR);
}

TEST_F(SendServiceTest, ThePriorityIsTheQueue) {
  CreateTopic("urgent", MessageType::kPriority, 3);
  for (const int priority : {0, 1, 2, 9}) {
    v2::Message message = MessageFor("urgent", std::to_string(priority));
    message.mutable_system_properties()->set_priority(priority);
    EXPECT_EQ(Send(message).status().code(), v2::OK);
  }
  EXPECT_EQ(MessagesIn("urgent", 0), 1u);
  EXPECT_EQ(MessagesIn("urgent", 1), 1u);
  EXPECT_EQ(MessagesIn("urgent", 2), 2u);
  v2::SystemProperties stored;
  const store::StoredMessage last = Stored("urgent", 2, 1);
  ASSERT_TRUE(stored.ParseFromString(std::string(DecodeContent(last.view.content)->system)));
  EXPECT_EQ(stored.priority(), 9);
  EXPECT_EQ(stored.message_type(), v2::PRIORITY);
  EXPECT_EQ(Send(MessageFor("urgent", "none")).status().code(),
            v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
}

TEST_F(SendServiceTest, AMixedTopicTakesTheClassicTypes) {
  CreateTopic("all", MessageType::kMixed, 2);
  EXPECT_EQ(Send(MessageFor("all", "normal")).status().code(), v2::OK);
  v2::Message fifo = MessageFor("all", "fifo");
  fifo.mutable_system_properties()->set_message_group("g");
  EXPECT_EQ(Send(fifo).status().code(), v2::OK);
  EXPECT_EQ(MessagesIn("all"), 2u);
  v2::Message priority = MessageFor("all", "priority");
  priority.mutable_system_properties()->set_priority(1);
  EXPECT_EQ(Send(priority).status().code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
}

TEST_F(SendServiceTest, UnknownTopics) {
  const auto response = Send(MessageFor("nowhere", "id"));
  EXPECT_EQ(response.status().code(), v2::TOPIC_NOT_FOUND);
  EXPECT_THAT(response.status().message(), HasSubstr("mansio topic create nowhere"));
}

TEST_F(SendServiceTest, ARefusedTypeIsToldBeforeTheTopicsTypeAndStoresNothing) {
  v2::Message message = MessageFor("queue", "id");
  message.mutable_system_properties()->set_lite_topic("lite");
  const size_t before = store_->submitted();
  EXPECT_EQ(Send(message).status().code(), v2::NOT_IMPLEMENTED);
  EXPECT_EQ(Send(MessageFor("queue", "id")).status().code(),
            v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  EXPECT_EQ(store_->submitted(), before);
}

TEST_F(SendServiceTest, TopicsAreCreatedOnlyWhereThatIsConfigured) {
  SendOptions options;
  options.auto_create_topics = true;
  options.default_queues = 3;
  Configure(options);
  EXPECT_EQ(Send(MessageFor("fresh", "id")).status().code(), v2::OK);
  EXPECT_EQ(metadata_.FindTopic("fresh")->queues, 3u);
  EXPECT_EQ(MessagesIn("fresh"), 1u);
  v2::Message message = MessageFor("fresh-fifo", "id");
  message.mutable_system_properties()->set_message_group("g");
  EXPECT_EQ(Send(message).status().code(), v2::OK);
  EXPECT_EQ(metadata_.FindTopic("fresh-fifo")->type, MessageType::kFifo);
}

TEST_F(SendServiceTest, ATopicThatCannotBeCreatedIsAnError) {
  SendOptions options;
  options.auto_create_topics = true;
  Configure(options);
  store_->RefuseSubmits(absl::ResourceExhaustedError("too many bytes wait"));
  EXPECT_EQ(Send(MessageFor("fresh", "id")).status().code(), v2::TOO_MANY_REQUESTS);
}

TEST_F(SendServiceTest, TheClientMustSayWhoItIs) {
  v2::SendMessageRequest request;
  *request.add_messages() = MessageFor("orders", "id");
  EXPECT_EQ(Call(request, {})->Response<v2::SendMessageResponse>().status().code(),
            v2::CLIENT_ID_REQUIRED);
  EXPECT_EQ(Call(request, {{"x-mq-client-id", "c2"}})
                ->Response<v2::SendMessageResponse>()
                .status()
                .code(),
            v2::OK);
  EXPECT_EQ(clients_.size(), 1u);
  Call(request, {{"x-mq-client-id", "c3"}});
  EXPECT_EQ(Call(request, {{"x-mq-client-id", "c4"}})
                ->Response<v2::SendMessageResponse>()
                .status()
                .code(),
            v2::TOO_MANY_REQUESTS);
}

TEST_F(SendServiceTest, ARequestThatCannotBeParsedIsAborted) {
  for (const size_t size : {size_t{10}, size_t{100'000}}) {
    FakeUnaryCall call(std::string(size, '\xff'), {{"x-mq-client-id", "c1"}});
    methods_.unary.at(0).handler(call);
    EXPECT_EQ(call.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

// The parsed request of a thread is reused: nothing of one send may show in the next.
TEST_F(SendServiceTest, NothingIsLeftOverFromTheSendBefore) {
  v2::Message first = MessageFor("orders", "first");
  first.mutable_system_properties()->set_tag("tag");
  first.mutable_system_properties()->add_keys("key");
  (*first.mutable_user_properties())["a"] = "b";
  Send(first);
  Send(MessageFor("orders", "second"));
  const auto content = DecodeContent(Stored("orders", 1, 0).view.content);
  EXPECT_EQ(content->properties, "");
  v2::SystemProperties system;
  ASSERT_TRUE(system.ParseFromString(std::string(content->system)));
  EXPECT_FALSE(system.has_tag());
  EXPECT_EQ(system.keys_size(), 0);
  EXPECT_EQ(system.message_id(), "second");
}

TEST_F(SendServiceTest, SendsAreRefusedWhileAGroupIsAsFarBehindAsTheTopicAllows) {
  const auto limit = [this](uint64_t max, Overflow overflow) {
    metadata_.AlterTopic("orders", {.max_backlog = max, .overflow = overflow},
                         [](const absl::StatusOr<TopicPtr>&) {});
    metadata_.FindTopic("orders")->backlog_now = 10;
  };
  limit(11, Overflow::kRefuse);
  EXPECT_EQ(Send(MessageFor("orders", "id")).status().code(), v2::OK);
  limit(10, Overflow::kRefuse);
  const auto refused = Send(MessageFor("orders", "id"));
  EXPECT_EQ(refused.status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_NE(refused.status().message().find("max-backlog is 10"), std::string::npos);
  EXPECT_EQ(MessagesIn("orders"), 1u);
  metadata_.FindTopic("orders")->backlog_now = 9;
  EXPECT_EQ(Send(MessageFor("orders", "id")).status().code(), v2::OK);
  limit(10, Overflow::kDropOldest);
  EXPECT_EQ(Send(MessageFor("orders", "id")).status().code(), v2::OK);
  limit(0, Overflow::kRefuse);
  EXPECT_EQ(Send(MessageFor("orders", "id")).status().code(), v2::OK);
}

}  // namespace
}  // namespace mansio::broker
