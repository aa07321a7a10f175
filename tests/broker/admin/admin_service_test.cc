#include "broker/admin/admin_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "broker/core/feature_set.h"
#include "common/clock/broker_time.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "tests/broker/fake_consumption.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using testing::AllOf;
using testing::HasSubstr;

// A queue of every group.
class OneQueueEach : public FakeConsumption {
 public:
  std::vector<QueueConsumption> Describe(const GroupRecord& group) const override {
    return {{.topic = "topic-of-" + group.name,
             .queue = 2,
             .cursor = 5,
             .next = 9,
             .leased = 1,
             .ready = 4}};
  }
};

class AdminServiceTest : public testing::Test {
 protected:
  AdminServiceTest() {
    features_.Add(&metadata_);
    store_ = std::make_unique<store::FakeStore>(&features_);
    v1::BrokerIdentity identity;
    identity.set_name("broker-a");
    auto* address = identity.add_addresses();
    address->set_host("192.0.2.1");
    address->set_port(8081);
    service_.SetNode(store_.get(), identity, [] {
      v1::StoreState state;
      state.set_disk_free_bytes(7);
      return state;
    });
    service_.Register(methods_);
  }

  template <typename Response, typename Request>
  Response Call(const std::string& method, const Request& request) {
    for (const auto& unary : methods_.unary) {
      if (unary.path != "/mansio.v1.Admin/" + method) continue;
      rpc::testing::FakeUnaryCall call(request.SerializeAsString());
      unary.handler(call);
      EXPECT_EQ(call.times_finished(), 1);
      return call.template Response<Response>();
    }
    ADD_FAILURE() << method << " is not served";
    return {};
  }
  v1::CreateTopicResponse CreateTopic(const std::string& name, v2::MessageType type = v2::NORMAL,
                                      int queues = 0) {
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name(name);
    request.mutable_topic()->set_message_type(type);
    request.mutable_topic()->set_queues(queues);
    return Call<v1::CreateTopicResponse>("CreateTopic", request);
  }
  v1::CreateGroupResponse CreateGroup(const v1::GroupInfo& group) {
    v1::CreateGroupRequest request;
    *request.mutable_group() = group;
    return Call<v1::CreateGroupResponse>("CreateGroup", request);
  }
  template <typename Request>
  static Request Named(const std::string& name) {
    Request request;
    request.set_name(name);
    return request;
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  FeatureSet features_;
  Metadata metadata_{{}, &time_};
  gateway::ClientRegistry clients_{{}, &clock_};
  OneQueueEach consumption_;
  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  gateway::SendHolds holds_{{}, &timers_};
  std::unique_ptr<store::FakeStore> store_;
  AdminService service_{{.broker_name = "broker-a", .default_queues = 8},
                        {&metadata_, &consumption_, &clients_, &holds_}};
  rpc::MethodTable methods_;
};

TEST_F(AdminServiceTest, TopicsAreCreatedWithDefaultsAndAgain) {
  for (int i = 0; i < 2; ++i) {
    const auto created = CreateTopic("orders", v2::MESSAGE_TYPE_UNSPECIFIED);
    EXPECT_EQ(created.status().code(), v2::OK);
    EXPECT_EQ(created.existed(), i > 0);
    EXPECT_EQ(created.topic().queues(), 8);
    EXPECT_EQ(created.topic().message_type(), v2::NORMAL);
    ASSERT_EQ(created.results_size(), 1);
    EXPECT_EQ(created.results(0).broker(), "broker-a");
    EXPECT_EQ(created.results(0).status().code(), v2::OK);
  }
  EXPECT_EQ(CreateTopic("orders", v2::FIFO).status().code(), v2::PRECONDITION_FAILED);
  EXPECT_EQ(CreateTopic("other", v2::FIFO, 3).topic().queues(), 3);
}

TEST_F(AdminServiceTest, TransactionTopicsMayHaveCheckBacksOfTheirOwn) {
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("orders");
  request.mutable_topic()->set_message_type(v2::TRANSACTION);
  request.mutable_topic()->mutable_check_back()->mutable_first_check()->set_seconds(1);
  request.mutable_topic()->mutable_check_back()->set_max_checks(3);
  const auto created = Call<v1::CreateTopicResponse>("CreateTopic", request);
  EXPECT_EQ(created.status().code(), v2::OK) << created.status().message();
  EXPECT_EQ(created.topic().check_back().first_check().seconds(), 1);
  EXPECT_EQ(metadata_.FindTopic("orders")->check_back, (CheckBackPolicy{1000, 0, 3}));
  // Again is OK, with other settings it is not; and they belong to this type only.
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(), v2::OK);
  request.mutable_topic()->mutable_check_back()->set_max_checks(4);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(),
            v2::PRECONDITION_FAILED);
  v1::AlterTopicRequest change;
  change.set_name("orders");
  change.set_max_checks(4);
  change.mutable_check_interval()->set_seconds(9);
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::OK);
  EXPECT_EQ(metadata_.FindTopic("orders")->check_back, (CheckBackPolicy{1000, 9000, 4}));
  change.set_max_checks(1001);
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
  request.mutable_topic()->set_message_type(v2::NORMAL);
  request.mutable_topic()->set_name("other");
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(), v2::BAD_REQUEST);
  CreateTopic("normal");
  change.set_name("normal");
  change.set_max_checks(4);
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
}

