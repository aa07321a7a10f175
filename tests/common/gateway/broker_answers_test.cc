#include "common/gateway/broker_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/wire_status.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::HasSubstr;

v1::TopicInfo Topic(const std::string& name, int queues) {
  v1::TopicInfo topic;
  topic.set_name(name);
  topic.set_queues(queues);
  return topic;
}

v1::GroupInfo Group(const std::string& name) {
  v1::GroupInfo group;
  group.set_name(name);
  return group;
}

const absl::Status kOk = absl::OkStatus();

absl::Status NotFound() { return WireError(v2::TOPIC_NOT_FOUND, "there is no topic 't'"); }
absl::Status Full() { return WireError(v2::TOO_MANY_REQUESTS, "too many topics"); }

v2::Code CodeFor(const std::vector<Outcome>& outcomes) { return CodeOf(Summarise(outcomes)); }

TEST(SummariseTest, IsOkWhenAllAre) { EXPECT_EQ(CodeFor({{"a", kOk}, {"b", kOk}}), v2::OK); }

TEST(SummariseTest, AbsenceOnSomeIsNoFailure) {
  EXPECT_EQ(CodeFor({{"a", NotFound()}, {"b", kOk}}), v2::OK);
  EXPECT_EQ(CodeFor({{"a", NotFound()}, {"b", NotFound()}}), v2::TOPIC_NOT_FOUND);
}

TEST(SummariseTest, AbsentBrokersAreLeftOutWhereThereAreOthers) {
  std::vector<Outcome> outcomes = {{"a", NotFound()}, {"b", kOk}, {"c", Full()}};
  LeaveOutAbsent(&outcomes);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].broker, "b");
  outcomes = {{"a", NotFound()}, {"c", Full()}};
  LeaveOutAbsent(&outcomes);
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST(SummariseTest, SomeFailuresAreMultipleResultsThatNameTheBroker) {
  const absl::Status status = Summarise({{"a", kOk}, {"b", Full()}});
  EXPECT_EQ(CodeOf(status), v2::MULTIPLE_RESULTS);
  EXPECT_EQ(std::string(status.message()), "broker b: too many topics");
}

TEST(SummariseTest, WhenAllFailTheFirstCodeCounts) {
  const absl::Status status =
      Summarise({{"a", Full()}, {"b", absl::UnavailableError("no answer")}});
  EXPECT_EQ(CodeOf(status), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(std::string(status.message()), "broker a: too many topics; broker b: no answer");
  EXPECT_EQ(Summarise({{"a", Full()}}), Full()) << "one broker's sentence is passed on unchanged";
}

TEST(SummariseTest, WithoutAnyBrokerTheCureIsNamed) {
  const absl::Status status = Summarise({});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("nameservers="), std::string::npos);
}

TEST(MergeTest, TopicsAreDescribedOverAllBrokers) {
  std::vector<BrokerAnswer<v1::DescribeTopicResponse>> answers(3);
  const char* const names[] = {"b", "none", "a"};
  for (size_t i = 0; i < 3; ++i) answers[i].broker = names[i];
  answers[1].status = NotFound();
  for (const size_t i : {0, 2}) {
    *answers[i].response.mutable_topic() = Topic("t", 2);
    answers[i].response.add_queues()->set_queue_id(1);
    answers[i].response.add_queues()->set_queue_id(0);
  }
  const v1::DescribeTopicResponse merged = MergeTopic(answers);
  EXPECT_EQ(merged.topic().name(), "t");
  ASSERT_EQ(merged.queues_size(), 4);
  EXPECT_EQ(merged.queues(0).broker(), "a");
  EXPECT_EQ(merged.queues(0).queue_id(), 0);
  EXPECT_EQ(merged.queues(3).broker(), "b");
  EXPECT_EQ(merged.queues(3).queue_id(), 1);
}

TEST(MergeTest, ATopicHasTheConsumersOfAllBrokers) {
  Answers<v1::DescribeTopicResponse> answers(3);
  const auto consumes = [&answers](size_t broker, const std::string& name, int64_t created) {
    v1::GroupInfo* group = answers[broker].response.add_consumers();
    group->set_name(name);
    group->mutable_created()->set_seconds(created);
  };
  consumes(0, "both", 20);
  consumes(1, "both", 10);
  consumes(1, "another", 30);
  consumes(2, "silent", 1);
  answers[2].status = NotFound();
  const v1::DescribeTopicResponse merged = MergeTopic(answers);
  ASSERT_EQ(merged.consumers_size(), 2);
  EXPECT_EQ(merged.consumers(0).name(), "another");
  EXPECT_EQ(merged.consumers(1).name(), "both");
  EXPECT_EQ(merged.consumers(1).created().seconds(), 10) << "it is as old as any broker says";
}

