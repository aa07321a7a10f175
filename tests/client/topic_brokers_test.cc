// `topic alter --add-broker` and `--drain-broker`, as far as answers that are written down can
// tell; tests/faults/placement has real brokers.
#include "client/command/topic_brokers.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/client/scripted_admin.h"

namespace mansio::command {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNotAll[] = "status { code: MULTIPLE_RESULTS message: 'broker b' } ";

class TopicBrokersTest : public CommandHarness {
 protected:
  TopicBrokersTest() {
    endpoint_ = admin_.endpoint();
    Describe("NORMAL", "");
    admin_.answers["ListGroups"] = "groups { group { name: 'nightly' } brokers: ['a', 'b'] }";
  }
  // Broker a has the topic, and so has b if it answers; a status stands before all else.
  void Describe(const std::string& type, const std::string& of_b, const std::string& status = "") {
    admin_.answers["DescribeTopic"] =
        status + "topic { name: 'orders' queues: 1 message_type: " + type +
        " } results { broker: 'a' status { code: OK } } "
        "queues { broker: 'a' permission: READ_WRITE } consumers { name: 'nightly' } " +
        of_b;
  }

  client::ScriptedAdmin admin_;
};

TEST_F(TopicBrokersTest, ABrokerIsAdded) {
  admin_.answers["CreateTopic"] = "";
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--add-broker", "c"}), 0) << err_;
  EXPECT_EQ(out_, "topic orders has queues on broker c\n");
}

TEST_F(TopicBrokersTest, ABrokerWhoseGroupsAreNotKnownStopsIt) {
  Describe("NORMAL",
           "results { broker: 'b' status { code: INTERNAL_SERVER_ERROR message: 'no answer' } }",
           kNotAll);
  admin_.answers["AlterTopic"] = "";
  EXPECT_NE(Mansio({"topic", "alter", "orders", "--drain-broker", "a"}), 0);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker b does not say which groups consume topic orders"),
                          HasSubstr("nothing was changed")));
}

TEST_F(TopicBrokersTest, OneThatDiffersDoesNot) {
  Describe("NORMAL",
           "results { broker: 'b' status { code: PRECONDITION_FAILED message: 'differs' } } "
           "queues { broker: 'b' }",
           kNotAll);
  admin_.answers["AlterTopic"] = "";
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--drain-broker", "a"}), 0) << err_;
}

TEST_F(TopicBrokersTest, AGroupThatOneBrokerDoesNotKnowIsNamed) {
  Describe("NORMAL",
           "queues { broker: 'b' } consumers { name: 'deleted' } consumers { name: 'late' }");
  admin_.answers["ListGroups"] =
      "groups { group { name: 'deleted' } brokers: 'b' } "
      "groups { group { name: 'elsewhere' } brokers: 'x' } "
      "groups { group { name: 'late' } brokers: ['a', 'c'] } "
      "groups { group { name: 'nightly' } brokers: ['a', 'b', 'c'] }";
  admin_.answers["AlterTopic"] = "";
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--drain-broker", "a"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("consumer groups deleted, late;"),
                          HasSubstr("mansio group delete deleted")));
  admin_.answers["ListGroups"] = "groups { group { name: 'nightly' } brokers: ['a', 'b'] }";
  EXPECT_EQ(Mansio({"topic", "alter", "orders", "--drain-broker", "a"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("group delete")));
}

TEST_F(TopicBrokersTest, AnotherCommandIsWaitedForAndThenNamed) {
  Describe("FIFO", "queues { broker: 'b' }");
  admin_.answers["AlterTopic"] = "";
  admin_.answers["HoldTopic"] =
      "status { code: PRECONDITION_FAILED message: 'another command is dividing them' }";
  EXPECT_NE(Mansio({"topic", "alter", "orders", "--drain-broker", "a", "--wait", "600ms"}), 0);
  EXPECT_THAT(err_, HasSubstr("another command is dividing them"));
}

}  // namespace
}  // namespace mansio::command
