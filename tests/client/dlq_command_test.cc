// `mansio dlq`, `mansio group why` and the like: tables, JSON and exit codes, against a node in
// this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/command/progress.h"
#include "tests/client/command_harness.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Response>
Response Good() {
  Response response;
  *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
  return response;
}

class DlqCommandTest : public CommandHarness {
 protected:
  // Five dead letters of the group billing on the brokers b0 (three) and b1 (two).
  DlqCommandTest() {
    node_.hooks.dead_letter_stats = [](const v1::DeadLetterStatsRequest& request) {
      auto response = Good<v1::DeadLetterStatsResponse>();
      response.mutable_answered()->set_seconds(1767225600 + 7384);
      for (int i = 0; i < 2; ++i) {
        v1::GroupDeadLetters* group = response.add_groups();
        group->set_group(request.group().empty() ? "billing" : request.group());
        group->set_broker(i == 0 ? "b0" : "b1");
        group->set_count(3 - i);
        group->mutable_oldest()->set_seconds(1767225600);
        group->mutable_newest()->set_seconds(1767225660);
        group->set_newest_reason("attempts");
        group->set_begin_offset(4);
        group->set_end_offset(7 - i);
      }
      return response;
    };
    node_.hooks.resend_dead_letters = [this](const v1::ResendDeadLettersRequest& request) {
      resends_.push_back(request);
      auto response = Good<v1::ResendDeadLettersResponse>();
      // Two letters a call, of which the one at offset 5 of b1 has been resent too often.
      const int64_t count = std::min<int64_t>(2, request.page().until() - request.page().from());
      const bool poison = request.page().broker() == "b1";
      response.mutable_progress()->set_next(request.page().from() + count);
      response.mutable_progress()->set_done(request.page().from() + count >=
                                            request.page().until());
      response.mutable_progress()->set_examined(count);
      response.mutable_progress()->set_matched(count);
      response.set_resent(count - poison);
      response.set_refused(poison);
      if (poison) {
        response.add_refusals()->set_message_id("P");
        response.mutable_refusals(0)->set_reason("it was resent 3 times");
      }
      return response;
    };
    node_.hooks.purge_dead_letters = [this](const v1::PurgeDeadLettersRequest& request) {
      purges_.push_back(request);
      auto response = Good<v1::PurgeDeadLettersResponse>();
      response.mutable_progress()->set_next(request.page().until());
      response.mutable_progress()->set_done(true);
      response.set_purged(request.page().until() - request.page().from());
      return response;
    };
    node_.hooks.export_dead_letters = [](const v1::ExportDeadLettersRequest& request) {
      auto response = Good<v1::ExportDeadLettersResponse>();
      response.mutable_progress()->set_done(true);
      v1::ExportedDeadLetter* letter = response.add_letters();
      letter->set_group("billing");
      letter->mutable_dead_letter()->set_message_id("M-" + request.page().broker());
      letter->mutable_dead_letter()->set_broker(request.page().broker());
      if (!request.ids_only()) letter->mutable_message()->set_body("\x01\xff");
      return response;
    };
  }
  std::string TempFile(const std::string& name) {
    const std::string path = testing::TempDir() + "dlq_command_test_" + name;
    std::remove(path.c_str());
    return path;
  }

  std::vector<v1::ResendDeadLettersRequest> resends_;
  std::vector<v1::PurgeDeadLettersRequest> purges_;
};