TEST_F(AdminServiceTest, WhatATopicDiffersInIsSaid) {
  CreateTopic("orders", v2::NORMAL, 8);
  const auto other = CreateTopic("orders", v2::FIFO, 4);
  EXPECT_THAT(other.status().message(),
              HasSubstr("exists already with type NORMAL, not FIFO, 8 queues, not 4; type and "
                        "queues cannot be changed"));
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("orders");
  request.mutable_topic()->set_queues(8);
  request.mutable_topic()->mutable_ttl()->set_seconds(60);
  EXPECT_THAT(Call<v1::CreateTopicResponse>("CreateTopic", request).status().message(),
              HasSubstr("with another --ttl; change that with `mansio topic alter orders`"));
}

TEST_F(AdminServiceTest, TimesOfCheckBacksBeyondAllBoundsAreRefused) {
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("orders");
  request.mutable_topic()->set_message_type(v2::TRANSACTION);
  for (const int64_t seconds : {int64_t{1} << 61, INT64_MAX, INT64_MIN}) {
    request.mutable_topic()->mutable_check_back()->mutable_interval()->set_seconds(seconds);
    EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(),
              v2::BAD_REQUEST)
        << seconds;
  }
}

TEST_F(AdminServiceTest, TopicTypesOfLaterVersionsAreNamed) {
  const auto refused = CreateTopic("orders", v2::LITE);
  EXPECT_EQ(refused.status().code(), v2::NOT_IMPLEMENTED);
  EXPECT_THAT(refused.status().message(), HasSubstr("LITE"));
  EXPECT_EQ(refused.results(0).status().code(), v2::NOT_IMPLEMENTED);
  EXPECT_EQ(metadata_.FindTopic("orders"), nullptr);
}

TEST_F(AdminServiceTest, MixedAndPriorityTopics) {
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("all");
  request.mutable_topic()->set_mixed(true);
  const auto mixed = Call<v1::CreateTopicResponse>("CreateTopic", request);
  EXPECT_EQ(mixed.status().code(), v2::OK) << mixed.status().message();
  EXPECT_TRUE(mixed.topic().mixed());
  request.mutable_topic()->set_name("all-2");
  request.mutable_topic()->mutable_check_back()->set_max_checks(3);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(), v2::OK);
  request.mutable_topic()->clear_check_back();
  EXPECT_EQ(mixed.topic().message_type(), v2::MESSAGE_TYPE_UNSPECIFIED);
  EXPECT_EQ(metadata_.FindTopic("all")->type, MessageType::kMixed);
  request.mutable_topic()->set_message_type(v2::FIFO);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(), v2::BAD_REQUEST);

  request.mutable_topic()->set_name("urgent");
  request.mutable_topic()->set_mixed(false);
  request.mutable_topic()->set_message_type(v2::PRIORITY);
  request.mutable_topic()->set_priority_guard(true);
  const auto urgent = Call<v1::CreateTopicResponse>("CreateTopic", request);
  EXPECT_EQ(urgent.status().code(), v2::OK) << urgent.status().message();
  EXPECT_TRUE(urgent.topic().priority_guard());
  request.mutable_topic()->set_name("other");
  request.mutable_topic()->set_message_type(v2::NORMAL);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).status().code(), v2::BAD_REQUEST);
}

