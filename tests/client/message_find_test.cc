// `mansio message get`, `query` and `trace`: tables, JSON and exit codes, against a node in this
// process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/client/command_harness.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Response>
Response GoodAnswer() {
  Response response;
  *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
  return response;
}

v1::FoundMessage Found(const std::string& id, int64_t seconds) {
  v1::FoundMessage found;
  found.set_broker("b0");
  found.set_body_bytes(5);
  found.mutable_message()->mutable_topic()->set_name("orders");
  found.mutable_message()->set_body("hello");
  (*found.mutable_message()->mutable_user_properties())["colour"] = "red";
  auto* system = found.mutable_message()->mutable_system_properties();
  system->set_message_id(id);
  system->set_queue_id(3);
  system->set_queue_offset(1042);
  system->set_tag("new");
  system->add_keys("order-17");
  system->add_keys("blue");
  system->mutable_store_timestamp()->set_seconds(seconds);
  return found;
}

class MessageFindTest : public CommandHarness {
 protected:
  MessageFindTest() {
    node_.hooks.query_messages = [this](const v1::QueryMessagesRequest& request) {
      query_ = request;
      auto response = GoodAnswer<v1::QueryMessagesResponse>();
      *response.add_messages() = Found("ID2", 1767225660);
      *response.add_messages() = Found("ID1", 1767225600);
      response.set_more(more_);
      response.set_unindexed_bytes(unindexed_);
      return response;
    };
    node_.hooks.get_message = [this](const v1::GetMessageRequest& request) {
      get_ = request;
      auto response = GoodAnswer<v1::GetMessageResponse>();
      for (int i = 0; i < places_; ++i) *response.add_messages() = Found("ID1", 1767225600);
      return response;
    };
    node_.hooks.trace_message = [this](const v1::TraceMessageRequest& request) {
      if (request.next() >= busy_from_ && std::exchange(busy_, false)) {
        v1::TraceMessageResponse busy;
        *busy.mutable_status() = client::MakeStatus(v2::TOO_MANY_REQUESTS, "busy");
        return busy;
      }
      traces_.push_back(request);
      auto response = GoodAnswer<v1::TraceMessageResponse>();
      v1::MessageTrace* trace = response.add_traces();
      trace->set_broker("b0");
      trace->set_next(request.next() + (1 << 20));
      trace->set_done(traces_.size() == 3);
      if (traces_.size() == 2 && !damage_.empty()) trace->add_damaged(damage_);
      trace->set_rest_bytes(trace->done() ? 0 : 5 << 20);
      trace->mutable_read_until()->set_seconds(1767225660);
      v1::TraceEvent* event = trace->add_events();
      event->mutable_time()->set_seconds(1767225600);
      event->set_what(request.next() == 0 ? "stored" : "delivered");
      event->set_topic("orders");
      event->set_queue_id(3);
      event->set_offset(1042);
      if (request.next() > 0) event->set_group("billing");
      if (request.next() == 0 && !silent_.empty()) {
        v1::BrokerResult* result = response.add_results();
        result->set_broker(silent_);
        *result->mutable_status() = client::MakeStatus(v2::INTERNAL_ERROR, "no answer");
      }
      return response;
    };
  }

  v1::QueryMessagesRequest query_;
  v1::GetMessageRequest get_;
  std::vector<v1::TraceMessageRequest> traces_;
  bool more_ = false;
  int64_t unindexed_ = 0;
  bool busy_ = false;  // for one page of a trace, not before busy_from_
  int64_t busy_from_ = 1;
  std::string silent_;  // a broker that does not answer for a trace
  std::string damage_;
  int places_ = 1;
};

TEST_F(MessageFindTest, ATraceSaysWhereTheLogIsDamaged) {
  damage_ = "the log is damaged at offset 17";
  EXPECT_EQ(Mansio({"message", "trace", "ID1"}), kPartial);
  EXPECT_THAT(out_,
              AllOf(HasSubstr("delivered"), HasSubstr("On b0, the log is damaged at offset 17.")));
}

TEST_F(MessageFindTest, ATraceGoesOnWhenABrokerWasBusy) {
  busy_ = true;
  EXPECT_EQ(Mansio({"message", "trace", "ID1"}), kOk) << err_;
  EXPECT_EQ(traces_.size(), 3u);
}

TEST_F(MessageFindTest, ATraceBeginsWhenABrokerWasBusy) {
  busy_ = true;
  busy_from_ = 0;
  EXPECT_EQ(Mansio({"message", "trace", "ID1"}), kOk) << err_;
  EXPECT_EQ(traces_.size(), 3u);
}