TEST_F(DlqCommandTest, StatsShowEachGroup) {
  EXPECT_EQ(Mansio({"dlq", "stats"}), kOk);
  EXPECT_EQ(out_,
            "GROUP    BROKER  DEAD LETTERS  OLDEST                    OLDEST AGE  "
            "NEWEST                    NEWEST REASON\n"
            "billing  b0                 3  2026-01-01T00:00:00.000Z  2h3m4s      "
            "2026-01-01T00:01:00.000Z  attempts\n"
            "billing  b1                 2  2026-01-01T00:00:00.000Z  2h3m4s      "
            "2026-01-01T00:01:00.000Z  attempts\n");
  EXPECT_EQ(Mansio({"dlq", "stats", "audit", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_)[0], Json::parse(R"({
      "group": "audit", "broker": "b0", "dead_letters": 3, "oldest": "2026-01-01T00:00:00.000Z",
      "oldest_age": "2h3m4s", "newest": "2026-01-01T00:01:00.000Z", "newest_reason": "attempts"})"));
}

TEST_F(DlqCommandTest, ResendGoesThroughAllPagesOfAllBrokers) {
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all"}), kPartial) << "one was refused";
  EXPECT_EQ(out_,
            "resent 4 dead letters of group billing to group billing\n"
            "1 stay:\n\n"
            "MESSAGE ID  REASON\n"
            "P           it was resent 3 times\n");
  ASSERT_EQ(resends_.size(), 3u);
  EXPECT_EQ(resends_[0].page().broker(), "b0");
  EXPECT_EQ(resends_[0].page().from(), 4);
  EXPECT_EQ(resends_[1].page().from(), 6);
  EXPECT_EQ(resends_[1].page().until(), 7);
  EXPECT_EQ(resends_[2].page().broker(), "b1");
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all", "--dry-run", "-o", "json"}), kPartial);
  EXPECT_EQ(Json::parse(out_), Json::parse(R"({
      "group": "billing", "to": "group billing", "dry_run": true, "resent": 4, "refused": 1,
      "refusals": [{"message_id": "P", "reason": "it was resent 3 times"}]})"));
}

TEST_F(DlqCommandTest, ResendTakesItsSelectionAndDestination) {
  EXPECT_EQ(Mansio({"dlq", "resend", "billing"}), kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("which dead letters are meant is not said"),
                          HasSubstr("--id, --tag, --sql")));
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all", "--id", "M"}), kUsage);
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--since", "latest"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("'latest' is no time"));
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all", "--all-groups", "--to-topic", "t"}),
            kUsage);
  EXPECT_TRUE(resends_.empty());
  Mansio({"dlq",
          "resend",
          "billing",
          "--id",
          "M",
          "--id",
          "N",
          "--sql",
          "a > 1",
          "--since",
          "2026-01-01T00:00:00Z",
          "--until",
          "2026-01-02T00:00:00Z",
          "--to-topic",
          "orders",
          "--delay",
          "90s",
          "--force",
          "--rate",
          "1000"});
  ASSERT_FALSE(resends_.empty());
  const v1::ResendDeadLettersRequest& request = resends_[0];
  EXPECT_EQ(request.selection().message_ids_size(), 2);
  EXPECT_EQ(request.selection().filter().type(), v2::SQL);
  EXPECT_EQ(request.selection().filter().expression(), "a > 1");
  EXPECT_EQ(request.selection().from().seconds(), 1767225600);
  EXPECT_EQ(request.selection().until().seconds(), 1767225600 + 86400);
  EXPECT_EQ(request.to_topic(), "orders");
  EXPECT_EQ(request.delay().seconds(), 90);
  EXPECT_TRUE(request.force());
  EXPECT_FALSE(request.dry_run());
  EXPECT_EQ(request.page().limit(), 100) << "ten pages a second";
  EXPECT_THAT(out_, HasSubstr("to topic orders"));
}

