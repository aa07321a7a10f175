// What every command prints, as a table and as JSON, from answers that are written down here:
// tests/client/golden/commands.txt. Field names are the interface for scripts; a change of that
// file is a change of the interface. The other files there are of commands that send, measure, or
// ask no server.
#include "tests/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/command/command_tree.h"
#include "client/command/context.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_admin.h"

namespace mansio::command {
namespace {

using Answers = std::map<std::string, std::string>;

struct Case {
  std::vector<std::string> arguments;
  Answers answers;
  std::string input;
};

constexpr char kTopic[] = R"(
    topic { name: "orders" message_type: FIFO queues: 8 permission: READ_WRITE ttl { seconds: 3600 }
            max_backlog: 1000 overflow: OVERFLOW_POLICY_DEAD_LETTER })";
constexpr char kGroup[] = R"(
    group { name: "billing" fifo: true max_attempts: 5 start: START_POLICY_EARLIEST
            backoff { customized_backoff { next { seconds: 10 } next { seconds: 30 } } } })";
constexpr char kResult[] = R"( results { broker: "broker-a" status { code: OK } })";
constexpr char kPositions[] = R"(
    positions { broker: "broker-a" topic: "orders" queue_id: 0 cursor: 1200 leases: 3 ready: 17
                backing_off: 1 next_offset: 1220 })";
constexpr char kLetter[] = R"({
    broker: "broker-a" offset: 7 message_id: "01A2B3" topic: "orders" queue_id: 3
    queue_offset: 99 attempts: 5 first_delivery { seconds: 1767225600 }
    last_delivery { seconds: 1767225700 } time { seconds: 1767225710 } reason: "attempts"
    resends: 1 })";
constexpr char kMessage[] = R"( message {
    topic { name: "orders" } user_properties { key: "amount" value: "17" } body: "hello"
    system_properties { tag: "paid" keys: "order-17" message_id: "01A2B3" message_group: "eu"
                        born_timestamp { seconds: 1767225590 } born_host: "web-1" } })";
constexpr char kTransaction[] = R"(
    broker: "broker-a" transaction_id: "VAhi" topic: "payments" message_id: "01A2B3"
    state: TRANSACTION_STATE_PENDING stored { seconds: 1767225600 } checks: 2
    next_check { seconds: 1767225660 } born_host: "web-1" body_bytes: 128 )";
constexpr char kClients[] = R"(
    clients { id: "web-1@17@2@abc" role: "push-consumer" group: "billing" topics: "orders"
              language: "JAVA" version: "5.0.7" peer: "10.0.0.9:4711" silent { seconds: 4 }
              connected: true brokers: "broker-a" })";
constexpr char kBrokers[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" epoch: 3 role: "master"
                       addresses { host: "10.0.0.5" port: 8081 } version: "0.1.0"
                       durability: "sync" } online: true topics: 4 groups: 2
              store { disk_bytes: 1000000000 disk_free_bytes: 400000000 log_bytes: 5000000 } }
    answered_by: "nameserver 10.0.0.1:9876")";
constexpr char kMembers[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" member: 1 epoch: 3
                       role: "master" addresses { host: "10.0.0.5" port: 8081 } version: "0.1.0"
                       durability: "replica" } online: true log_end: 5000000 committed: 4999000
              in_sync: true }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 epoch: 3
                       role: "slave" addresses { host: "10.0.0.6" port: 8081 } version: "0.1.0"
                       durability: "replica" } online: true log_end: 4000000 committed: 4000000
              in_sync: false }
    answered_by: "broker 10.0.0.5:8081")";
constexpr char kNoMaster[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 epoch: 3
                       role: "slave" addresses { host: "127.0.0.1" port: $PORT } version: "0.1.0"
                       durability: "replica" } online: true log_end: 4000000 committed: 4000000
              in_sync: false
              trouble: "nobody is master, and this member is not in sync with the last one" }
    answered_by: "broker 127.0.0.1:8082")";
constexpr char kOwnBroker[] = R"(brokers { online: true broker { name: "broker-a"
    addresses { host: "127.0.0.1" port: $PORT } } })";
constexpr char kSlaveAlone[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 epoch: 3
                       role: "slave" addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 4000000 committed: 4000000 }
    answered_by: "broker 127.0.0.1:8082")";