TEST(MergeTest, ABrokerThatMissedAChangeIsNamed) {
  Answers<v1::DescribeTopicResponse> topics(2);
  *topics[0].response.mutable_topic() = Topic("t", 2);
  *topics[1].response.mutable_topic() = Topic("t", 4);
  EXPECT_TRUE(OutcomesOf(topics)[1].status.ok()) << "queues may differ";
  topics[0].broker = "a";
  topics[1].response.mutable_topic()->set_max_backlog(5);
  const absl::Status missed = OutcomesOf(topics)[1].status;
  EXPECT_EQ(CodeOf(missed), v2::PRECONDITION_FAILED);
  EXPECT_NE(missed.message().find("broker a"), std::string::npos);

  Answers<v1::DescribeGroupResponse> groups(2);
  groups[0].status = NotFound();
  *groups[1].response.mutable_group() = Group("g");
  EXPECT_TRUE(OutcomesOf(groups)[1].status.ok());
  groups[0].status = absl::OkStatus();
  *groups[0].response.mutable_group() = Group("g");
  groups[1].response.mutable_group()->set_paused(true);
  EXPECT_EQ(CodeOf(OutcomesOf(groups)[1].status), v2::PRECONDITION_FAILED);
}

TEST(MergeTest, ListsJoinWhatSeveralBrokersHave) {
  Answers<v1::ListTopicsResponse> topics(2);
  for (int i = 0; i < 2; ++i) {
    *topics[i].response.add_topics()->mutable_topic() = Topic("both", 1);
    topics[i].response.mutable_topics(0)->add_brokers(i == 0 ? "a" : "b");
  }
  *topics[1].response.add_topics()->mutable_topic() = Topic("alone", 1);
  const v1::ListTopicsResponse merged = MergeTopics(topics);
  ASSERT_EQ(merged.topics_size(), 2);
  EXPECT_EQ(merged.topics(0).topic().name(), "alone");
  EXPECT_EQ(merged.topics(1).brokers_size(), 2);
}

TEST(MergeTest, AClientOfAGroupIsListedOnce) {
  std::vector<BrokerAnswer<v1::DescribeGroupResponse>> answers(2);
  answers[0].broker = "b";
  answers[1].broker = "a";
  for (auto& answer : answers) {
    *answer.response.mutable_group() = Group("g");
    answer.response.add_positions()->set_topic("t");
    answer.response.add_client_ids("two");
    answer.response.add_client_ids("one");
  }
  const v1::DescribeGroupResponse merged = MergeGroup(answers);
  EXPECT_EQ(merged.group().name(), "g");
  ASSERT_EQ(merged.positions_size(), 2);
  EXPECT_EQ(merged.positions(0).broker(), "a");
  ASSERT_EQ(merged.client_ids_size(), 2);
  EXPECT_EQ(merged.client_ids(0), "one");
}

TEST(MergeTest, AClientOfSeveralBrokersIsOne) {
  std::vector<BrokerAnswer<v1::ListClientsResponse>> answers(3);
  for (int i = 0; i < 3; ++i) {
    v1::ClientDescription* client = answers[i].response.add_clients();
    client->set_id(i < 2 ? "b" : "a");
    client->set_peer(i == 1 ? "seen last" : "seen before");
    client->mutable_silent()->set_seconds(i == 1 ? 3 : 5);
    client->add_brokers(std::to_string(i));
  }
  const v1::ListClientsResponse merged = MergeClients(answers, 0);
  ASSERT_EQ(merged.clients_size(), 2);
  EXPECT_EQ(merged.clients(0).id(), "a");
  EXPECT_EQ(merged.clients(1).peer(), "seen last");
  ASSERT_EQ(merged.clients(1).brokers_size(), 2);
  EXPECT_EQ(merged.clients(1).brokers(1), "1");
}

TEST(MergeTest, APageOfClientsEndsWhereABrokerSaysNoMore) {
  std::vector<BrokerAnswer<v1::ListClientsResponse>> answers(2);
  for (const char* id : {"a", "c"}) answers[0].response.add_clients()->set_id(id);
  for (const char* id : {"b", "d"}) answers[1].response.add_clients()->set_id(id);
  const auto ids = [&answers](int32_t limit) {
    const v1::ListClientsResponse merged = MergeClients(answers, limit);
    std::string text;
    for (const auto& client : merged.clients()) text += client.id();
    return text + (merged.more() ? "+" : "");
  };
  EXPECT_EQ(ids(0), "abcd");
  EXPECT_EQ(ids(3), "abc+");
  answers[0].response.set_more(true);
  EXPECT_EQ(ids(0), "abc+");
  EXPECT_EQ(ids(4), "abc+");
  answers[1].response.set_more(true);
  EXPECT_EQ(ids(2), "ab+");
}