TEST_F(MessageFindTest, ATraceNamesWhoDidNotAnswer) {
  silent_ = "b9";
  EXPECT_EQ(Mansio({"message", "trace", "ID1"}), kPartial);
  EXPECT_THAT(out_, HasSubstr("delivered"));
  EXPECT_THAT(err_, HasSubstr("broker b9: no answer"));
}

TEST_F(MessageFindTest, AMessageThatWasNotReachedIsNotMissing) {
  node_.hooks.query_messages = [this](const v1::QueryMessagesRequest&) {
    auto response = GoodAnswer<v1::QueryMessagesResponse>();
    if (std::exchange(busy_, false)) {
      *response.mutable_status() = client::MakeStatus(v2::TOO_MANY_REQUESTS, "cut short");
    }
    response.set_more(true);
    return response;
  };
  busy_ = true;
  EXPECT_EQ(Mansio({"message", "get", "ID1"}), kPartial);
  EXPECT_THAT(err_, AllOf(HasSubstr("not all"), HasSubstr("--id ID1 --from")));
  EXPECT_THAT(err_, Not(HasSubstr("no broker has")));
}

TEST_F(MessageFindTest, HelpTeaches) {
  for (const char* verb : {"get", "query", "trace"}) {
    EXPECT_EQ(Mansio({"message", verb, "--help"}), kOk);
    EXPECT_THAT(out_,
                AllOf(HasSubstr("Example"), HasSubstr(std::string("mansio message ") + verb)));
  }
}

TEST_F(MessageFindTest, AQueryIsATable) {
  EXPECT_EQ(Mansio({"message", "query", "--key", "order-17"}), kOk);
  EXPECT_EQ(query_.key(), "order-17");
  EXPECT_EQ(query_.limit(), 32);
  EXPECT_FALSE(query_.with_bodies());
  EXPECT_THAT(out_, AllOf(HasSubstr("MESSAGE"), HasSubstr("2026-01-01T00:01:00.000Z"),
                          HasSubstr("ID2"), HasSubstr("order-17 blue")));
  EXPECT_LT(out_.find("ID2"), out_.find("ID1"));
}

TEST_F(MessageFindTest, AQueryInJson) {
  EXPECT_EQ(Mansio({"message", "query", "--topic", "orders", "--from", "2026-01-01T00:00:00Z",
                    "--until", "2026-01-01T00:02:00.5Z", "--limit", "7", "-o", "json"}),
            kOk);
  EXPECT_EQ(query_.topic(), "orders");
  EXPECT_EQ(query_.from().seconds(), 1767225600);
  EXPECT_EQ(query_.until().seconds(), 1767225720);
  EXPECT_EQ(query_.until().nanos(), 500'000'000);
  EXPECT_EQ(query_.limit(), 7);
  const Json found = Json::parse(out_);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].dump(),
            R"({"stored":"2026-01-01T00:01:00.000Z","message_id":"ID2","topic":"orders",)"
            R"("broker":"b0","queue":3,"queue_offset":1042,"tag":"new","keys":"order-17 blue",)"
            R"("bytes":5})");
}

TEST_F(MessageFindTest, AQuerySaysWhatItLeftOut) {
  more_ = true;
  unindexed_ = 3 << 20;
  EXPECT_EQ(Mansio({"message", "query", "--id", "ID1"}), kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("--until 2026-01-01T00:00:00.001Z"), HasSubstr("4 MiB")));
}

TEST_F(MessageFindTest, AQueryThatFoundNothingInTimeSaysSo) {
  node_.hooks.query_messages = [](const v1::QueryMessagesRequest&) {
    auto response = GoodAnswer<v1::QueryMessagesResponse>();
    response.set_more(true);
    return response;
  };
  EXPECT_EQ(Mansio({"message", "query", "--key", "common"}), kOk);
  EXPECT_THAT(out_, HasSubstr("--from"));
}

TEST_F(MessageFindTest, ABrokerWithoutTheTopicHasRefusedNothing) {
  node_.hooks.query_messages = [](const v1::QueryMessagesRequest& request) {
    auto response = GoodAnswer<v1::QueryMessagesResponse>();
    *response.add_messages() = Found("ID1", 1767225600);
    v1::BrokerResult* result = response.add_results();
    result->set_broker("b1");
    *result->mutable_status() =
        client::MakeStatus(request.key().empty() ? v2::TOPIC_NOT_FOUND : v2::NOT_IMPLEMENTED, "no");
    return response;
  };
  EXPECT_EQ(Mansio({"message", "query", "--topic", "orders"}), kOk);
  EXPECT_EQ(Mansio({"message", "query", "--key", "a"}), kPartial);
  EXPECT_THAT(err_, HasSubstr("b1"));
}