constexpr char kPromoted[] = R"(
    brokers { online: true broker { name: "broker-a" member: 2 role: "master" } })";
constexpr char kGroupHere[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" member: 1 epoch: 3 role: "master"
                       addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 5000000 committed: 5000000 in_sync: true }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 epoch: 3
                       role: "slave" addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 5000000 committed: 5000000 in_sync: true }
    answered_by: "broker 127.0.0.1:8082")";
constexpr char kOneAway[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" member: 1 epoch: 3 role: "master"
                       version: "0.1.0" addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 5000000 committed: 5000000 in_sync: true }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 role: "slave" }
              in_sync: false }
    answered_by: "broker 127.0.0.1:8082")";
constexpr char kOneDiffers[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" member: 1 epoch: 3 role: "master"
                       version: "0.1.0" durability: "replica"
                       addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 5000000 committed: 5000000 in_sync: true }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 role: "slave"
                       durability: "async" } in_sync: true trouble_kind: TROUBLE_KIND_SETTINGS_DIFFER
              trouble: "it is configured with durability async (its master has replica): set the "
                       "same in its configuration, and start it again" }
    answered_by: "broker 127.0.0.1:8082")";
// A master that knows of trouble with itself and each of its slaves.
constexpr char kTroubled[] = R"(
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" member: 1 epoch: 3 role: "master"
                       version: "0.1.0" durability: "sync"
                       addresses { host: "127.0.0.1" port: $PORT } } online: true
              log_end: 5000000 committed: 5000000
              trouble: "1 of the in-sync members of broker-a are connected" }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 2 member: 2 role: "slave"
                       version: "0.1.0" durability: "sync"
                       addresses { host: "127.0.0.1" port: $PORT } } online: true
              trouble_kind: TROUBLE_KIND_NUMBER_TAKEN
              trouble: "a second process with broker.id 2 at 10.0.0.8:8081 is refused" }
    brokers { broker { cluster: "DefaultCluster" name: "broker-a" id: 3 member: 3 role: "slave"
                       version: "0.1.0" durability: "sync"
                       addresses { host: "127.0.0.1" port: $PORT } } online: true
              trouble_kind: TROUBLE_KIND_STORE_FAILED
              trouble: "the commit log has stopped: cannot write to the disk" }
    answered_by: "broker 127.0.0.1:8082")";
constexpr char kPromotion[] = R"(
    members { address: "10.0.0.5:8081" status { code: INTERNAL_SERVER_ERROR
              message: "INTERNAL_SERVER_ERROR: failed to connect to all addresses" } }
    members { member: 3 address: "10.0.0.7:8081" status { code: OK message: "OK" } })";
constexpr char kSetting[] = R"({ key: "retention.age" value: "1d" default_value: "3d"
    started_with: "3d" changeable: true })";
constexpr char kLetterStats[] = R"(
    groups { broker: "broker-a" group: "billing" count: 12 oldest { seconds: 1767225600 }
             newest { seconds: 1767225710 } newest_reason: "attempts" begin_offset: 0
             end_offset: 12 } answered { seconds: 1767229200 })";
constexpr char kProgress[] = "progress { next: 12 done: true examined: 12 matched: 12 }";

std::string Group(const std::string& more = "") { return std::string(kGroup) + more; }

std::vector<Case> TopicCases() {
  const std::string described = std::string(kTopic) +
                                R"( created { seconds: 1767225600 }
          queues { broker: "broker-a" queue_id: 0 min_offset: 10 next_offset: 1210 }
          queues { broker: "broker-a" queue_id: 1 next_offset: 3 })" +
                                kResult;
  return {
      {{"topic", "create", "orders"}, {{"CreateTopic", std::string(kTopic) + kResult}}},
      {{"topic", "alter", "orders", "--ttl", "1h"},
       {{"AlterTopic", std::string(kTopic) + kResult}}},
      {{"topic", "list"},
       {{"ListTopics", fmt::format("topics {{ {} brokers: 'broker-a' }}", kTopic)}}},
      {{"topic", "describe", "orders"}, {{"DescribeTopic", described}}},
      {{"topic", "stats", "orders"}, {{"DescribeTopic", described}}},
      {{"topic", "delete", "orders", "--yes"}, {{"DeleteTopic", kResult}}},
  };
}