TEST_F(DlqCommandTest, AResendThatBreaksOffSaysThatItCanGoOn) {
  const auto resend = node_.hooks.resend_dead_letters;
  node_.hooks.resend_dead_letters = [this, resend](const v1::ResendDeadLettersRequest& request) {
    if (resends_.empty()) return resend(request);
    v1::ResendDeadLettersResponse response;
    *response.mutable_status() =
        client::MakeStatus(v2::INTERNAL_SERVER_ERROR, "the disk has failed");
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all"}), kFailed);
  EXPECT_THAT(out_, HasSubstr("resent 2 dead letters"));
  EXPECT_THAT(err_, AllOf(HasSubstr("the disk has failed"),
                          HasSubstr("the same command goes on with the rest")));
}

TEST_F(DlqCommandTest, ABusyBrokerIsAskedAgain) {
  const auto resend = node_.hooks.resend_dead_letters;
  int refused = 0;
  node_.hooks.resend_dead_letters = [&refused, resend](const v1::ResendDeadLettersRequest& r) {
    if (refused++ > 0) return resend(r);
    v1::ResendDeadLettersResponse response;
    *response.mutable_status() = client::MakeStatus(v2::TOO_MANY_REQUESTS, "busy");
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all"}), kPartial);
  EXPECT_THAT(out_, HasSubstr("resent 4 dead letters"));
}

TEST_F(DlqCommandTest, PurgeIsConfirmedAndCounted) {
  EXPECT_EQ(Mansio({"dlq", "purge", "billing"}), kUsage);
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all"}), kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("this would delete 5 dead letters"), HasSubstr("--yes")));
  for (const v1::PurgeDeadLettersRequest& request : purges_) EXPECT_TRUE(request.dry_run());
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all", "--dry-run"}), kOk);
  EXPECT_EQ(out_, "would have purged 5 dead letters of group billing\n");
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all"}, "billing\n", /*terminal=*/true), kOk);
  EXPECT_EQ(out_, "purged 5 dead letters of group billing\n");
  purges_.clear();
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--tag", "a", "--yes", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_),
            Json::parse(R"({"group": "billing", "dry_run": false, "purged": 5})"));
  ASSERT_EQ(purges_.size(), 2u) << "nothing was counted before";
  EXPECT_FALSE(purges_[0].dry_run());
  EXPECT_EQ(purges_[0].selection().filter().expression(), "a");
}

TEST_F(DlqCommandTest, ExportWritesLinesThatImportReads) {
  const std::string path = TempFile("letters.jsonl");
  EXPECT_EQ(Mansio({"dlq", "export", "billing", "--file", path}), kOk);
  EXPECT_EQ(out_,
            "exported 2 dead letters of group billing to " + path + "; they are still there\n");
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_EQ(Json::parse(line), Json::parse(R"({
      "group": "billing", "dead_letter": {"broker": "b0", "message_id": "M-b0"},
      "message": {"body": "Af8="}})"));
  EXPECT_EQ(Mansio({"dlq", "export", "billing", "--file", path}), kUsage);
  EXPECT_THAT(err_, HasSubstr("is there already"));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));

  std::vector<v1::ImportDeadLettersRequest> imports;
  node_.hooks.list_brokers = [](const v1::ListBrokersRequest&) {
    auto response = Good<v1::ListBrokersResponse>();
    v1::BrokerOverview* broker = response.add_brokers();
    broker->mutable_broker()->set_name("b1");
    broker->set_online(true);
    return response;
  };
  node_.hooks.import_dead_letters = [&imports](const v1::ImportDeadLettersRequest& request) {
    imports.push_back(request);
    auto response = Good<v1::ImportDeadLettersResponse>();
    response.set_imported(request.letters_size());
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", path}), kOk);
  EXPECT_EQ(out_, "imported 0 dead letters into group billing; 2 were there already\n");
  node_.hooks.export_dead_letters = [](const v1::ExportDeadLettersRequest&) {
    auto response = Good<v1::ExportDeadLettersResponse>();
    response.mutable_progress()->set_done(true);
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", path, "--dry-run"}), kOk);
  EXPECT_TRUE(imports.empty());
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", path, "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_), Json::parse(R"({"group": "billing", "dry_run": false,
                                               "imported": 2, "skipped": 0})"));
  ASSERT_EQ(imports.size(), 1u) << "both went to the broker that is there";
  EXPECT_EQ(imports[0].broker(), "b1");
  EXPECT_EQ(imports[0].letters(0).message().body(), "\x01\xff");
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", "-"}, "{\"broken\n"), kUsage);
  EXPECT_THAT(err_, HasSubstr("line 1 is no dead letter"));
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", "/nonexistent"}), kUsage);
  std::remove(path.c_str());
}