TEST_F(AdminServiceTest, ExpiryIsSetAndAltered) {
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("quotes");
  request.mutable_topic()->mutable_ttl()->set_nanos(1);
  request.mutable_topic()->set_expired(v1::EXPIRED_POLICY_DEAD_LETTER);
  const auto created = Call<v1::CreateTopicResponse>("CreateTopic", request);
  EXPECT_EQ(created.status().code(), v2::OK) << created.status().message();
  EXPECT_EQ(created.topic().ttl().nanos(), 1'000'000) << "rounded up, or it would be none";
  EXPECT_EQ(created.topic().expired(), v1::EXPIRED_POLICY_DEAD_LETTER);

  v1::AlterTopicRequest change;
  change.set_name("quotes");
  change.mutable_ttl()->set_seconds(30);
  const auto altered = Call<v1::AlterTopicResponse>("AlterTopic", change);
  EXPECT_EQ(altered.status().code(), v2::OK) << altered.status().message();
  EXPECT_EQ(altered.topic().ttl().seconds(), 30);
  EXPECT_EQ(altered.topic().expired(), v1::EXPIRED_POLICY_DEAD_LETTER);
  change.mutable_ttl()->set_seconds(0);
  change.set_expired(v1::EXPIRED_POLICY_SKIP);
  EXPECT_FALSE(Call<v1::AlterTopicResponse>("AlterTopic", change).topic().has_ttl());
  EXPECT_EQ(metadata_.FindTopic("quotes")->expiry, ExpiryPolicy{});

  change.set_expired(static_cast<v1::ExpiredPolicy>(9));
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
  change.clear_expired();
  for (const int64_t seconds : {int64_t{-1}, int64_t{400} * 365 * 24 * 3600, INT64_MAX}) {
    change.mutable_ttl()->set_seconds(seconds);
    EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
  }
  change.set_name("nowhere");
  change.clear_ttl();
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(),
            v2::TOPIC_NOT_FOUND);
}

TEST_F(AdminServiceTest, BadTopicsAreRefused) {
  EXPECT_EQ(CreateTopic("no spaces").status().code(), v2::ILLEGAL_TOPIC);
  EXPECT_EQ(CreateTopic("orders", v2::NORMAL, -1).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(CreateTopic("orders", v2::NORMAL, 1025).status().code(), v2::BAD_REQUEST);
  v1::CreateTopicRequest read_only;
  read_only.mutable_topic()->set_name("orders");
  read_only.mutable_topic()->set_permission(v2::READ);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", read_only).status().code(),
            v2::NOT_IMPLEMENTED);
}

