// The command `mansio`, the load generator and the examples, as programs, against a nameserver and
// a broker that run as programs too.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/process/process.h"

namespace mansio {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Process;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kStartTimeout = absl::Seconds(60);  // a loaded machine under a sanitizer

std::string Binary(const std::string& name) { return std::string(MANSIO_BIN_DIR) + "/" + name; }

std::vector<std::string> Keys(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class ClusterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = ::testing::TempDir() + "/mansio_cluster_" + std::to_string(getpid());
    std::filesystem::create_directories(directory_);
    nameserver_address_ = testing::FreeAddress();
    nameserver_ = std::make_unique<Process>(
        Binary("mansio-nameserver"),
        std::vector<std::string>{"--set", "listen=" + nameserver_address_}, directory_,
        "nameserver");
    ASSERT_NE(nameserver_->WaitForError("ready", kStartTimeout), "") << nameserver_->Err();
    broker_address_ = testing::FreeAddress();
    broker_ = std::make_unique<Process>(
        Binary("mansio-broker"),
        std::vector<std::string>{"--set", "listen=" + broker_address_, "--set",
                                 "store.path=" + directory_ + "/store", "--set",
                                 "nameservers=" + nameserver_address_, "--set", "durability=async"},
        directory_, "broker");
    ASSERT_NE(broker_->WaitForError("ready", kStartTimeout), "") << broker_->Err();
    WaitForRegistration();
  }

  static void TearDownTestSuite() {
    for (std::unique_ptr<Process>* server : {&broker_, &nameserver_}) {
      if (*server == nullptr) continue;
      (*server)->Signal(SIGTERM);
      EXPECT_EQ((*server)->Wait(), 0) << (*server)->Err();
      server->reset();
    }
    std::filesystem::remove_all(directory_);
  }

  // The nameserver learns of the broker a moment after both are ready.
  static void WaitForRegistration() {
    const absl::Time deadline = absl::Now() + kStartTimeout;
    while (absl::Now() < deadline) {
      Process list(Binary("mansio"),
                   {"--endpoint", nameserver_address_, "-o", "json", "cluster", "list"}, directory_,
                   "wait");
      if (list.Wait() == 0 && Json::parse(list.Out()).size() == 1) return;
    }
    FAIL() << "the broker did not register";
  }

  int Run(const std::string& program, const std::vector<std::string>& arguments) {
    Process process(Binary(program), arguments, directory_, "command");
    const int exit = process.Wait();
    out_ = process.Out();
    err_ = process.Err();
    return exit;
  }

  int Mansio(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--endpoint", endpoint_, "--timeout", "30s"});
    return Run("mansio", arguments);
  }

  Json MansioJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    EXPECT_EQ(Mansio(arguments), 0) << err_;
    return Json::parse(out_, nullptr, /*allow_exceptions=*/false);
  }

  static std::string directory_;
  static std::unique_ptr<Process> nameserver_;
  static std::unique_ptr<Process> broker_;
  static std::string nameserver_address_;
  static std::string broker_address_;

  std::string endpoint_ = broker_address_;
  std::string out_;
  std::string err_;
};

std::string ClusterTest::directory_;
std::unique_ptr<Process> ClusterTest::nameserver_;
std::unique_ptr<Process> ClusterTest::broker_;
std::string ClusterTest::nameserver_address_;
std::string ClusterTest::broker_address_;

TEST_F(ClusterTest, TopicsFromCreationToDeletion) {
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    EXPECT_EQ(Mansio({"topic", "create", "t-life", "--type", "fifo", "--queues", "3"}), 0) << err_;
    EXPECT_EQ(out_, "created topic t-life: type fifo, 3 queues on each broker\n");
    const Json described = MansioJson({"topic", "describe", "t-life"});
    EXPECT_THAT(Keys(described), ElementsAre("name", "type", "queues", "permission", "ttl",
                                             "expired", "created", "messages", "queue_offsets"));
    EXPECT_EQ(described["type"], "fifo");
    EXPECT_EQ(described["messages"], 0);
    ASSERT_THAT(described["queue_offsets"], SizeIs(3));
    EXPECT_THAT(Keys(described["queue_offsets"][0]),
                ElementsAre("broker", "queue", "min_offset", "next_offset", "messages"));
    const Json listed = MansioJson({"topic", "list"});
    ASSERT_FALSE(listed.empty());
    EXPECT_THAT(Keys(listed[0]),
                ElementsAre("name", "type", "queues", "permission", "ttl", "expired", "brokers"));
    EXPECT_EQ(Mansio({"topic", "delete", "t-life"}), 2);  // not confirmed
    EXPECT_EQ(Mansio({"topic", "delete", "t-life", "--yes"}), 0) << err_;
    EXPECT_EQ(Mansio({"topic", "describe", "t-life"}), 3);
    EXPECT_THAT(err_, AllOf(StartsWith("error: "), HasSubstr("t-life"), HasSubstr("hint: ")));
  }
}