// Broker b1 has not said what it has.
class PartlyAnsweredTest : public DlqCommandTest {
 protected:
  PartlyAnsweredTest() {
    node_.hooks.dead_letter_stats =
        [all = node_.hooks.dead_letter_stats](const v1::DeadLetterStatsRequest& request) {
          v1::DeadLetterStatsResponse response = all(request);
          response.mutable_groups()->RemoveLast();
          *response.mutable_status() = client::MakeStatus(v2::MULTIPLE_RESULTS, "broker b1: busy");
          const auto add = [&response](const char* broker, v2::Code code) {
            v1::BrokerResult* result = response.add_results();
            result->set_broker(broker);
            *result->mutable_status() = client::MakeStatus(code, code == v2::OK ? "OK" : "busy");
          };
          add("b0", v2::OK);
          add("b1", v2::TOO_MANY_REQUESTS);
          add("b2", v2::CONSUMER_GROUP_NOT_FOUND);  // has none
          return response;
        };
  }
};

TEST_F(PartlyAnsweredTest, ResendAndPurgeSayWhoWasLeftOut) {
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all"}), kPartial);
  EXPECT_THAT(out_, HasSubstr("resent 3 dead letters"));
  EXPECT_THAT(err_, HasSubstr("broker b1: busy"));
  EXPECT_THAT(err_, Not(HasSubstr("b2")));
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all", "--dry-run"}), kPartial);
  EXPECT_THAT(err_, HasSubstr("broker b1: busy"));
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all", "--yes"}), kPartial);
  EXPECT_EQ(out_, "purged 3 dead letters of group billing\n");
  EXPECT_THAT(err_, HasSubstr("broker b1: busy"));
}