TEST_F(AdminServiceTest, TopicsAreListedDescribedAndDeleted) {
  CreateTopic("payments", v2::FIFO, 1);
  CreateTopic("orders", v2::NORMAL, 2);
  const auto list = Call<v1::ListTopicsResponse>("ListTopics", v1::ListTopicsRequest());
  ASSERT_EQ(list.topics_size(), 2);
  EXPECT_EQ(list.topics(0).topic().name(), "orders");
  EXPECT_EQ(list.topics(0).brokers(0), "broker-a");

  store_->TrimQueue({metadata_.FindTopic("orders")->id, 1}, 0);
  const auto topic =
      Call<v1::DescribeTopicResponse>("DescribeTopic", Named<v1::DescribeTopicRequest>("orders"));
  EXPECT_EQ(topic.status().code(), v2::OK);
  EXPECT_EQ(topic.created().seconds(), time_.NowMillis() / 1000);
  ASSERT_EQ(topic.queues_size(), 2);
  EXPECT_EQ(topic.queues(1).queue_id(), 1);
  EXPECT_EQ(topic.queues(1).broker(), "broker-a");

  EXPECT_EQ(Call<v1::DeleteTopicResponse>("DeleteTopic", Named<v1::DeleteTopicRequest>("orders"))
                .status()
                .code(),
            v2::OK);
  EXPECT_EQ(Call<v1::DeleteTopicResponse>("DeleteTopic", Named<v1::DeleteTopicRequest>("orders"))
                .status()
                .code(),
            v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(
      Call<v1::DescribeTopicResponse>("DescribeTopic", Named<v1::DescribeTopicRequest>("orders"))
          .status()
          .code(),
      v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(Call<v1::DescribeTopicResponse>("DescribeTopic", Named<v1::DescribeTopicRequest>("\n"))
                .status()
                .code(),
            v2::ILLEGAL_TOPIC);
}

TEST_F(AdminServiceTest, ATopicIsSentToWhenItsConsumersHavePositions) {
  v1::CreateTopicRequest request;
  request.mutable_topic()->set_name("orders");
  request.add_consumers()->set_name("nightly");
  request.mutable_consumers(0)->set_fifo(true);
  request.mutable_consumers(0)->mutable_created()->set_seconds(7);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", request).topic().permission(),
            v2::READ_WRITE);
  const TopicPtr topic = metadata_.FindTopic("orders");
  EXPECT_TRUE(consumption_.positions.at({"nightly", topic->id}));
  EXPECT_FALSE(topic->draining);
  EXPECT_TRUE(metadata_.FindGroup("nightly")->fifo);
  EXPECT_EQ(metadata_.FindGroup("nightly")->created_ms, 7000);

  auto describe = Named<v1::DescribeTopicRequest>("orders");
  EXPECT_EQ(Call<v1::DescribeTopicResponse>("DescribeTopic", describe).consumers_size(), 0);
  describe.set_with_consumers(true);
  const auto described = Call<v1::DescribeTopicResponse>("DescribeTopic", describe);
  ASSERT_EQ(described.consumers_size(), 1);
  EXPECT_EQ(described.consumers(0).name(), "nightly");
  EXPECT_EQ(described.consumers(0).created().seconds(), 7);

  request.mutable_topic()->set_name("refused");
  consumption_.position_refused = absl::ResourceExhaustedError("full");
  const auto refused = Call<v1::CreateTopicResponse>("CreateTopic", request);
  EXPECT_EQ(refused.status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused.status().message(),
              AllOf(HasSubstr("full; topic refused is there"), HasSubstr("command again")));
  EXPECT_TRUE(metadata_.FindTopic("refused")->draining) << "nobody sends to it";
}

TEST_F(AdminServiceTest, ATopicIsAlteredWhenItsConsumersHavePositions) {
  CreateTopic("orders");
  auto change = Named<v1::AlterTopicRequest>("orders");
  change.set_draining(true);
  change.add_consumers()->set_name("nightly");
  consumption_.position_refused = absl::UnavailableError("stopped");
  EXPECT_NE(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::OK);
  EXPECT_FALSE(metadata_.FindTopic("orders")->draining);
  consumption_.position_refused = absl::OkStatus();
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::OK);
  EXPECT_TRUE(metadata_.FindTopic("orders")->draining);
  EXPECT_NE(metadata_.FindGroup("nightly"), nullptr);

  change.mutable_consumers(0)->set_name("no name");
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(),
            v2::ILLEGAL_CONSUMER_GROUP);
  change.set_name("nowhere");
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(),
            v2::TOPIC_NOT_FOUND);
}

// However long the disk takes: what is sent meanwhile must see the new division.
TEST_F(AdminServiceTest, SendsAreHeldUntilTheNewDivisionIsThere) {
  CreateTopic("orders", v2::FIFO);
  auto change = Named<v1::AlterTopicRequest>("orders");
  change.mutable_sharing()->add_brokers("broker-b");
  change.set_held(true);
  change.set_holder("me");
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(),
            v2::PRECONDITION_FAILED);
  holds_.Hold("orders", "me", 1000);
  store_->SetMode(store::FakeStore::Mode::kHeld);
  rpc::testing::FakeUnaryCall call(change.SerializeAsString());
  for (const auto& unary : methods_.unary) {
    if (unary.path == "/mansio.v1.Admin/AlterTopic") unary.handler(call);
  }
  now_ms_ += 60'000;
  timers_.RunDue();
  EXPECT_FALSE(holds_.PassNow("orders").has_value());
  EXPECT_FALSE(call.finished());
  store_->Run();
  EXPECT_EQ(call.Response<v1::AlterTopicResponse>().status().code(), v2::OK);
  EXPECT_TRUE(holds_.PassNow("orders").has_value());
}