std::vector<Case> GroupCases() {
  const Answers described = {{"DescribeGroup", Group(kPositions) + "client_ids: 'web-1@17@2@abc'"},
                             {"DeadLetterStats", kLetterStats},
                             {"ListClients", kClients}};
  return {
      {{"group", "create", "billing"}, {{"CreateGroup", Group(kResult)}}},
      {{"group", "alter", "billing", "--max-attempts", "5"}, {{"AlterGroup", Group(kResult)}}},
      {{"group", "list"}, {{"ListGroups", "groups {" + Group() + " brokers: 'broker-a' }"}}},
      {{"group", "describe", "billing"}, described},
      {{"group", "lag", "billing"}, described},
      {{"group", "clients", "billing"}, described},
      {{"group", "why", "billing"}, {{"ExplainGroup", R"(explanations {
            broker: "broker-a" topic: "orders" cause: GROUP_CAUSE_FIFO_HEAD messages: 4
            text: "messages wait behind one that a client holds" client_id: "web-1@17@2@abc"
            until { seconds: 1767225710 } message_group: "eu" queue_id: 3 })"}}},
      {{"group", "reset", "billing", "--topic", "orders", "--to", "earliest"},
       {{"DescribeGroup", Group(kPositions)}, {"ResetGroup", std::string(kPositions) + kResult}}},
      {{"group", "reset", "billing", "--topic", "ordres", "--to", "earliest"},
       {{"DescribeGroup", Group(kPositions)}, {"ResetGroup", std::string(kPositions) + kResult}}},
      {{"group", "pause", "billing"}, {{"PauseGroup", kResult}}},
      {{"group", "resume", "billing"}, {{"ResumeGroup", kResult}}},
      {{"group", "delete", "billing", "--yes"}, {{"DeleteGroup", kResult}}},
  };
}

std::vector<Case> LetterCases() {
  const std::string letter = std::string("dead_letter ") + kLetter + kMessage;
  const std::string exported =
      fmt::format("letters {{ group: 'billing' {} }} {}", letter, kProgress);
  return {
      {{"dlq", "stats"}, {{"DeadLetterStats", kLetterStats}}},
      {{"dlq", "list", "billing"},
       {{"ListDeadLetters", std::string("total: 12 dead_letters ") + kLetter}}},
      {{"dlq", "show", "billing", "01A2B3"}, {{"DescribeDeadLetter", letter}}},
      {{"dlq", "resend", "billing", "--all"},
       {{"DeadLetterStats", kLetterStats},
        {"ResendDeadLetters", std::string("resent: 11 refused: 1 refusals { message_id: '01A2B3' "
                                          "offset: 7 reason: 'it was resent 3 times' }") +
                                  kProgress}}},
      {{"dlq", "purge", "billing", "--all", "--yes"},
       {{"DeadLetterStats", kLetterStats},
        {"PurgeDeadLetters", std::string("purged: 12 ") + kProgress}}},
      {{"dlq", "export", "billing", "--file", "-"},
       {{"DeadLetterStats", kLetterStats}, {"ExportDeadLetters", exported}}},
      {{"dlq", "import", "billing", "--file", "-"},
       {{"ListBrokers", kBrokers},
        {"DeadLetterStats", kLetterStats},
        {"ExportDeadLetters", exported},
        {"ImportDeadLetters", "imported: 1"}},
       R"({"dead_letter": {"message_id": "01A2B4", "topic": "orders", "queue_offset": "7"}})"},
  };
}

// A cluster in which much is wrong, and one in which nothing is; the broker is the scripted node.
Answers ClusterAnswers(const std::string& lost, const std::string& letters,
                       const std::string& cause) {
  return {{"ListBrokers", R"(brokers { broker { name: "broker-a" version: "0.1.0"
                             addresses { host: "127.0.0.1" port: $PORT } } online: true }
                             answered_by: "nameserver 10.0.0.1:9876" )" +
                              lost},
          {"ListTopics", fmt::format("topics {{ {} brokers: 'broker-a' }}", kTopic)},
          {"ListGroups", "groups {" + Group() + " brokers: 'broker-a' }"},
          {"DeadLetterStats", letters},
          {"ListClients", kClients},
          {"TransactionStats", "topics { broker: 'broker-a' topic: 'payments' pending: 1 }"},
          {"ExplainGroup", cause}};
}

// Without transactions there is nothing to decide.
Answers WithoutTransactions(Answers answers) {
  answers["TransactionStats"] = "";
  return answers;
}