TEST_F(PartlyAnsweredTest, AFileIsNotWrittenOrReadByHalves) {
  const std::string path = TempFile("half.jsonl");
  EXPECT_EQ(Mansio({"dlq", "export", "billing", "--file", path}), kFailed);
  EXPECT_THAT(err_, HasSubstr("broker b1 has not said what it has: busy"));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_EQ(Mansio({"dlq", "export", "billing", "--file", "-"}), kFailed);
  EXPECT_EQ(out_, "");
  node_.hooks.list_brokers = [](const v1::ListBrokersRequest&) {
    auto response = Good<v1::ListBrokersResponse>();
    v1::BrokerOverview* broker = response.add_brokers();
    broker->mutable_broker()->set_name("b0");
    broker->set_online(true);
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", "-"}, "{}\n"), kFailed);
  EXPECT_THAT(err_, HasSubstr("broker b1 has not said what it has: busy"));
}

TEST_F(PartlyAnsweredTest, ALagThatMayBeTooLowIsNoSuccess) {
  node_.hooks.describe_group = [](const v1::DescribeGroupRequest&) {
    return Good<v1::DescribeGroupResponse>();
  };
  EXPECT_EQ(Mansio({"group", "lag", "billing"}), kPartial);
  EXPECT_THAT(err_, HasSubstr("broker b1: busy"));
}

TEST_F(DlqCommandTest, WhatCameAfterTheConfirmationIsNotPurged) {
  int asked = 0;
  node_.hooks.dead_letter_stats =
      [&asked, all = node_.hooks.dead_letter_stats](const v1::DeadLetterStatsRequest& request) {
        v1::DeadLetterStatsResponse response = all(request);
        response.mutable_groups(0)->set_end_offset(7 + 10 * asked++);
        return response;
      };
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all"}, "billing\n", /*terminal=*/true), kOk);
  EXPECT_EQ(out_, "purged 5 dead letters of group billing\n");
  ASSERT_EQ(purges_.size(), 4u);
  EXPECT_FALSE(purges_[2].dry_run());
  EXPECT_EQ(purges_[2].page().until(), 7);
}

TEST_F(DlqCommandTest, APurgeThatBreaksOffSaysHowFarItCame) {
  const auto purge = node_.hooks.purge_dead_letters;
  node_.hooks.purge_dead_letters = [purge](const v1::PurgeDeadLettersRequest& request) {
    if (request.page().broker() == "b0") return purge(request);
    v1::PurgeDeadLettersResponse response;
    *response.mutable_status() =
        client::MakeStatus(v2::INTERNAL_SERVER_ERROR, "the disk has failed");
    return response;
  };
  EXPECT_EQ(Mansio({"dlq", "purge", "billing", "--all", "--yes"}), kFailed);
  EXPECT_EQ(out_, "purged 3 dead letters of group billing\n");
  EXPECT_THAT(err_, HasSubstr("the disk has failed"));
}

TEST_F(DlqCommandTest, TwoMessagesWithOneIdAreTwoDeadLetters) {
  node_.hooks.list_brokers = [](const v1::ListBrokersRequest&) {
    auto response = Good<v1::ListBrokersResponse>();
    v1::BrokerOverview* broker = response.add_brokers();
    broker->mutable_broker()->set_name("b0");
    broker->set_online(true);
    return response;
  };
  node_.hooks.export_dead_letters = [](const v1::ExportDeadLettersRequest&) {
    auto response = Good<v1::ExportDeadLettersResponse>();
    response.mutable_progress()->set_done(true);
    v1::DeadLetter* there = response.add_letters()->mutable_dead_letter();
    there->set_message_id("M");
    there->set_topic("orders");
    there->set_queue_offset(7);
    return response;
  };
  // A producer that sends again after a lost answer uses the same id.
  const std::string lines =
      R"({"dead_letter": {"message_id": "M", "topic": "orders", "queue_offset": "7"}})"
      "\n"
      R"({"dead_letter": {"message_id": "M", "topic": "orders", "queue_offset": "8"}})"
      "\n"
      R"({"dead_letter": {"message_id": "M", "topic": "orders", "queue_offset": "8"}})"
      "\n";
  EXPECT_EQ(Mansio({"dlq", "import", "billing", "--file", "-", "--dry-run"}, lines), kOk);
  EXPECT_EQ(out_, "would have imported 1 dead letter into group billing; 2 were there already\n");
}

TEST_F(DlqCommandTest, OnATerminalMuchIsResentOnlyWhenItIsMeant) {
  EXPECT_EQ(Mansio({"dlq", "resend", "billing", "--all"}, "n\n", /*terminal=*/true), kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("This resends"), HasSubstr("group billing"),
                          HasSubstr("nothing was changed")));
  EXPECT_TRUE(resends_.empty());
  EXPECT_NE(Mansio({"dlq", "resend", "billing", "--all"}, "y\n", /*terminal=*/true), kUsage);
  EXPECT_FALSE(resends_.empty());
  // What is named one by one is meant, and a script is not asked.
  EXPECT_NE(Mansio({"dlq", "resend", "billing", "--id", "M"}, "", /*terminal=*/true), kUsage);
  EXPECT_NE(Mansio({"dlq", "resend", "billing", "--all", "--yes"}, "", /*terminal=*/true), kUsage);
}

