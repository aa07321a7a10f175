#include "broker/offsets/offsets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct PullArguments {
  int64_t offset = 0;
  int batch = 32;
  absl::Duration polling = absl::ZeroDuration();
  std::string filter = "*";
  v2::FilterType filter_type = v2::TAG;
  int queue = 0;
  std::string topic = kTopic;
  std::string broker = "";
  std::string group = "readers";
};
using PullCall = std::shared_ptr<rpc::testing::FakeServerStreamCall>;

class OffsetsTest : public testing::Test {
 protected:
  OffsetsTest() {
    h.CreateTopic();
    offsets =
        Offsets::Create({.broker_name = "broker-a"}, {.metadata = &h.life().metadata,
                                                      .clients = &h.life().clients,
                                                      .consumption = h.life().consumption.get(),
                                                      .time = &h.life().time,
                                                      .timers = &h.life().timers});
    h.life().features.Add(offsets->feature());
    offsets->feature()->Attach(&h.store());
    offsets->Register(methods);
  }
  ~OffsetsTest() override { offsets->Stop(); }

  static v2::MessageQueue Queue(const PullArguments& a = {}) {
    v2::MessageQueue queue;
    queue.mutable_topic()->set_name(a.topic);
    queue.set_id(a.queue);
    queue.mutable_broker()->set_name(a.broker);
    return queue;
  }
  static std::string PullRequestOf(const PullArguments& a) {
    v2::PullMessageRequest request;
    request.mutable_group()->set_name(a.group);
    *request.mutable_message_queue() = Queue(a);
    request.set_offset(a.offset);
    request.set_batch_size(a.batch);
    request.mutable_filter_expression()->set_type(a.filter_type);
    request.mutable_filter_expression()->set_expression(a.filter);
    request.mutable_long_polling_timeout()->set_seconds(absl::ToInt64Seconds(a.polling));
    return request.SerializeAsString();
  }
  PullCall Pull(const PullArguments& a = {}) {
    return Start(std::make_shared<rpc::testing::FakeServerStreamCall>(PullRequestOf(a),
                                                                      Harness::Headers("reader")));
  }
  PullCall Start(const PullCall& call) {
    calls.push_back(call);
    methods.server_stream[0].handler(*call);
    h.store().Run();
    return call;
  }
  static v2::Code StatusOf(const PullCall& call) {
    const auto elements = call->Elements<v2::PullMessageResponse>();
    return elements.empty() ? v2::CODE_UNSPECIFIED : elements[0].status().code();
  }
  static std::vector<std::string> Bodies(const PullCall& call) {
    std::vector<std::string> bodies;
    for (const auto& element : call->Elements<v2::PullMessageResponse>()) {
      if (element.has_message()) bodies.push_back(element.message().body());
    }
    return bodies;
  }
  // -1 when the answer names none.
  static int64_t NextOffset(const PullCall& call) {
    const auto elements = call->Elements<v2::PullMessageResponse>();
    if (elements.empty()) return -1;
    const auto& last = elements.back();
    return last.content_case() == v2::PullMessageResponse::kNextOffset ? last.next_offset() : -1;
  }

  template <typename Response, typename Request>
  Response Call(size_t method, const Request& request, const std::string& client = "reader") {
    rpc::testing::FakeUnaryCall call(request.SerializeAsString(), Harness::Headers(client));
    methods.unary[method].handler(call);
    h.store().Run();
    EXPECT_EQ(call.times_finished(), 1);
    return call.Response<Response>();
  }
  v2::GetOffsetResponse GetOn(const PullArguments& a, const std::string& client = "reader") {
    v2::GetOffsetRequest request;
    request.mutable_group()->set_name(a.group);
    *request.mutable_message_queue() = Queue(a);
    return Call<v2::GetOffsetResponse>(0, request, client);
  }
  v2::GetOffsetResponse Get(const std::string& client = "reader",
                            const std::string& group = "readers") {
    return GetOn({.group = group}, client);
  }
  v2::Code UpdateOn(const PullArguments& a, int64_t offset, const std::string& client = "reader") {
    v2::UpdateOffsetRequest request;
    request.mutable_group()->set_name(a.group);
    *request.mutable_message_queue() = Queue(a);
    request.set_offset(offset);
    return Call<v2::UpdateOffsetResponse>(1, request, client).status().code();
  }
  v2::Code Update(int64_t offset, const std::string& client = "reader",
                  const std::string& group = "readers") {
    return UpdateOn({.group = group}, offset, client);
  }
  v2::QueryOffsetResponse Query(v2::QueryOffsetPolicy policy, std::optional<int64_t> ms = {}) {
    v2::QueryOffsetRequest request;
    *request.mutable_message_queue() = Queue();
    request.set_query_offset_policy(policy);
    if (ms) {
      request.mutable_timestamp()->set_seconds(*ms / 1000);
      request.mutable_timestamp()->set_nanos(static_cast<int>(*ms % 1000 * 1000000));
    }
    return Call<v2::QueryOffsetResponse>(2, request);
  }