// Nothing is wrong but what the brokers say of themselves.
Answers WithBrokers(const std::string& brokers) {
  Answers answers = WithoutTransactions(
      ClusterAnswers("", "", "explanations { broker: 'broker-a' cause: GROUP_CAUSE_CAUGHT_UP }"));
  answers["ListBrokers"] = brokers;
  return answers;
}

std::vector<Case> ClusterCases() {
  const Answers good = WithoutTransactions(
      ClusterAnswers("", "", "explanations { broker: 'broker-a' cause: GROUP_CAUSE_CAUGHT_UP }"));
  const Answers bad = ClusterAnswers(
      "brokers { broker { name: 'broker-b' version: '0.0.9' } left { seconds: 1767225600 } }",
      "groups { broker: 'broker-a' group: 'billing' count: 12 }",
      "explanations { broker: 'broker-a' topic: 'orders' cause: GROUP_CAUSE_NO_CONSUMER "
      "messages: 5 text: '5 messages wait, and no consumer of the group is alive' }");
  return {
      {{"cluster", "list"}, {{"ListBrokers", kBrokers}}},
      {{"cluster", "status"}, bad},
      {{"cluster", "check"}, bad},
      {{"cluster", "check"}, good},
      {{"cluster", "check", "--ignore", "billing"}, bad},
      {{"cluster", "check", "--dead-letters-within", "24h"},
       WithoutTransactions(
           ClusterAnswers("",
                          "groups { broker: 'broker-a' group: 'billing' count: 12 "
                          "newest { seconds: 1767225710 } }",
                          "explanations { broker: 'broker-a' cause: GROUP_CAUSE_CAUGHT_UP }"))},
      {{"cluster", "check"}, WithBrokers(kNoMaster)},
      {{"cluster", "check"}, WithBrokers(kOneAway)},
      {{"cluster", "check"}, WithBrokers(kOneDiffers)},
      {{"cluster", "check"}, WithBrokers(kTroubled)},
      {{"cluster", "list"}, {{"ListBrokers", "answered_by: 'nameserver 10.0.0.1:9876'"}}},
      {{"cluster", "check"}, {{"ListBrokers", "answered_by: 'nameserver 10.0.0.1:9876'"}}},
      {{"broker", "config", "get", "broker-a", "retention.age"},
       {{"ListBrokers", kOwnBroker},
        {"GetConfig", std::string("broker: 'broker-a' settings ") + kSetting}}},
      {{"broker", "config", "set", "broker-a", "retention.age", "1d"},
       {{"ListBrokers", kOwnBroker},
        {"SetConfig", std::string("broker: 'broker-a' previous: '3d' setting ") + kSetting}}},
      {{"broker", "list"}, {{"ListBrokers", kMembers}}},
      {{"broker", "list"}, {{"ListBrokers", kNoMaster}}},
      {{"broker", "list"}, {{"ListBrokers", kOneDiffers}}},
      {{"broker", "promote", "broker-a", "2", "--yes"},
       {{"ListBrokers", kSlaveAlone},
        {"ListBrokers alone", kPromoted},
        {"PromoteBroker", kPromotion}}},
      {{"broker", "promote", "broker-a", "4", "--yes"}, {{"ListBrokers", kSlaveAlone}}},
      {{"broker", "switchover", "broker-a", "--yes"},
       {{"ListBrokers", kGroupHere}, {"ListBrokers alone", kPromoted}, {"HandOver", ""}}},
      {{"broker", "switchover", "broker-a", "9", "--yes"}, {{"ListBrokers", kGroupHere}}},
      {{"broker", "describe", "broker-a"}, {{"ListBrokers", kBrokers}}},
      {{"broker", "describe", "broker-z"}, {{"ListBrokers", kBrokers}}},
      {{"nameserver", "routes"},
       {{"ListBrokers", kBrokers},
        {"ListTopics", fmt::format("topics {{ {} brokers: 'broker-a' }}", kTopic)}}},
      {{"topic", "route", "orders"},
       {{"QueryRoute", R"(message_queues { topic { name: "orders" } id: 1 permission: READ_WRITE
            broker { name: "broker-a" endpoints { scheme: IPv4
                     addresses { host: "10.0.0.5" port: 8081 } } } accept_message_types: FIFO })"}}},
  };
}

std::vector<Case> OtherCases() {
  return {
      {{"client", "list"}, {{"ListClients", kClients}}},
      {{"client", "describe", "web-1@17@2@abc"}, {{"ListClients", kClients}}},
      {{"delay", "stats"},
       {{"DelayStats", R"(stats { broker: "broker-a" pending: 3 next_due { seconds: 1767225710 }
            delivered: 40 recalled: 2 levels { level: 1 delay { seconds: 1 } pending: 1 }
            levels { pending: 2 } })"}}},
      {{"delay", "list"}, {{"ListDelayedMessages", R"(messages { broker: "broker-a" topic: "orders"
            message_id: "01A2B3" due { seconds: 1767225710 } level: 3 body_bytes: 5
            stored { seconds: 1767225700 } recall_handle: "ZQhi" })"}}},
      {{"delay", "cancel", "ZQhi"}, {{"CancelDelayedMessage", "message_id: '01A2B3'"}}},
      {{"transaction", "stats"},
       {{"TransactionStats", R"(totals { broker: "broker-a" started: 9 committed: 5 rolled_back: 2
            expired: 1 pending: 1 oldest_pending { seconds: 1767225600 } }
            topics { broker: "broker-a" topic: "payments" pending: 1 })"}}},
      {{"transaction", "list"},
       {{"ListTransactions", fmt::format("transactions {{ {} }}", kTransaction)}}},
      {{"transaction", "show", "VAhi"},
       {{"DescribeTransaction", fmt::format("transaction {{ {}{} }}", kTransaction, kMessage)}}},
      {{"transaction", "commit", "VAhi"}, {{"ResolveTransaction", kResult}}},
      {{"transaction", "rollback", "VAhi"}, {{"ResolveTransaction", kResult}}},
  };
}

constexpr char kFound[] = R"(
    broker: "broker-a" body_bytes: 5
    message { topic { name: "orders" } user_properties { key: "amount" value: "17" } body: "hello"
              system_properties { tag: "paid" keys: "order-17" keys: "eu" message_id: "01A2B3"
                message_group: "eu" born_timestamp { seconds: 1767225590 } born_host: "web-1"
                store_timestamp { seconds: 1767225600 } queue_id: 3 queue_offset: 1042 } })";
constexpr char kTrace[] = R"(traces { broker: "broker-a" next: 4096 done: true
    events { time { seconds: 1767225600 } what: "stored" topic: "orders" queue_id: 3 offset: 1042 }
    events { time { seconds: 1767225601 } what: "delivered" topic: "orders" queue_id: 3 offset: 1042
             group: "billing" client: "web-1@17@2@abc" detail: "leased while the client lives" } })";

std::vector<Case> MessageCases() {
  const std::string found = fmt::format("messages {{ {} }}", kFound);
  const std::string dead = fmt::format(
      "messages {{ {} origin_topic: 'orders' origin_queue_id: 3 origin_offset: 1042 "
      "group: 'billing' attempts: 17 reason: 'attempts' }}",
      kFound);
  return {
      {{"message", "query", "--key", "order-17"}, {{"QueryMessages", found + "more: true"}}},
      {{"message", "get", "01A2B3"}, {{"QueryMessages", found}}},
      {{"message", "get", "%DLQ%billing/0/7"}, {{"GetMessage", dead}}},
      {{"message", "get", "01A2B3"}, {{"QueryMessages", ""}}},
      {{"message", "trace", "01A2B3"}, {{"TraceMessage", kTrace}}},
  };
}

std::vector<Case> Cases() {
  std::vector<Case> all;
  for (const auto& part :
       {TopicCases(), GroupCases(), LetterCases(), ClusterCases(), OtherCases(), MessageCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// What the golden files hold, one line for each line that begins with "$ mansio".
std::vector<std::string> ShownCommands() {
  std::vector<std::string> shown;
  for (const char* file : {"commands", "messages", "bench", "local"}) {
    std::ifstream in(fmt::format("{}/tests/client/golden/{}.txt", MANSIO_SOURCE_DIR, file));
    EXPECT_TRUE(in.good()) << file;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("$ mansio ")) shown.push_back(line.substr(9));
    }
  }
  return shown;
}

class GoldenTest : public ::testing::Test {
 protected:
  // What `mansio ARGUMENTS` prints, errors and exit code included.
  std::string Output(const Case& one, const std::vector<std::string>& more) {
    const std::string port = node_.endpoint().substr(node_.endpoint().find(':') + 1);
    node_.answers = one.answers;
    for (auto& [method, answer] : node_.answers) {
      answer = absl::StrReplaceAll(answer, {{"$PORT", port}});
    }
    std::vector<std::string> arguments = {"--endpoint", node_.endpoint(), "--timeout", "30s"};
    arguments.insert(arguments.end(), one.arguments.begin(), one.arguments.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::istringstream in(one.input);
    std::ostringstream out;
    std::ostringstream err;
    Context context;
    context.in = &in;
    context.out = &out;
    context.err = &err;
    const int exit = command::Run(arguments, context);
    std::string text =
        fmt::format("$ mansio {}{}{}\n{}{}", absl::StrJoin(one.arguments, " "),
                    more.empty() ? "" : " ", absl::StrJoin(more, " "), out.str(), err.str());
    if (exit != 0) text += fmt::format("(exit code {})\n", exit);
    return absl::StrReplaceAll(text, {{node_.endpoint(), "HOST:PORT"}}) + "\n";
  }

  client::ScriptedAdmin node_;
};

TEST_F(GoldenTest, EveryCommandsTableAndJson) {
  std::string all;
  for (const Case& one : Cases()) all += Output(one, {}) + Output(one, {"-o", "json"});
  mansio::testing::ExpectGolden("tests/client/golden/commands.txt", all);
}

TEST_F(GoldenTest, ACheckDoesNotSayThatThereIsNobodyWhereABrokerWasSilent) {
  Case one = {{"cluster", "check"},
              ClusterAnswers("", "", "explanations { cause: GROUP_CAUSE_CAUGHT_UP }")};
  const std::string heard = Output(one, {});
  EXPECT_NE(heard.find("no-producer"), std::string::npos) << heard;
  one.answers["ListClients"] =
      "status { code: MULTIPLE_RESULTS message: 'busy' } results { broker: 'broker-a' "
      "status { code: OK } } results { broker: 'broker-b' status { code: TOO_MANY_REQUESTS "
      "message: 'the broker is busy' } }";
  const std::string silent = Output(one, {});
  EXPECT_EQ(silent.find("no-producer"), std::string::npos) << silent;
  EXPECT_NE(silent.find("broker broker-b: the broker is busy"), std::string::npos) << silent;
  EXPECT_NE(silent.find("(exit code 6)"), std::string::npos) << silent;
}

TEST_F(GoldenTest, ACheckSeesClocksAndAddresses) {
  Case one = {{"cluster", "check"}, ClusterAnswers("", "", "")};
  // The clock of that broker, not of one that it has asked.
  one.answers["DeadLetterStats alone"] = "answered { seconds: 1000 }";
  const std::string text = Output(one, {});
  EXPECT_NE(text.find("clock-skew: broker broker-a is "), std::string::npos) << text;
  EXPECT_NE(text.find(" behind this machine"), std::string::npos) << text;
  EXPECT_NE(text.find("(exit code 7)"), std::string::npos) << text;
  const std::string lost =
      "brokers { broker { name: 'broker-b' addresses { host: '127.0.0.1' port: 1 } } online: true }";
  const Case other = {{"cluster", "check"}, ClusterAnswers(lost, "", "")};
  const std::string unreachable = Output(other, {});
  EXPECT_NE(unreachable.find("broker-unreachable: broker broker-b does not answer"),
            std::string::npos)
      << unreachable;
}

TEST_F(GoldenTest, NoCommandIsForgotten) {
  const std::vector<std::string> shown = ShownCommands();
  const auto is_shown = [&shown](const std::string& command, bool as_json) {
    return std::any_of(shown.begin(), shown.end(), [&](const std::string& line) {
      return (line + " ").starts_with(command + " ") && line.ends_with("-o json") == as_json;
    });
  };
  CLI::App tree;
  Context context;
  BuildTree(tree, context);
  VisitVerbs(tree, [&](const std::string& path, const CLI::App&) {
    const std::string command = path.substr(path.find(' ') + 1);
    EXPECT_TRUE(is_shown(command, false)) << command << " has no golden table";
    EXPECT_TRUE(is_shown(command, true)) << command << " has no golden JSON";
  });
}

}  // namespace
}  // namespace mansio::command