TEST_F(AdminServiceTest, GroupsAreCreatedListedDescribedAndDeleted) {
  v1::GroupInfo wanted;
  wanted.set_name("billing");
  wanted.set_start(v1::START_POLICY_EARLIEST);
  const auto created = CreateGroup(wanted);
  EXPECT_EQ(created.status().code(), v2::OK);
  EXPECT_EQ(created.group().max_attempts(), 17);
  EXPECT_EQ(created.group().start(), v1::START_POLICY_EARLIEST);
  EXPECT_EQ(metadata_.FindGroup("billing")->start, StartPolicy::kEarliest);
  EXPECT_EQ(CreateGroup(wanted).status().code(), v2::OK);
  EXPECT_EQ(Call<v1::ListGroupsResponse>("ListGroups", v1::ListGroupsRequest()).groups_size(), 1);

  ASSERT_TRUE(
      clients_.Describe("c1", gateway::ClientRole::kSimpleConsumer, "billing", {}, "", "", "")
          .ok());
  ASSERT_TRUE(
      clients_.Describe("c2", gateway::ClientRole::kSimpleConsumer, "other", {}, "", "", "").ok());
  const auto group =
      Call<v1::DescribeGroupResponse>("DescribeGroup", Named<v1::DescribeGroupRequest>("billing"));
  ASSERT_EQ(group.positions_size(), 1);
  const v1::GroupPosition& position = group.positions(0);
  EXPECT_EQ(position.broker(), "broker-a");
  EXPECT_EQ(position.topic(), "topic-of-billing");
  EXPECT_EQ(position.queue_id(), 2);
  EXPECT_EQ(position.cursor(), 5);
  EXPECT_EQ(position.leases(), 1);
  EXPECT_EQ(position.ready(), 4);
  EXPECT_EQ(position.next_offset(), 9);
  ASSERT_EQ(group.client_ids_size(), 1);
  EXPECT_EQ(group.client_ids(0), "c1");

  const auto gone = Named<v1::DeleteGroupRequest>("billing");
  EXPECT_EQ(Call<v1::DeleteGroupResponse>("DeleteGroup", gone).status().code(), v2::OK);
  EXPECT_EQ(Call<v1::DeleteGroupResponse>("DeleteGroup", gone).status().code(),
            v2::CONSUMER_GROUP_NOT_FOUND);
}

TEST_F(AdminServiceTest, ATopicHasABacklogOfItsOwnThatCanBeAltered) {
  v1::CreateTopicRequest wanted;
  wanted.mutable_topic()->set_name("limited");
  wanted.mutable_topic()->set_max_backlog(1000);
  wanted.mutable_topic()->set_overflow(v1::OVERFLOW_POLICY_DEAD_LETTER);
  const auto created = Call<v1::CreateTopicResponse>("CreateTopic", wanted);
  EXPECT_EQ(created.status().code(), v2::OK);
  EXPECT_EQ(created.topic().max_backlog(), 1000);
  EXPECT_EQ(created.topic().overflow(), v1::OVERFLOW_POLICY_DEAD_LETTER);

  v1::AlterTopicRequest change;
  change.set_name("limited");
  change.set_max_backlog(5);
  auto altered = Call<v1::AlterTopicResponse>("AlterTopic", change);
  EXPECT_EQ(altered.status().code(), v2::OK);
  EXPECT_EQ(altered.topic().max_backlog(), 5);
  EXPECT_EQ(altered.topic().overflow(), v1::OVERFLOW_POLICY_DEAD_LETTER) << "not set: it stays";
  EXPECT_EQ(altered.topic().queues(), created.topic().queues());
  change.clear_max_backlog();
  change.set_overflow(v1::OVERFLOW_POLICY_DROP_OLDEST);
  altered = Call<v1::AlterTopicResponse>("AlterTopic", change);
  EXPECT_EQ(altered.topic().max_backlog(), 5);
  EXPECT_EQ(altered.topic().overflow(), v1::OVERFLOW_POLICY_DROP_OLDEST);

  change.set_max_backlog(-1);
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
  change.set_max_backlog(1);
  change.set_overflow(static_cast<v1::OverflowPolicy>(9));
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::BAD_REQUEST);
  change.clear_overflow();
  change.set_name("nowhere");
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(),
            v2::TOPIC_NOT_FOUND);
  change.set_name("%DLQ%billing");
  EXPECT_EQ(Call<v1::AlterTopicResponse>("AlterTopic", change).status().code(), v2::ILLEGAL_TOPIC);
  wanted.mutable_topic()->set_name("other");
  wanted.mutable_topic()->set_max_backlog(-1);
  EXPECT_EQ(Call<v1::CreateTopicResponse>("CreateTopic", wanted).status().code(), v2::BAD_REQUEST);
}