  Harness h;
  std::unique_ptr<Offsets> offsets;
  rpc::MethodTable methods;
  std::vector<PullCall> calls;
};

TEST_F(OffsetsTest, PullsFromAnOffsetAndSaysWhereToGoOn) {
  for (const char* body : {"a", "b", "c", "d"}) h.Send(body);
  const PullCall pulled = Pull({.offset = 1, .batch = 2});
  ASSERT_TRUE(pulled->finished());
  EXPECT_EQ(StatusOf(pulled), v2::OK);
  EXPECT_THAT(Bodies(pulled), ElementsAre("b", "c"));
  EXPECT_EQ(NextOffset(pulled), 3);
  const v2::Message message = pulled->Elements<v2::PullMessageResponse>()[1].message();
  EXPECT_EQ(message.system_properties().queue_offset(), 1);
  EXPECT_EQ(message.system_properties().delivery_attempt(), 1);
  EXPECT_EQ(h.life().metadata.FindGroup("readers"), nullptr) << "a pull leaves no trace";
}

TEST_F(OffsetsTest, AtTheEndItAnswersAtOnceWithoutAPollingTime) {
  h.Send("a");
  const PullCall pulled = Pull({.offset = 1});
  ASSERT_TRUE(pulled->finished());
  EXPECT_EQ(StatusOf(pulled), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(NextOffset(pulled), 1);
}

TEST_F(OffsetsTest, AParkedPullIsWokenByAMessageOfItsQueue) {
  h.CreateTopic(2, "two");
  const PullCall first = Pull({.polling = absl::Seconds(10)});
  const PullCall second = Pull({.polling = absl::Seconds(10)});
  const PullCall elsewhere = Pull({.polling = absl::Seconds(10), .queue = 1, .topic = "two"});
  EXPECT_FALSE(first->finished());
  h.Send("a");
  EXPECT_THAT(Bodies(first), ElementsAre("a"));
  EXPECT_THAT(Bodies(second), ElementsAre("a")) << "every reader gets it";
  EXPECT_FALSE(elsewhere->finished());
}

TEST_F(OffsetsTest, AParkedPullEndsAfterItsPollingTime) {
  const PullCall parked = Pull({.polling = absl::Seconds(7)});
  h.Advance(absl::Seconds(7) - absl::Milliseconds(1));
  EXPECT_FALSE(parked->finished());
  h.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(StatusOf(parked), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(NextOffset(parked), 0);
}

TEST_F(OffsetsTest, ACancelledPullIsFinishedAndForgotten) {
  const PullCall parked = Pull({.polling = absl::Seconds(10)});
  parked->Cancel();
  EXPECT_TRUE(parked->finished());
  h.Send("a");
  EXPECT_EQ(parked->times_finished(), 1);
}

TEST_F(OffsetsTest, StoppingAnswersParkedPulls) {
  const PullCall parked = Pull({.polling = absl::Seconds(10)});
  offsets->Stop();
  EXPECT_TRUE(parked->finished());
}

TEST_F(OffsetsTest, DeletingTheTopicAnswersParkedPulls) {
  const PullCall parked = Pull({.polling = absl::Seconds(10)});
  h.life().metadata.DeleteTopic(kTopic, [](const absl::StatusOr<TopicPtr>&) {});
  h.store().Run();
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(StatusOf(parked), v2::TOPIC_NOT_FOUND);
}

TEST_F(OffsetsTest, OffsetsOutsideTheQueueAreIllegalAndTheAnswerSaysWhereToGoOn) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  const PullCall behind = Pull({.offset = 4});
  EXPECT_EQ(StatusOf(behind), v2::ILLEGAL_OFFSET);
  EXPECT_EQ(NextOffset(behind), 3);
  const PullCall negative = Pull({.offset = -1});
  EXPECT_EQ(StatusOf(negative), v2::ILLEGAL_OFFSET);
  EXPECT_EQ(NextOffset(negative), 0);
  h.store().TrimQueue({h.life().metadata.FindTopic(kTopic)->id, 0}, 2);
  const PullCall gone = Pull({.offset = 1});
  EXPECT_EQ(StatusOf(gone), v2::ILLEGAL_OFFSET);
  EXPECT_EQ(NextOffset(gone), 2);
}

TEST_F(OffsetsTest, TheFilterPassesOverAndTheNextOffsetLiesBehindWhatItPassed) {
  h.Send("a", 0, "red");
  h.Send("b", 0, "blue");
  h.Send("c", 0, "red");
  const PullCall blue = Pull({.filter = "blue"});
  EXPECT_THAT(Bodies(blue), ElementsAre("b"));
  EXPECT_EQ(NextOffset(blue), 3);
  const PullCall none = Pull({.filter = "green"});
  EXPECT_EQ(StatusOf(none), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(NextOffset(none), 3);
  // Equal hashes are told apart by the text: tags that collide are passed over as well.
  EXPECT_THAT(Bodies(Pull({.filter = "red || blue"})), ElementsAre("a", "b", "c"));
}

TEST_F(OffsetsTest, TheFilterFindsMessagesThatHaveAMessageGroup) {
  h.Send("a", 0, "paid", {}, "customer-1");
  h.Send("b", 0, "open", {}, "customer-1");
  EXPECT_THAT(Bodies(Pull({.filter = "paid"})), ElementsAre("a"));
  h.store().SetHot(false, false);
  EXPECT_THAT(Bodies(Pull({.filter = "paid"})), ElementsAre("a"));
}

TEST_F(OffsetsTest, AMessageThatCannotBeReadNowIsNotPassedOver) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  const store::QueueKey queue{h.life().metadata.FindTopic(kTopic)->id, 0};
  h.store().SetHot(true, false);
  h.store().FailReads(queue, 1, absl::InternalError("an error of the disk"));
  const PullCall before = Pull();
  EXPECT_THAT(Bodies(before), ElementsAre("a"));
  EXPECT_EQ(NextOffset(before), 1);
  const PullCall at = Pull({.offset = 1});
  EXPECT_EQ(StatusOf(at), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(NextOffset(at), 1);
  h.store().FailReads(queue, 1, absl::DataLossError("bad checksum"));
  EXPECT_THAT(Bodies(Pull({.offset = 1})), ElementsAre("c")) << "damaged: it will never be read";
}

TEST_F(OffsetsTest, AnSqlFilterPassesOverWhatItDoesNotWant) {
  h.Send("a", 0, "red");
  h.Send("b", 0, "blue");
  h.Send("c", 0, "red");
  const PullCall blue = Pull({.filter = "TAGS = 'blue'", .filter_type = v2::SQL});
  EXPECT_THAT(Bodies(blue), ElementsAre("b"));
  EXPECT_EQ(NextOffset(blue), 3);
  const PullCall none = Pull({.filter = "TAGS = 'green'", .filter_type = v2::SQL});
  EXPECT_EQ(StatusOf(none), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(NextOffset(none), 3);
  const PullCall parked = Pull({.offset = 3,
                                .polling = absl::Seconds(10),
                                .filter = "TAGS = 'blue'",
                                .filter_type = v2::SQL});
  h.Send("d", 0, "red");
  EXPECT_FALSE(parked->finished());
  h.Send("e", 0, "blue");
  EXPECT_THAT(Bodies(parked), ElementsAre("e"));
}

TEST_F(OffsetsTest, ManyUnwantedMessagesAreLookedPast) {
  for (int i = 0; i < 600; ++i) h.Send("x", 0, "red");
  h.Send("wanted", 0, "blue");
  const PullCall pulled = Pull({.filter = "blue"});
  EXPECT_THAT(Bodies(pulled), ElementsAre("wanted"));
  EXPECT_EQ(NextOffset(pulled), 601);
}

TEST_F(OffsetsTest, OldMessagesComeFromDisk) {
  h.Send("a");
  h.Send("b");
  h.store().SetHot(false, false);
  EXPECT_THAT(Bodies(Pull()), ElementsAre("a", "b"));
  h.store().RefuseColdJobs(true);
  EXPECT_EQ(StatusOf(Pull()), v2::TOO_MANY_REQUESTS);
}

TEST_F(OffsetsTest, APausedGroupPullsNothing) {
  h.Send("a");
  h.CreateGroup(StartPolicy::kEarliest, "readers");
  const auto set_paused = [this](bool paused) {
    h.life().metadata.SetPaused("readers", paused, [](const absl::StatusOr<GroupPtr>&) {});
    h.store().Run();
  };
  set_paused(true);
  const PullCall parked = Pull({.polling = absl::Seconds(10)});
  EXPECT_FALSE(parked->finished());
  set_paused(false);
  EXPECT_THAT(Bodies(parked), ElementsAre("a"));
}

TEST_F(OffsetsTest, OnlyAGroupThatIsResumedWakesParkedPulls) {
  class CountedCall : public rpc::testing::FakeServerStreamCall {
   public:
    using FakeServerStreamCall::FakeServerStreamCall;
    void Post(absl::AnyInvocable<void()> fn) override {
      ++posts;
      fn();
    }
    int posts = 0;
  };
  const auto call = std::make_shared<CountedCall>(PullRequestOf({.polling = absl::Seconds(10)}),
                                                  Harness::Headers("reader"));
  Start(call);
  h.CreateGroup(StartPolicy::kEarliest, "others");
  EXPECT_EQ(call->posts, 0);
  for (const bool paused : {true, false}) {
    h.life().metadata.SetPaused("others", paused, [](const absl::StatusOr<GroupPtr>&) {});
    h.Settle();
    EXPECT_EQ(call->posts, paused ? 0 : 1);
  }
}

TEST_F(OffsetsTest, BadPullsAreRefusedWithTheContractsCodes) {
  EXPECT_EQ(StatusOf(Pull({.topic = "unknown"})), v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(StatusOf(Pull({.topic = "a b"})), v2::ILLEGAL_TOPIC);
  EXPECT_EQ(StatusOf(Pull({.group = ""})), v2::ILLEGAL_CONSUMER_GROUP);
  EXPECT_EQ(StatusOf(Pull({.queue = 1})), v2::BAD_REQUEST);
  EXPECT_EQ(StatusOf(Pull({.queue = -1})), v2::BAD_REQUEST);
  EXPECT_EQ(StatusOf(Pull({.broker = "another"})), v2::BAD_REQUEST);
  EXPECT_EQ(StatusOf(Pull({.broker = "broker-a"})), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(StatusOf(Pull({.polling = -absl::Seconds(1)})), v2::ILLEGAL_POLLING_TIME);
  EXPECT_EQ(StatusOf(Pull({.filter = "||"})), v2::ILLEGAL_FILTER_EXPRESSION);
}

TEST_F(OffsetsTest, QueriesBeginningEndAndTime) {
  EXPECT_EQ(Query(v2::BEGINNING).offset(), 0);
  h.Send("a");
  h.clock.Advance(absl::Seconds(5));
  const int64_t time = h.life().time.NowMillis();
  h.Send("b");
  h.Send("c");
  h.store().TrimQueue({h.life().metadata.FindTopic(kTopic)->id, 0}, 1);
  EXPECT_EQ(Query(v2::BEGINNING).offset(), 1);
  EXPECT_EQ(Query(v2::END).offset(), 3);
  EXPECT_EQ(Query(v2::TIMESTAMP, time).offset(), 1);
  EXPECT_EQ(Query(v2::TIMESTAMP, time + 1).offset(), 3);
  EXPECT_EQ(Query(v2::TIMESTAMP, 0).offset(), 1);
  EXPECT_EQ(Query(v2::TIMESTAMP).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Query(v2::TIMESTAMP, -5000).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Query(static_cast<v2::QueryOffsetPolicy>(9)).status().code(), v2::BAD_REQUEST);
}

TEST_F(OffsetsTest, APositionIsKeptAndGivenBack) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  EXPECT_EQ(Get().status().code(), v2::OFFSET_NOT_FOUND);
  EXPECT_EQ(Update(2), v2::OK);
  EXPECT_EQ(Get().status().code(), v2::OK);
  EXPECT_EQ(Get().offset(), 2);
  EXPECT_EQ(Update(1), v2::OK) << "backwards as well";
  EXPECT_EQ(Get().offset(), 1);
  EXPECT_EQ(Get("somebody else").offset(), 1) << "it is the group's";
  EXPECT_EQ(Update(4), v2::ILLEGAL_OFFSET);
  EXPECT_EQ(Update(-1), v2::ILLEGAL_OFFSET);
  EXPECT_EQ(Get().offset(), 1);
}

// It would skip what its reader has not kept its place in yet.
TEST_F(OffsetsTest, APositionOnOneQueueIsNoneOnTheOthers) {
  h.CreateTopic(2, "two");
  const PullArguments first{.queue = 0, .topic = "two"};
  const PullArguments second{.queue = 1, .topic = "two"};
  EXPECT_EQ(UpdateOn(first, 0), v2::OK);
  EXPECT_EQ(GetOn(first).status().code(), v2::OK);
  EXPECT_EQ(GetOn(second).status().code(), v2::OFFSET_NOT_FOUND);
  EXPECT_EQ(UpdateOn(second, 0), v2::OK);
  EXPECT_EQ(GetOn(second).status().code(), v2::OK);
}

TEST_F(OffsetsTest, AnAnswerHoldsABoundedNumberOfBytes) {
  const std::string large(3 << 19, 'x');  // once as the body, once as the id
  for (int i = 0; i < 4; ++i) h.Send(large);
  const PullCall pulled = Pull();
  EXPECT_EQ(Bodies(pulled).size(), 2u);
  EXPECT_EQ(NextOffset(pulled), 2);
}

TEST_F(OffsetsTest, RetriesCannotBeReadByOffset) {
  h.CreateGroup(StartPolicy::kEarliest);
  h.Send("a");
  h.Receive();
  h.Advance(absl::Seconds(30));
  EXPECT_EQ(StatusOf(Pull({.topic = "%RETRY%workers"})), v2::TOPIC_NOT_FOUND);
}

TEST_F(OffsetsTest, DeadLettersCanBeReadByOffset) {
  h.CreateGroup(StartPolicy::kEarliest);
  h.Send("a");
  h.Forward(Harness::Messages(h.Receive())[0].system_properties().receipt_handle());
  const PullCall pulled = Pull({.topic = "%DLQ%workers"});
  ASSERT_THAT(Bodies(pulled), ElementsAre("a"));
  const v2::Message message = pulled->Elements<v2::PullMessageResponse>()[1].message();
  EXPECT_EQ(message.system_properties().dead_letter_queue().topic(), kTopic);
}

TEST_F(OffsetsTest, ThePositionOfAGroupWithLeasesIsItsFirstUnacknowledgedMessage) {
  h.CreateGroup(StartPolicy::kEarliest);
  h.Send("a");
  h.Send("b");
  const auto messages = Harness::Messages(h.Receive());
  EXPECT_EQ(Get("reader", kGroup).offset(), 0);
  h.Ack({messages[0].system_properties().receipt_handle()});
  EXPECT_EQ(Get("reader", kGroup).offset(), 1);
  EXPECT_EQ(Update(2, "reader", kGroup), v2::OK);
  EXPECT_EQ(h.Ack({messages[1].system_properties().receipt_handle()}).status().code(),
            v2::INVALID_RECEIPT_HANDLE);
}

TEST_F(OffsetsTest, EachClientOfABroadcastGroupHasItsOwnPosition) {
  GroupRecord group;
  group.name = "everybody";
  group.broadcast = true;
  h.life().metadata.CreateGroup(group, [](const absl::StatusOr<GroupPtr>&) {});
  h.store().Run();
  h.Send("a");
  EXPECT_EQ(Update(1, "one", "everybody"), v2::OK);
  EXPECT_EQ(Get("one", "everybody").offset(), 1);
  EXPECT_EQ(Get("two", "everybody").status().code(), v2::OFFSET_NOT_FOUND);
}

TEST_F(OffsetsTest, ARefusedPositionSaysWhy) {
  h.Send("a");
  EXPECT_EQ(Update(0), v2::OK);
  h.store().RefuseSubmits(absl::UnavailableError("the disk is full"));
  v2::UpdateOffsetRequest request;
  request.mutable_group()->set_name("readers");
  *request.mutable_message_queue() = Queue();
  request.set_offset(1);
  const auto refused = Call<v2::UpdateOffsetResponse>(1, request);
  EXPECT_EQ(refused.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_THAT(refused.status().message(), HasSubstr("the disk is full"));
  EXPECT_EQ(Get().offset(), 0);
}

}  // namespace
}  // namespace mansio::broker