TEST_F(MessageFindTest, AQueryNeedsSomethingToLookFor) {
  EXPECT_EQ(Mansio({"message", "query"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--key"));
  EXPECT_EQ(Mansio({"message", "query", "--key", "a", "--id", "b"}), kUsage);
  EXPECT_EQ(Mansio({"message", "query", "--key", "a", "--from", "latest"}), kUsage);
  EXPECT_EQ(Mansio({"message", "query", "--key", "a", "--limit", "1001"}), kUsage);
}

TEST_F(MessageFindTest, UnderTheNamesOfMqadmin) {
  EXPECT_EQ(Mansio({"mqadmin", "queryMsgByKey", "-t", "orders", "-k", "order-17", "-b",
                    "1767225600000", "-e", "1767225720500", "-m", "7"}),
            kOk);
  EXPECT_EQ(query_.topic(), "orders");
  EXPECT_EQ(query_.key(), "order-17");
  EXPECT_EQ(query_.from().seconds(), 1767225600);
  EXPECT_EQ(query_.until().nanos(), 500'000'000);
  EXPECT_EQ(query_.limit(), 7);
  EXPECT_EQ(Mansio({"mqadmin", "queryMsgById", "-t", "orders", "-i", "ID1"}), kOk);
  EXPECT_EQ(query_.message_id(), "ID1");
  EXPECT_EQ(Mansio({"mqadmin", "queryMsgTraceById", "-i", "ID1"}), kOk);
  EXPECT_EQ(traces_.at(0).message_id(), "ID1");
}

TEST_F(MessageFindTest, AMessageByItsPlace) {
  EXPECT_EQ(Mansio({"message", "get", "orders/3/1042", "-o", "json"}), kOk);
  EXPECT_EQ(get_.topic(), "orders");
  EXPECT_EQ(get_.queue_id(), 3);
  EXPECT_EQ(get_.offset(), 1042);
  const Json found = Json::parse(out_);
  EXPECT_EQ(found["body"], "hello");
  EXPECT_EQ(found["properties"]["colour"], "red");
  EXPECT_EQ(found["keys"], Json({"order-17", "blue"}));

  places_ = 2;
  EXPECT_EQ(Mansio({"message", "get", "orders/3/1042"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--broker"));
  places_ = 0;
  EXPECT_EQ(Mansio({"message", "get", "orders/3/1042"}), kNotFound);
}

TEST_F(MessageFindTest, AMessageByItsIdRatherThanACopyOfIt) {
  node_.hooks.query_messages = [this](const v1::QueryMessagesRequest& request) {
    query_ = request;
    auto response = GoodAnswer<v1::QueryMessagesResponse>();
    v1::FoundMessage* copy = response.add_messages();
    *copy = Found("ID1", 1767225660);
    copy->mutable_message()->mutable_topic()->set_name("%RETRY%billing");
    copy->set_origin_topic("orders");
    copy->set_group("billing");
    *response.add_messages() = Found("ID1", 1767225600);
    return response;
  };
  EXPECT_EQ(Mansio({"message", "get", "ID1", "-o", "json"}), kOk);
  EXPECT_EQ(query_.message_id(), "ID1");
  EXPECT_TRUE(query_.copies());
  EXPECT_TRUE(query_.with_bodies());
  EXPECT_EQ(Json::parse(out_)["topic"], "orders");

  node_.hooks.query_messages = [](const v1::QueryMessagesRequest&) {
    return GoodAnswer<v1::QueryMessagesResponse>();
  };
  EXPECT_EQ(Mansio({"message", "get", "ID1"}), kNotFound);
  EXPECT_THAT(err_, HasSubstr("retention"));
}

TEST_F(MessageFindTest, ATraceIsReadOnToTheEnd) {
  EXPECT_EQ(Mansio({"message", "trace", "ID1", "-o", "json"}), kOk);
  ASSERT_EQ(traces_.size(), 3u);
  EXPECT_EQ(traces_[0].brokers_size(), 0);
  ASSERT_EQ(traces_[2].brokers_size(), 1);
  EXPECT_EQ(traces_[2].brokers(0), "b0");
  EXPECT_EQ(traces_[2].next(), 2 << 20);
  const Json events = Json::parse(out_);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["what"], "stored");
  EXPECT_EQ(events[1]["group"], "billing");
}

TEST_F(MessageFindTest, ATraceSaysWhereItStopped) {
  EXPECT_EQ(Mansio({"message", "trace", "ID1", "--max-mib", "1"}), kPartial);
  EXPECT_EQ(traces_.size(), 2u);
  EXPECT_THAT(out_, AllOf(HasSubstr("delivered"), HasSubstr("b0 was read until 2026-01-01"),
                          HasSubstr("6 MiB were not")));
}

}  // namespace
}  // namespace mansio::command