TEST_F(AdminServiceTest, AGroupHasAPolicyOfItsOwnThatCanBeAltered) {
  v1::GroupInfo wanted;
  wanted.set_name("billing");
  wanted.set_max_attempts(3);
  wanted.mutable_backoff()->mutable_customized_backoff()->add_next()->set_seconds(10);
  const auto created = CreateGroup(wanted);
  EXPECT_EQ(created.status().code(), v2::OK);
  EXPECT_EQ(created.group().max_attempts(), 3);
  EXPECT_EQ(created.group().backoff().customized_backoff().next(0).seconds(), 10);

  v1::AlterGroupRequest change;
  change.set_name("billing");
  change.set_max_attempts(5);
  const auto altered = Call<v1::AlterGroupResponse>("AlterGroup", change);
  EXPECT_EQ(altered.status().code(), v2::OK);
  EXPECT_EQ(altered.group().max_attempts(), 5);
  EXPECT_EQ(metadata_.FindGroup("billing")->backoff.steps.size(), 1u) << "what is not set stays";
  change.clear_max_attempts();
  change.mutable_backoff()->mutable_exponential_backoff()->mutable_initial()->set_seconds(1);
  change.mutable_backoff()->mutable_exponential_backoff()->mutable_max()->set_seconds(60);
  change.mutable_backoff()->mutable_exponential_backoff()->set_multiplier(3);
  EXPECT_EQ(Call<v1::AlterGroupResponse>("AlterGroup", change).status().code(), v2::OK);
  EXPECT_EQ(metadata_.FindGroup("billing")->backoff.After(3), absl::Seconds(9));
  EXPECT_EQ(metadata_.FindGroup("billing")->backoff.After(99), absl::Seconds(60));

  change.mutable_backoff()->mutable_customized_backoff()->add_next()->set_nanos(1);
  EXPECT_EQ(Call<v1::AlterGroupResponse>("AlterGroup", change).status().code(), v2::BAD_REQUEST);
  change.set_name("nobody");
  EXPECT_EQ(Call<v1::AlterGroupResponse>("AlterGroup", change).status().code(),
            v2::CONSUMER_GROUP_NOT_FOUND);
}

TEST_F(AdminServiceTest, AFifoGroupIsOneForGood) {
  v1::GroupInfo fifo;
  fifo.set_name("billing");
  fifo.set_fifo(true);
  const auto created = CreateGroup(fifo);
  EXPECT_EQ(created.status().code(), v2::OK);
  EXPECT_TRUE(created.group().fifo());
  EXPECT_TRUE(metadata_.FindGroup("billing")->fifo);
  EXPECT_EQ(CreateGroup(fifo).status().code(), v2::OK);
  fifo.set_fifo(false);
  EXPECT_EQ(CreateGroup(fifo).status().code(), v2::PRECONDITION_FAILED);
}