TEST_F(ClusterTest, TheServerRefusesBadNamesAndTypes) {
  EXPECT_EQ(Mansio({"topic", "create", "bad name"}), 1);
  EXPECT_THAT(err_, HasSubstr("bad name"));
  EXPECT_EQ(Mansio({"topic", "create", "SCHEDULE_TOPIC_XXXX"}), 1);
  EXPECT_EQ(Mansio({"topic", "create", "later", "--priority-guard", "on"}), 1);
}

TEST_F(ClusterTest, TopicsAreAlteredOnEveryBroker) {
  EXPECT_EQ(Mansio({"topic", "create", "t-alter", "--type", "priority"}), 0) << err_;
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    EXPECT_EQ(Mansio({"topic", "alter", "t-alter", "--ttl", "90"}), 0) << err_;
    EXPECT_EQ(out_, "altered topic t-alter\n");
    EXPECT_EQ(MansioJson({"topic", "describe", "t-alter"})["ttl"], "1m30s");
    EXPECT_EQ(Mansio({"topic", "alter", "t-alter", "--ttl", "0", "--expired", "dead-letter",
                      "--priority-guard", "on"}),
              0)
        << err_;
    const Json now = MansioJson({"topic", "describe", "t-alter"});
    EXPECT_EQ(now["type"], "priority");
    EXPECT_TRUE(now["ttl"].is_null());
    EXPECT_EQ(now["expired"], "dead-letter");
    EXPECT_EQ(now["priority_guard"], true);
    EXPECT_EQ(Mansio({"topic", "alter", "t-alter", "--expired", "skip"}), 0) << err_;
  }
  EXPECT_EQ(Mansio({"topic", "alter", "t-nowhere", "--ttl", "1s"}), 3);
}

TEST_F(ClusterTest, GroupsFromCreationToDeletion) {
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    EXPECT_EQ(Mansio({"group", "create", "g-life", "--start", "earliest"}), 0) << err_;
    const Json described = MansioJson({"group", "describe", "g-life"});
    EXPECT_THAT(Keys(described),
                ElementsAre("name", "mode", "max_attempts", "backoff", "start", "paused", "ready",
                            "in_flight", "clients", "positions"));
    EXPECT_EQ(described["start"], "earliest");
    EXPECT_FALSE(MansioJson({"group", "list"}).empty());
    EXPECT_EQ(Mansio({"group", "create", "g-order", "--fifo"}), 0) << err_;
    EXPECT_EQ(MansioJson({"group", "describe", "g-order"})["mode"], "fifo");
    EXPECT_NE(Mansio({"group", "create", "g-order"}), 0) << "it is one for good";
    const Json both = MansioJson({"group", "create", "g-both", "--fifo", "--broadcast"});
    EXPECT_EQ(both["mode"], "fifo broadcast");
    EXPECT_EQ(Mansio({"group", "delete", "g-both", "--yes"}), 0) << err_;
    EXPECT_EQ(Mansio({"group", "delete", "g-order", "--yes"}), 0) << err_;
    EXPECT_EQ(Mansio({"group", "delete", "g-life", "--yes"}), 0) << err_;
    EXPECT_EQ(Mansio({"group", "describe", "g-life"}), 3);
  }
}

TEST_F(ClusterTest, ClusterListsTheBroker) {
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    const Json brokers = MansioJson({"cluster", "list"});
    ASSERT_THAT(brokers, SizeIs(1));
    EXPECT_THAT(Keys(brokers[0]),
                ElementsAre("cluster", "broker", "id", "role", "online", "addresses", "durability",
                            "topics", "groups", "epoch", "version"));
    EXPECT_EQ(brokers[0]["online"], true);
    EXPECT_EQ(brokers[0]["durability"], "async");
    EXPECT_EQ(brokers[0]["addresses"][0], broker_address_);
  }
}

TEST_F(ClusterTest, MessagesGoAndComeInThePlainAndOverTls) {
  for (const bool tls : {false, true}) {
    const std::string topic = tls ? "t-tls" : "t-plain";
    const std::vector<std::string> option =
        tls ? std::vector<std::string>{"--tls"} : std::vector<std::string>{};
    const auto with = [&option](std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), option.begin(), option.end());
      return arguments;
    };
    endpoint_ = nameserver_address_;
    ASSERT_EQ(Mansio(with({"topic", "create", topic})), 0) << err_;
    const Json sent = MansioJson(with({"message", "send", topic, "body {n}", "--count", "5",
                                       "--tag", "a", "--key", "k", "--property", "colour=red"}));
    EXPECT_EQ(sent["sent"], 5);
    EXPECT_EQ(Mansio(with({"message", "send", topic, "other", "--tag", "b"})), 0) << err_;
    const Json received = MansioJson(with(
        {"message", "receive", topic, "--group", "g-" + topic, "--max", "5", "--filter", "a"}));
    ASSERT_THAT(received, SizeIs(5));
    EXPECT_THAT(Keys(received[0]),
                ElementsAre("message_id", "broker", "queue", "queue_offset", "delivery_attempt",
                            "tag", "keys", "message_group", "properties", "born_time", "store_time",
                            "corrupted", "body"));
    std::vector<std::string> bodies;
    for (const Json& message : received) {
      bodies.push_back(message["body"].get<std::string>());
      EXPECT_EQ(message["corrupted"], false);
      EXPECT_EQ(message["tag"], "a");
      EXPECT_EQ(message["properties"]["colour"], "red");
    }
    EXPECT_THAT(bodies, UnorderedElementsAre("body 1", "body 2", "body 3", "body 4", "body 5"));
    EXPECT_EQ(Mansio({"topic", "delete", topic, "--yes"}), 0) << err_;
  }
}