TEST(MergeTest, ExplanationsThatSayMostComeFirst) {
  std::vector<BrokerAnswer<v1::ExplainGroupResponse>> answers(3);
  answers[0].response.add_explanations()->set_cause(v1::GROUP_CAUSE_CAUGHT_UP);
  answers[1].response.add_explanations()->set_cause(v1::GROUP_CAUSE_FIFO_HEAD);
  answers[2].status = NotFound();
  answers[2].response.add_explanations();
  const v1::ExplainGroupResponse merged = MergeExplanations(answers);
  ASSERT_EQ(merged.explanations_size(), 2);
  EXPECT_EQ(merged.explanations(0).cause(), v1::GROUP_CAUSE_FIFO_HEAD);
}

TEST(MergeTest, DeadLettersAreCountedByGroupAndBroker) {
  std::vector<BrokerAnswer<v1::DeadLetterStatsResponse>> answers(2);
  for (int i = 0; i < 2; ++i) {
    for (const char* group : {"g", "f"}) {
      v1::GroupDeadLetters* letters = answers[i].response.add_groups();
      letters->set_group(group);
      letters->set_broker(i == 0 ? "b" : "a");
    }
    answers[i].response.mutable_answered()->set_seconds(7);
  }
  const v1::DeadLetterStatsResponse merged = MergeDeadLetterStats(answers);
  ASSERT_EQ(merged.groups_size(), 4);
  EXPECT_EQ(merged.groups(0).group() + merged.groups(0).broker(), "fa");
  EXPECT_EQ(merged.groups(3).group() + merged.groups(3).broker(), "gb");
  EXPECT_EQ(merged.answered().seconds(), 7);
}

TEST(MergeTest, FoundMessagesOfAllBrokersNewestFirst) {
  std::vector<BrokerAnswer<v1::QueryMessagesResponse>> answers(3);
  const auto add = [&answers](size_t broker, int64_t seconds) {
    auto* system =
        answers[broker].response.add_messages()->mutable_message()->mutable_system_properties();
    system->mutable_store_timestamp()->set_seconds(seconds);
  };
  const auto times = [](const v1::QueryMessagesResponse& merged) {
    std::vector<int64_t> seconds;
    for (const auto& found : merged.messages()) {
      seconds.push_back(found.message().system_properties().store_timestamp().seconds());
    }
    return seconds;
  };
  for (const int64_t seconds : {90, 50, 10}) add(0, seconds);
  for (const int64_t seconds : {70, 40}) add(2, seconds);
  answers[1].status = NotFound();
  answers[0].response.set_unindexed_bytes(5);
  answers[2].response.set_unindexed_bytes(6);
  v1::QueryMessagesResponse merged = MergeFoundMessages(answers, 0);
  EXPECT_EQ(times(merged), (std::vector<int64_t>{90, 70, 50, 40, 10}));
  EXPECT_FALSE(merged.more());
  EXPECT_EQ(merged.unindexed_bytes(), 11);
  merged = MergeFoundMessages(answers, 2);
  EXPECT_EQ(times(merged), (std::vector<int64_t>{90, 70}));
  EXPECT_TRUE(merged.more());

  answers[2].response.set_more(true);  // it has some before 40
  merged = MergeFoundMessages(answers, 0);
  EXPECT_EQ(times(merged), (std::vector<int64_t>{90, 70, 50, 40}));
  EXPECT_TRUE(merged.more());
}

TEST(MergeTest, ABrokerThatGaveUpItsSearchIsNamed) {
  std::vector<BrokerAnswer<v1::QueryMessagesResponse>> answers(2);
  answers[0].broker = "a";
  answers[1].broker = "b";
  auto* system = answers[0].response.add_messages()->mutable_message()->mutable_system_properties();
  system->mutable_store_timestamp()->set_seconds(70);
  answers[1].response.set_more(true);  // and nothing found
  v1::QueryMessagesResponse merged = MergeFoundMessages(answers, 0);
  EXPECT_EQ(merged.messages_size(), 1);
  EXPECT_FALSE(merged.more()) << "whoever goes on before that does not find what b left out";
  const absl::Status summary = Summarise(OutcomesOf(answers));
  EXPECT_EQ(CodeOf(summary), v2::MULTIPLE_RESULTS);
  EXPECT_THAT(std::string(summary.message()), HasSubstr("broker b: it looked at too many"));

  answers[0].response.clear_messages();
  EXPECT_TRUE(MergeFoundMessages(answers, 0).more());
  answers.erase(answers.begin());
  EXPECT_TRUE(Summarise(OutcomesOf(answers)).ok()) << "its own answer says so";
  EXPECT_TRUE(MergeFoundMessages(answers, 0).more());
}

}  // namespace
}  // namespace mansio::gateway