TEST_F(DlqCommandTest, AGroupIsExplained) {
  node_.hooks.explain_group = [](const v1::ExplainGroupRequest& request) {
    auto response = Good<v1::ExplainGroupResponse>();
    EXPECT_EQ(request.name(), "billing");
    v1::GroupExplanation* paused = response.add_explanations();
    paused->set_cause(v1::GROUP_CAUSE_PAUSED);
    paused->set_broker("b0");
    paused->set_text("the group is paused");
    v1::GroupExplanation* head = response.add_explanations();
    head->set_cause(v1::GROUP_CAUSE_FIFO_HEAD);
    head->set_broker("b0");
    head->set_topic("orders");
    head->set_messages(2);
    head->set_client_id("c1");
    head->set_message_group("customer");
    head->set_queue_id(0);
    head->mutable_until()->set_seconds(1767225600);
    head->set_text("2 messages wait");
    return response;
  };
  EXPECT_EQ(Mansio({"group", "why", "billing"}), kOk);
  EXPECT_EQ(out_,
            "paused (broker b0)\n  the group is paused\n"
            "fifo-head on orders (broker b0)\n  2 messages wait\n");
  EXPECT_EQ(Mansio({"group", "why", "billing", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_)[1], Json::parse(R"({
      "cause": "fifo-head", "topic": "orders", "broker": "b0", "messages": 2, "client": "c1",
      "until": "2026-01-01T00:00:00.000Z", "message_group": "customer", "queue": 0,
      "text": "2 messages wait"})"));
  EXPECT_EQ(Json::parse(out_)[0]["topic"], Json());
}

TEST_F(DlqCommandTest, LagIsSummedUpByTopic) {
  node_.hooks.describe_group = [](const v1::DescribeGroupRequest&) {
    auto response = Good<v1::DescribeGroupResponse>();
    for (int queue = 0; queue < 3; ++queue) {
      v1::GroupPosition* position = response.add_positions();
      position->set_topic(queue < 2 ? "orders" : "%RETRY%billing");
      position->set_ready(1000);
      position->set_leases(queue);
    }
    return response;
  };
  EXPECT_EQ(Mansio({"group", "lag", "billing"}), kOk);
  EXPECT_EQ(out_,
            "GROUP         billing\nLAG           3,003\nDEAD LETTERS  5\n\n"
            "TOPICS\n"
            "TOPIC           QUEUES  READY  IN FLIGHT  TO RETRY    LAG\n"
            "%RETRY%billing       1  1,000          2         0  1,002\n"
            "orders               2  2,000          1         0  2,001\n");
  EXPECT_EQ(Mansio({"group", "lag", "billing", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_)["topics"][1], Json::parse(R"({"topic": "orders", "queues": 2,
      "ready": 2000, "in_flight": 1, "to_retry": 0, "lag": 2001})"));
}

TEST_F(DlqCommandTest, ClientsAreListedPageByPage) {
  node_.hooks.list_clients = [](const v1::ListClientsRequest& request) {
    auto response = Good<v1::ListClientsResponse>();
    const std::string next = request.after().empty() ? "c1" : request.after() == "c1" ? "c2" : "c3";
    response.add_clients()->set_id(next);
    response.set_more(next != "c3");
    return response;
  };
  EXPECT_EQ(Mansio({"client", "list", "-o", "json"}), kOk) << err_;
  const Json listed = Json::parse(out_);
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0]["client"], "c1");
  EXPECT_EQ(listed[2]["client"], "c3");
}

TEST_F(DlqCommandTest, ClientsAreListedAndDescribed) {
  v1::ListClientsRequest asked;
  node_.hooks.list_clients = [&asked](const v1::ListClientsRequest& request) {
    asked = request;
    auto response = Good<v1::ListClientsResponse>();
    v1::ClientDescription* client = response.add_clients();
    client->set_id("c1");
    client->set_role("push-consumer");
    client->set_group("billing");
    client->add_topics("orders");
    client->set_language("JAVA");
    client->set_version("5.0.8");
    client->set_peer("192.0.2.1:5000");
    client->set_connected(true);
    client->mutable_silent()->set_seconds(7);
    client->add_brokers("b0");
    return response;
  };
  EXPECT_EQ(Mansio({"client", "list"}), kOk);
  EXPECT_EQ(out_,
            "CLIENT  ROLE           GROUP    LANGUAGE  VERSION  ADDRESS         CONNECTED\n"
            "c1      push-consumer  billing  JAVA      5.0.8    192.0.2.1:5000  yes\n");
  EXPECT_EQ(Mansio({"group", "clients", "billing", "-o", "json"}), kOk);
  EXPECT_EQ(asked.group(), "billing");
  EXPECT_EQ(Json::parse(out_)[0], Json::parse(R"({
      "client": "c1", "role": "push-consumer", "topics": ["orders"], "language": "JAVA",
      "version": "5.0.8", "address": "192.0.2.1:5000", "connected": true, "silent": "7s",
      "brokers": ["b0"]})"));
  EXPECT_EQ(Mansio({"client", "describe", "c1"}), kOk);
  EXPECT_EQ(asked.client_id(), "c1");
  EXPECT_THAT(out_, AllOf(HasSubstr("GROUP      billing\n"), HasSubstr("SILENT     7s\n")));
}

