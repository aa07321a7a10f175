// The command `mansio` from its arguments to its output and exit code, against a node in this
// process.
#include <string>
#include <vector>

#include "client/command/times.h"
#include "client/lib/body.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CommandTest : public CommandHarness {};

TEST_F(CommandTest, HelpTeaches) {
  EXPECT_EQ(Mansio({"--help"}), kOk);
  EXPECT_THAT(out_,
              AllOf(HasSubstr("topic"), HasSubstr("group"), HasSubstr("cluster"),
                    HasSubstr("message"), HasSubstr("MANSIO_ENDPOINT"), HasSubstr("Exit codes")));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"topic", "create"},
                                             {"topic", "list"},
                                             {"topic", "describe"},
                                             {"topic", "alter"},
                                             {"topic", "delete"},
                                             {"group", "create"},
                                             {"group", "list"},
                                             {"group", "describe"},
                                             {"group", "delete"},
                                             {"cluster", "list"},
                                             {"message", "send"},
                                             {"message", "receive"}}) {
    EXPECT_EQ(Mansio({command[0], command[1], "--help"}), kOk);
    EXPECT_THAT(out_, HasSubstr("Example")) << command[0] << " " << command[1];
    EXPECT_THAT(out_, HasSubstr("mansio ")) << command[0] << " " << command[1];
  }
}

TEST_F(CommandTest, UsageErrorsSayWhereHelpIs) {
  EXPECT_EQ(Mansio({"topic", "create"}), kUsage);
  EXPECT_THAT(err_, StartsWith("error: "));
  EXPECT_THAT(err_, HasSubstr("hint: mansio topic create --help"));
  EXPECT_EQ(Mansio({}), kUsage);
  EXPECT_EQ(Mansio({"topic", "frobnicate"}), kUsage);
  EXPECT_EQ(Mansio({"-o", "xml", "topic", "list"}), kUsage);
  EXPECT_EQ(Mansio({"--timeout", "soon", "topic", "list"}), kUsage);
  EXPECT_EQ(out_, "");
}

TEST_F(CommandTest, VersionIsOneLine) {
  EXPECT_EQ(Mansio({"--version"}), kOk);
  EXPECT_THAT(out_, StartsWith("mansio "));
}

TEST_F(CommandTest, TopicCreateSaysWhatWasMade) {
  v1::CreateTopicRequest seen;
  node_.hooks.create_topic = [&seen](const v1::CreateTopicRequest& request) {
    seen = request;
    v1::CreateTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    *response.mutable_topic() = request.topic();
    response.mutable_topic()->set_queues(8);
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "create", "orders", "--type", "fifo"}), kOk);
  EXPECT_EQ(out_, "created topic orders: type fifo, 8 queues on each broker\n");
  EXPECT_EQ(seen.topic().message_type(), v2::FIFO);
  EXPECT_EQ(seen.topic().queues(), 0);
  EXPECT_EQ(Mansio({"topic", "create", "orders", "--queues", "8", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_), Json::parse(R"({"name": "orders", "type": "normal", "queues": 8,
                                               "permission": "read+write", "ttl": null,
                                               "expired": "skip"})"));
  EXPECT_EQ(seen.topic().queues(), 8);
  EXPECT_EQ(seen.brokers_size(), 0);
  EXPECT_EQ(Mansio({"topic", "create", "orders", "--brokers", "a,b"}), kOk);
  ASSERT_EQ(seen.brokers_size(), 2);
  EXPECT_EQ(seen.brokers(1), "b");
}