TEST_F(AdminServiceTest, GroupSettingsThatCannotBeAreNamed) {
  v1::GroupInfo attempts, backoff, start, name;
  for (v1::GroupInfo* group : {&attempts, &backoff, &start}) group->set_name("billing");
  attempts.set_max_attempts(-1);
  backoff.mutable_backoff()->mutable_customized_backoff();
  start.set_start(static_cast<v1::StartPolicy>(9));
  name.set_name("no spaces");
  EXPECT_EQ(CreateGroup(attempts).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(CreateGroup(backoff).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(CreateGroup(start).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(CreateGroup(name).status().code(), v2::ILLEGAL_CONSUMER_GROUP);
  EXPECT_EQ(store_->submitted(), 0u);
}

TEST_F(AdminServiceTest, AChangeThatCannotBeLoggedSaysWhy) {
  store_->RefuseSubmits(absl::UnavailableError("the disk is full"));
  const auto refused = CreateTopic("orders");
  EXPECT_NE(refused.status().code(), v2::OK);
  EXPECT_THAT(refused.status().message(), HasSubstr("the disk is full"));
}

TEST_F(AdminServiceTest, AResetSaysWhereToGo) {
  CreateTopic("orders", v2::NORMAL, 3);
  v1::GroupInfo group;
  group.set_name("workers");
  CreateGroup(group);
  v1::ResetGroupRequest request;
  request.set_group("workers");
  request.set_topic("orders");
  const auto code = [this](const v1::ResetGroupRequest& r) {
    return Call<v1::ResetGroupResponse>("ResetGroup", r).status().code();
  };
  EXPECT_EQ(code(request), v2::BAD_REQUEST) << "nowhere";
  request.set_edge(v1::START_POLICY_UNSPECIFIED);
  EXPECT_EQ(code(request), v2::BAD_REQUEST);
  request.set_offset(-1);
  EXPECT_EQ(code(request), v2::ILLEGAL_OFFSET);
  EXPECT_TRUE(consumption_.resets.empty());
  request.set_edge(v1::START_POLICY_LATEST);
  EXPECT_EQ(code(request), v2::OK);
  request.mutable_time()->set_seconds(12);
  request.mutable_time()->set_nanos(345000000);
  EXPECT_EQ(code(request), v2::OK);
  request.set_offset(7);
  request.set_queue_id(2);
  EXPECT_EQ(code(request), v2::OK);
  ASSERT_EQ(consumption_.resets.size(), 3u);
  EXPECT_EQ(consumption_.resets[0].to.kind, ResetPoint::Kind::kLatest);
  EXPECT_EQ(consumption_.resets[1].to.value, 12345);
  EXPECT_EQ(consumption_.resets[2].to.value, 7);
  EXPECT_EQ(consumption_.resets[2].queue, 2u);
  request.set_queue_id(3);
  EXPECT_EQ(code(request), v2::BAD_REQUEST);
  request.set_topic("unknown");
  EXPECT_EQ(code(request), v2::TOPIC_NOT_FOUND);
  request.set_group("unknown");
  EXPECT_EQ(code(request), v2::CONSUMER_GROUP_NOT_FOUND);
}

TEST_F(AdminServiceTest, GroupsArePausedResumedAndBroadcast) {
  v1::GroupInfo group;
  group.set_name("news");
  group.set_broadcast(true);
  EXPECT_TRUE(CreateGroup(group).group().broadcast());
  group.set_broadcast(false);
  EXPECT_EQ(CreateGroup(group).status().code(), v2::PRECONDITION_FAILED);
  const auto paused = [this] {
    const auto request = Named<v1::DescribeGroupRequest>("news");
    return Call<v1::DescribeGroupResponse>("DescribeGroup", request).group().paused();
  };
  for (int twice = 0; twice < 2; ++twice) {
    const auto pause = Named<v1::PauseGroupRequest>("news");
    EXPECT_EQ(Call<v1::PauseGroupResponse>("PauseGroup", pause).status().code(), v2::OK);
    EXPECT_TRUE(paused());
  }
  const auto resume = Named<v1::ResumeGroupRequest>("news");
  EXPECT_EQ(Call<v1::ResumeGroupResponse>("ResumeGroup", resume).status().code(), v2::OK);
  EXPECT_FALSE(paused());
  const auto unknown = Named<v1::PauseGroupRequest>("unknown");
  EXPECT_EQ(Call<v1::PauseGroupResponse>("PauseGroup", unknown).status().code(),
            v2::CONSUMER_GROUP_NOT_FOUND);
}

TEST_F(AdminServiceTest, AGroupIsExplained) {
  v1::GroupInfo group;
  group.set_name("billing");
  CreateGroup(group);
  const auto why =
      Call<v1::ExplainGroupResponse>("ExplainGroup", Named<v1::ExplainGroupRequest>("billing"));
  ASSERT_EQ(why.explanations_size(), 1);
  EXPECT_EQ(why.explanations(0).text(), "why billing");
  EXPECT_EQ(why.explanations(0).broker(), "broker-a");
  const auto unknown =
      Call<v1::ExplainGroupResponse>("ExplainGroup", Named<v1::ExplainGroupRequest>("nobody"));
  EXPECT_EQ(unknown.status().code(), v2::CONSUMER_GROUP_NOT_FOUND);
  store_->RefuseColdJobs(true);
  const auto busy =
      Call<v1::ExplainGroupResponse>("ExplainGroup", Named<v1::ExplainGroupRequest>("billing"));
  ASSERT_EQ(busy.explanations_size(), 1);
  EXPECT_EQ(busy.explanations(0).text(), "from memory");
}

TEST_F(AdminServiceTest, ClientsAreListedByGroupAndId) {
  using gateway::ClientRole;
  ASSERT_TRUE(clients_
                  .Describe("c1", ClientRole::kPushConsumer, "billing", {"orders"}, "JAVA", "5.0.8",
                            "192.0.2.7:1")
                  .ok());
  clock_.Advance(absl::Seconds(9));
  ASSERT_TRUE(clients_.Describe("p1", ClientRole::kProducer, "", {"orders"}, "GO", "", "").ok());
  const auto list = [this](const std::string& group, const std::string& id) {
    v1::ListClientsRequest request;
    request.set_group(group);
    request.set_client_id(id);
    return Call<v1::ListClientsResponse>("ListClients", request);
  };
  EXPECT_EQ(list("", "").clients_size(), 2);
  EXPECT_EQ(list("", "p1").clients_size(), 1);
  EXPECT_EQ(list("", "nobody").status().code(), v2::NOT_FOUND);
  const auto of_group = list("billing", "");
  ASSERT_EQ(of_group.clients_size(), 1);
  const v1::ClientDescription& client = of_group.clients(0);
  EXPECT_EQ(client.id(), "c1");
  EXPECT_EQ(client.role(), "push-consumer");
  EXPECT_EQ(client.topics(0), "orders");
  EXPECT_EQ(client.language(), "JAVA");
  EXPECT_EQ(client.silent().seconds(), 9);
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(client.brokers(0), "broker-a");
}

TEST_F(AdminServiceTest, ClientsAreListedInPagesAndNotOnTheRpcThread) {
  for (const char* id : {"c3", "c1", "c5", "c2", "c4"}) ASSERT_TRUE(clients_.Touch(id).ok());
  std::string ids;
  v1::ListClientsRequest request;
  request.set_limit(2);
  for (bool more = true; more;) {
    const auto page = Call<v1::ListClientsResponse>("ListClients", request);
    ASSERT_GT(page.clients_size(), 0);
    EXPECT_LE(page.clients_size(), 2);
    for (const auto& client : page.clients()) ids += client.id() + " ";
    request.set_after(page.clients().rbegin()->id());
    more = page.more();
  }
  EXPECT_EQ(ids, "c1 c2 c3 c4 c5 ");
  store_->RefuseColdJobs(true);
  EXPECT_EQ(Call<v1::ListClientsResponse>("ListClients", v1::ListClientsRequest()).clients_size(),
            5);
}

TEST_F(AdminServiceTest, ALoneBrokerAnswersForItself) {
  CreateTopic("orders");
  const auto brokers = Call<v1::ListBrokersResponse>("ListBrokers", v1::ListBrokersRequest());
  ASSERT_EQ(brokers.brokers_size(), 1);
  EXPECT_EQ(brokers.brokers(0).broker().name(), "broker-a");
  EXPECT_TRUE(brokers.brokers(0).online());
  EXPECT_EQ(brokers.brokers(0).topics(), 1);
  EXPECT_GT(brokers.brokers(0).log_end(), 0);
  EXPECT_EQ(brokers.brokers(0).store().disk_free_bytes(), 7);
  EXPECT_EQ(brokers.answered_by(), "broker 192.0.2.1:8081");
}

}  // namespace
}  // namespace mansio::broker