// It has said all on the first page, and then is away: what follows lacks its clients.
TEST_F(DlqCommandTest, ABrokerThatIsAwayLaterIsNamed) {
  node_.hooks.list_clients = [](const v1::ListClientsRequest& request) {
    v1::ListClientsResponse response;
    const bool first = request.after().empty();
    *response.mutable_status() = client::MakeStatus(first ? v2::OK : v2::MULTIPLE_RESULTS,
                                                    first ? "OK" : "broker a is away");
    response.add_clients()->set_id(first ? "one" : "two");
    response.set_more(first);
    for (const char* broker : {"a", "b"}) {
      const bool away = !first && broker[0] == 'a';
      v1::BrokerResult* result = response.add_results();
      result->set_broker(broker);
      *result->mutable_status() =
          client::MakeStatus(away ? v2::INTERNAL_ERROR : v2::OK, away ? "no answer" : "OK");
    }
    return response;
  };
  EXPECT_EQ(Mansio({"client", "list"}), kPartial);
  EXPECT_THAT(out_, AllOf(HasSubstr("one"), HasSubstr("two")));
  EXPECT_THAT(err_, AllOf(HasSubstr("broker a: no answer"), Not(HasSubstr("broker b"))));
}

TEST_F(DlqCommandTest, EachVerbHasAnExample) {
  for (const char* verb : {"stats", "list", "show", "resend", "purge", "export", "import"}) {
    EXPECT_EQ(Mansio({"dlq", verb, "--help"}), kOk);
    EXPECT_THAT(out_, HasSubstr(std::string("mansio dlq ") + verb)) << verb;
  }
  for (const char* verb : {"why", "lag", "clients"}) {
    EXPECT_EQ(Mansio({"group", verb, "--help"}), kOk);
    EXPECT_THAT(out_, HasSubstr(std::string("mansio group ") + verb + " billing"));
  }
}

TEST(ProgressTest, ALineFitsItsTerminal) {
  EXPECT_EQ(ProgressLine("resending", 4200, 10000, absl::Seconds(10), 80),
            "resending [=============                   ] 4200 of 10000  42%  420/s  14s left");
  EXPECT_EQ(ProgressLine("resending", 10, 10, absl::Seconds(1), 200),
            "resending [========================================] 10 of 10  100%  10/s");
  EXPECT_EQ(ProgressLine("resending", 4200, 10000, absl::Seconds(10), 20), "resending  4200 of 1");
  EXPECT_EQ(ProgressLine("purging", 0, 0, absl::ZeroDuration(), 40),
            "purging [============] 0 of 0  100%  0/s");
}

TEST(ProgressTest, OnlyATerminalSeesIt) {
  Context context;
  std::ostringstream err;
  context.err = &err;
  { Progress(context, "resending", 10).Update(5); }
  EXPECT_EQ(err.str(), "");
  context.error_width = 60;
  {
    Progress progress(context, "resending", 10);
    progress.Update(5);
    EXPECT_THAT(err.str(), HasSubstr("5 of 10  50%"));
  }
  EXPECT_THAT(err.str(), testing::EndsWith("\r\x1b[K")) << "the line goes";
}

}  // namespace
}  // namespace mansio::command