TEST_F(ClusterTest, UnknownTopicsAreSaidToBeUnknown) {
  EXPECT_EQ(Mansio({"message", "send", "nowhere", "x"}), 3);
  EXPECT_THAT(err_, HasSubstr("hint: mansio topic list"));
  EXPECT_EQ(Mansio({"message", "receive", "nowhere", "--group", "g"}), 3);
}

TEST_F(ClusterTest, BenchProducesConsumesAndMeasuresEndToEnd) {
  endpoint_ = nameserver_address_;
  const Json produced =
      MansioJson({"bench", "produce", "--topic", "b1", "--count", "200", "--batch", "4"});
  EXPECT_EQ(produced["messages"], 800);
  EXPECT_TRUE(produced["errors"].empty());
  const Json consumed = MansioJson({"bench", "consume", "--topic", "b2", "--group", "g-b2",
                                    "--prefill", "320", "--wait", "5s", "--ack-batch", "8"});
  EXPECT_EQ(consumed["messages"], 320);
  EXPECT_TRUE(consumed["errors"].empty());
  const Json end_to_end =
      MansioJson({"bench", "e2e", "--topic", "b3", "--rate", "100", "--duration", "1s"});
  EXPECT_EQ(end_to_end["missing"], 0);
  EXPECT_EQ(end_to_end["duplicates"], 0);
  EXPECT_EQ(end_to_end["received"], 100);
}

TEST_F(ClusterTest, TheExamplesWork) {
  ASSERT_EQ(Mansio({"topic", "create", "t-example"}), 0) << err_;
  EXPECT_EQ(Run("example_producer", {nameserver_address_, "t-example"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("sent 01"));
  EXPECT_EQ(Run("example_consumer", {nameserver_address_, "t-example", "g-example"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("message 10 (attempt 1)"));

  ASSERT_EQ(Mansio({"topic", "create", "t-transaction", "--type", "transaction", "--first-check",
                    "1s", "--check-interval", "1s"}),
            0)
      << err_;
  EXPECT_EQ(Run("example_transaction", {nameserver_address_, "t-transaction"}), 0) << err_;
  EXPECT_EQ(out_, "order 1 committed\norder 2 rolled back\norder 3 committed by its check\n");
  const Json received =
      MansioJson({"message", "receive", "t-transaction", "--group", "g-example", "--max", "2"});
  EXPECT_THAT(received, SizeIs(2));

  ASSERT_EQ(Mansio({"topic", "create", "t-later", "--type", "delay"}), 0) << err_;
  EXPECT_EQ(Run("example_delay", {nameserver_address_, "t-later"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("recalled it"));
}

TEST_F(ClusterTest, TransactionsAreCounted) {
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    const Json stats = MansioJson({"transaction", "stats"});
    ASSERT_THAT(stats["brokers"], SizeIs(1));
    EXPECT_THAT(Keys(stats["brokers"][0]),
                ElementsAre("broker", "started", "committed", "rolled_back", "expired", "pending",
                            "oldest_pending"));
    EXPECT_EQ(MansioJson({"transaction", "list"}), Json::array());
    EXPECT_EQ(Mansio({"transaction", "commit", "nonsense"}), 1);
    EXPECT_THAT(err_, HasSubstr("not a transaction id"));
  }
}

TEST_F(ClusterTest, DelayedMessagesAreShownAndCancelled) {
  ASSERT_EQ(Mansio({"topic", "create", "t-delayed", "--type", "delay"}), 0) << err_;
  const Json sent = MansioJson({"message", "send", "t-delayed", "x", "--deliver-at", "+1h"});
  for (const std::string& endpoint : {broker_address_, nameserver_address_}) {
    endpoint_ = endpoint;
    EXPECT_THAT(
        Keys(MansioJson({"delay", "stats"})[0]),
        ElementsAre("broker", "pending", "next_due", "delivered", "recalled", "pending_by_level"));
    const Json listed = MansioJson({"delay", "list", "--topic", "t-delayed"});
    ASSERT_THAT(listed, SizeIs(1));
    EXPECT_EQ(listed[0]["message_id"], sent["messages"][0]["message_id"]);
    EXPECT_EQ(listed[0]["recall_handle"], sent["messages"][0]["recall_handle"]);
  }
  const std::string handle = sent["messages"][0]["recall_handle"];
  EXPECT_EQ(Mansio({"delay", "cancel", handle}), 0) << err_;
  EXPECT_EQ(MansioJson({"delay", "list", "--topic", "t-delayed"}), Json::array());
  EXPECT_EQ(Mansio({"delay", "cancel", "nonsense"}), 1);
  EXPECT_THAT(err_, HasSubstr("not a recall handle"));
}

}  // namespace
}  // namespace mansio