TEST_F(CommandTest, ATopicIsLimitedAtItsCreationAndLater) {
  v1::CreateTopicRequest created;
  node_.hooks.create_topic = [&created](const v1::CreateTopicRequest& request) {
    created = request;
    v1::CreateTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    *response.mutable_topic() = request.topic();
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "create", "orders", "--max-backlog", "1000", "--overflow",
                    "dead-letter", "-o", "json"}),
            kOk);
  EXPECT_EQ(created.topic().max_backlog(), 1000);
  EXPECT_EQ(created.topic().overflow(), v1::OVERFLOW_POLICY_DEAD_LETTER);
  EXPECT_EQ(Json::parse(out_)["max_backlog"], 1000);
  EXPECT_EQ(Json::parse(out_)["overflow"], "dead-letter");

  v1::AlterTopicRequest altered;
  node_.hooks.alter_topic = [&altered](const v1::AlterTopicRequest& request) {
    altered = request;
    v1::AlterTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    response.mutable_topic()->set_name(request.name());
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--max-backlog", "0"}), kOk);
  EXPECT_EQ(out_, "altered topic orders\n");
  EXPECT_EQ(altered.name(), "orders");
  EXPECT_TRUE(altered.has_max_backlog());
  EXPECT_EQ(altered.max_backlog(), 0);
  EXPECT_FALSE(altered.has_overflow());
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--overflow", "drop-oldest"}), kOk);
  EXPECT_FALSE(altered.has_max_backlog());
  EXPECT_EQ(altered.overflow(), v1::OVERFLOW_POLICY_DROP_OLDEST);
  EXPECT_EQ(Mansio({"topic", "alter", "orders"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("there is nothing to change"));
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--overflow", "burst"}), kUsage);
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--max-backlog", "-1"}), kUsage);
}

TEST_F(CommandTest, AMistypedCommandIsNamed) {
  EXPECT_EQ(Mansio({"topic", "descibe", "orders"}), kUsage);
  EXPECT_THAT(err_,
              HasSubstr("'descibe' is not a command of mansio topic; did you mean describe?"));
  EXPECT_EQ(Mansio({"topics", "list"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("'topics' is not a command of mansio; did you mean topic?"));
  EXPECT_EQ(Mansio({"group", "zzzzzzzz"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("'zzzzzzzz' is not a command of mansio group\n"));
  EXPECT_EQ(Mansio({"topic", "list", "one", "--two"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("mansio topic list does not take: one --two"));
  EXPECT_EQ(Mansio({"topic"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("mansio topic needs a command: create, alter, list"));
}

TEST_F(CommandTest, TypesAndExpiryOfATopic) {
  v1::TopicInfo seen;
  node_.hooks.create_topic = [&seen](const v1::CreateTopicRequest& request) {
    seen = request.topic();
    v1::CreateTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    *response.mutable_topic() = request.topic();
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "create", "all", "--type", "mixed", "--ttl", "30s", "--expired",
                    "dead-letter", "-o", "json"}),
            kOk)
      << err_;
  EXPECT_TRUE(seen.mixed());
  EXPECT_EQ(seen.ttl().seconds(), 30);
  Json made = Json::parse(out_);
  EXPECT_EQ(made["type"], "mixed");
  EXPECT_EQ(made["ttl"], "30s");
  EXPECT_EQ(made["expired"], "dead-letter");
  EXPECT_FALSE(made.contains("priority_guard"));
  EXPECT_EQ(Mansio({"topic", "create", "urgent", "--type", "priority", "--priority-guard", "on",
                    "-o", "json"}),
            kOk)
      << err_;
  EXPECT_EQ(seen.message_type(), v2::PRIORITY);
  EXPECT_EQ(Json::parse(out_)["priority_guard"], true);
  EXPECT_EQ(Mansio({"topic", "create", "t", "--ttl", "soon"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("'soon' is not a duration"));
  EXPECT_EQ(Mansio({"topic", "alter", "t"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("nothing to change"));
}

TEST_F(CommandTest, PartialSuccessNamesTheBrokerThatRefused) {
  node_.hooks.create_topic = [](const v1::CreateTopicRequest& request) {
    v1::CreateTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::MULTIPLE_RESULTS, "mixed");
    *response.mutable_topic() = request.topic();
    v1::BrokerResult* good = response.add_results();
    good->set_broker("good");
    *good->mutable_status() = client::MakeStatus(v2::OK, "OK");
    v1::BrokerResult* bad = response.add_results();
    bad->set_broker("bad");
    *bad->mutable_status() = client::MakeStatus(v2::TOO_MANY_REQUESTS, "too many topics");
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "create", "orders"}), kPartial);
  EXPECT_THAT(err_, HasSubstr("error: broker bad: too many topics"));
}

TEST_F(CommandTest, ErrorsHaveAHintAndAnExitCode) {
  node_.hooks.delete_topic = [](const v1::DeleteTopicRequest&) {
    v1::DeleteTopicResponse response;
    *response.mutable_status() =
        client::MakeStatus(v2::TOPIC_NOT_FOUND, "TOPIC_NOT_FOUND: there is no topic 'x'");
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "delete", "x", "--yes"}), kNotFound);
  EXPECT_THAT(err_, StartsWith("error: "));
  EXPECT_THAT(err_,
              AllOf(HasSubstr("there is no topic 'x'"), HasSubstr("hint: mansio topic list")));
  EXPECT_EQ(Mansio({"topic", "delete", "x", "--yes", "-o", "json"}), kNotFound);
  const Json error = Json::parse(err_)["error"];
  EXPECT_EQ(error["code"], "TOPIC_NOT_FOUND");
  EXPECT_TRUE(error.contains("hint"));
}

TEST_F(CommandTest, NobodyThereIsFive) {
  {
    client::FakeNode gone;
    endpoint_ = gone.endpoint();
  }
  EXPECT_EQ(Mansio({"topic", "list"}), kUnreachable);
  EXPECT_THAT(err_, AllOf(HasSubstr(endpoint_), HasSubstr("hint: is a broker")));
  EXPECT_EQ(Mansio({"message", "send", "orders", "x"}), kUnreachable);
  endpoint_ = "nonsense";
  EXPECT_EQ(Mansio({"topic", "list"}), kFailed);
}

TEST_F(CommandTest, DestructionIsConfirmed) {
  int deleted = 0;
  node_.hooks.delete_topic = [&deleted](const v1::DeleteTopicRequest&) {
    ++deleted;
    v1::DeleteTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "delete", "orders"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--yes"));
  EXPECT_EQ(Mansio({"topic", "delete", "orders"}, "no\n", /*terminal=*/true), kUsage);
  EXPECT_EQ(deleted, 0);
  EXPECT_EQ(Mansio({"topic", "delete", "orders"}, "orders\n", /*terminal=*/true), kOk);
  EXPECT_EQ(Mansio({"topic", "delete", "orders", "--yes"}), kOk);
  EXPECT_EQ(deleted, 2);
}

TEST_F(CommandTest, ListInThreeFormats) {
  node_.hooks.list_topics = [] {
    v1::ListTopicsResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    v1::TopicOverview* overview = response.add_topics();
    overview->mutable_topic()->set_name("orders");
    overview->mutable_topic()->set_queues(8);
    overview->add_brokers("b0");
    overview->add_brokers("b1");
    return response;
  };
  EXPECT_EQ(Mansio({"topic", "list"}), kOk);
  EXPECT_EQ(out_,
            "NAME    TYPE    QUEUES  PERMISSION  TTL  EXPIRED  BROKERS\n"
            "orders  normal       8  read+write    -  skip     b0, b1\n");
  EXPECT_EQ(Mansio({"topic", "list", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_)[0]["brokers"], Json({"b0", "b1"}));
  EXPECT_EQ(Mansio({"-o", "yaml", "topic", "list"}), kOk);
  EXPECT_THAT(out_, StartsWith("- name: \"orders\"\n"));
}

TEST_F(CommandTest, SendTakesItsBodiesFromArgumentsAndLines) {
  std::vector<v2::Message> sent;
  node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
    return client::MakeRoute(request.topic().name(), {node_.endpoint()}, 2);
  };
  node_.hooks.send = [&sent](const v2::SendMessageRequest& request) {
    sent.push_back(request.messages(0));
    return client::SendSucceeds(request, static_cast<int64_t>(sent.size()) - 1);
  };
  EXPECT_EQ(Mansio({"message", "send", "orders", "hello", "--tag", "new", "--key", "k1", "--key",
                    "k2", "--property", "colour=red"}),
            kOk);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].body(), "hello");
  EXPECT_EQ(sent[0].system_properties().tag(), "new");
  EXPECT_EQ(sent[0].system_properties().keys_size(), 2);
  EXPECT_EQ(sent[0].user_properties().at("colour"), "red");
  EXPECT_THAT(out_, HasSubstr("sent 1 message to orders\n"));

  sent.clear();
  EXPECT_EQ(Mansio({"message", "send", "orders", "--group", "g", "-o", "json"}, "one\ntwo\n"), kOk);
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].body(), "one");
  EXPECT_EQ(sent[1].body(), "two");
  EXPECT_EQ(sent[1].system_properties().message_group(), "g");
  const Json result = Json::parse(out_);
  EXPECT_EQ(result["sent"], 2);
  EXPECT_EQ(result["messages"][1]["queue_offset"], 1);

  sent.clear();
  EXPECT_EQ(Mansio({"message", "send", "orders", "--body", "m{n}", "--count", "3", "--group", "g"}),
            kOk);
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_EQ(sent[2].body(), "m3");

  EXPECT_EQ(Mansio({"message", "send", "orders", "x", "--property", "novalue"}), kUsage);
  EXPECT_EQ(Mansio({"message", "send", "orders", "--file", "/nonexistent"}), kUsage);
}

TEST_F(CommandTest, ReceivePrintsAndAcknowledges) {
  node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
    return client::MakeRoute(request.topic().name(), {node_.endpoint()}, 2);
  };
  int receives = 0;
  node_.hooks.receive = [&receives](const v2::ReceiveMessageRequest&) {
    v2::ReceiveMessageResponse status;
    *status.mutable_status() =
        client::MakeStatus(receives == 0 ? v2::OK : v2::MESSAGE_NOT_FOUND, "text");
    std::vector<v2::ReceiveMessageResponse> elements = {status};
    if (receives++ == 0) {
      v2::ReceiveMessageResponse element;
      v2::Message* message = element.mutable_message();
      message->set_body("hello");
      message->mutable_topic()->set_name("orders");
      message->mutable_system_properties()->set_message_id("ID");
      message->mutable_system_properties()->set_receipt_handle("H");
      message->mutable_system_properties()->set_queue_offset(5);
      elements.push_back(element);
    }
    return elements;
  };
  int acks = 0;
  node_.hooks.ack = [&acks](const v2::AckMessageRequest&) {
    ++acks;
    v2::AckMessageResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    return response;
  };
  std::vector<int64_t> held;  // seconds
  node_.hooks.change = [&held](const v2::ChangeInvisibleDurationRequest& request) {
    held.push_back(request.invisible_duration().seconds());
    v2::ChangeInvisibleDurationResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    return response;
  };
  EXPECT_EQ(Mansio({"message", "receive", "orders", "--group", "g", "--no-ack", "--invisible", "1m",
                    "-o", "json"}),
            kOk);
  const Json messages = Json::parse(out_);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0]["body"], "hello");
  EXPECT_EQ(messages[0]["queue_offset"], 5);
  EXPECT_EQ(acks, 0);
  // A lease that is left to itself ends with its client: this one gets a time of its own.
  EXPECT_EQ(held, std::vector<int64_t>{60});
  receives = 0;
  EXPECT_EQ(Mansio({"message", "receive", "orders", "--group", "g", "--give-back"}), kOk);
  EXPECT_EQ(acks, 0);
  EXPECT_THAT(held, SizeIs(1));
  EXPECT_EQ(Mansio({"message", "receive", "orders", "--group", "g", "--invisible", "3s"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("10 s to 12 h"));
  receives = 0;
  EXPECT_EQ(Mansio({"message", "receive", "orders", "--group", "g", "--raw"}), kOk);
  EXPECT_EQ(out_, "hello\n");
  EXPECT_EQ(acks, 1);
  EXPECT_EQ(Mansio({"message", "receive", "orders", "--group", "g"}), kOk);
  EXPECT_EQ(out_, "(none)\n");
}

TEST_F(CommandTest, ReceiveFiltersByTagsAndBySql) {
  node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
    return client::MakeRoute(request.topic().name(), {node_.endpoint()}, 2);
  };
  v2::FilterExpression seen;
  node_.hooks.receive = [&seen](const v2::ReceiveMessageRequest& request) {
    seen = request.filter_expression();
    v2::ReceiveMessageResponse none;
    *none.mutable_status() = client::MakeStatus(v2::MESSAGE_NOT_FOUND, "none");
    return std::vector<v2::ReceiveMessageResponse>{none};
  };
  EXPECT_EQ(Mansio({"message", "receive", "t", "--group", "g", "--sql", "amount > 100"}), kOk);
  EXPECT_EQ(seen.type(), v2::SQL);
  EXPECT_EQ(seen.expression(), "amount > 100");
  EXPECT_EQ(Mansio({"message", "receive", "t", "--group", "g", "--filter", "a || b"}), kOk);
  EXPECT_EQ(seen.type(), v2::TAG);
  EXPECT_EQ(seen.expression(), "a || b");
  EXPECT_EQ(Mansio({"message", "receive", "t", "--group", "g", "--filter", "a", "--sql", "b > 1"}),
            kUsage);
}

TEST(TimesTest, SpansKnowDaysAndInstantsTheLocalForm) {
  EXPECT_EQ(ParseSpan("1d"), absl::Hours(24));
  EXPECT_EQ(ParseSpan("1d12h"), absl::Hours(36));
  EXPECT_EQ(ParseSpan("90s"), absl::Seconds(90));
  for (const char* wrong : {"", "d", "1d ", "-1s", "-1d", "1d-2h", "inf", "soon", "99999999999d"}) {
    EXPECT_EQ(ParseSpan(wrong), std::nullopt) << wrong;
  }
  const auto local = ParseInstant("2026-01-31T12:30:00");
  ASSERT_TRUE(local);
  EXPECT_EQ(ParseInstant("2026-01-31 12:30:00"), local);
  EXPECT_EQ(ParseInstant("2026-01-31 12:30"), local);
  EXPECT_EQ(ParseInstant("2026-01-31T12:30:00Z"), absl::FromUnixSeconds(1769862600));
  EXPECT_TRUE(ParseInstant("2026-01-31"));
  EXPECT_EQ(ParseInstant("tomorrow"), std::nullopt);
}

}  // namespace
}  // namespace mansio::command
