#include "nameserver/change_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

using gateway::ClusterTable;
using Version = ChangeLog::Version;

class ChangeLogTest : public ::testing::Test {
 protected:
  static ClusterTable::Key KeyOf(const std::string& name) {
    return ClusterTable::KeyOf(Identity(name));
  }
  void Join(const std::string& name, int topics = 1) {
    ClusterTable::Member member;
    member.identity = Identity(name);
    for (int i = 0; i < topics; ++i) {
      const std::string topic = "topic-" + std::to_string(i);
      member.topics[topic] = Topic(topic);
    }
    cluster_.Replace(std::move(member));
    log_.Joined(KeyOf(name));
  }
  void Change(const std::string& name, const std::vector<std::string>& topics,
              const std::vector<std::string>& deleted = {}) {
    v1::Delta delta;
    for (const std::string& topic : topics) *delta.add_topics() = Topic(topic);
    for (const std::string& topic : deleted) delta.add_deleted_topics(topic);
    cluster_.Change(KeyOf(name), delta);
    log_.Changed(*cluster_.Find(KeyOf(name)), delta);
  }
  void Leave(const std::string& name) {
    log_.Left(KeyOf(name));
    cluster_.Remove(KeyOf(name));
  }
  // What follows, batch by batch, when everything has its place: a word for each update.
  std::vector<std::string> After(Version known) {
    log_.Show();
    return Rest({known, known});
  }
  std::vector<std::string> Rest(ChangeLog::Position from) {
    std::vector<std::string> told;
    batches_ = 0;
    while (from.known < log_.shown()) {
      const ChangeLog::Batch batch = log_.After(from, cluster_);
      EXPECT_GT(batch.behind.at, from.at);
      from = batch.behind;
      ++batches_;
      Add(batch, &told);
    }
    return told;
  }
  static void Add(const ChangeLog::Batch& batch, std::vector<std::string>* told) {
    for (const UpdateBytes& message : batch.messages) {
      v1::ClusterUpdate update;
      EXPECT_TRUE(update.ParseFromString(*message));
      for (const v1::BrokerUpdate& broker : update.brokers()) told->push_back(TextOf(broker));
    }
  }
  static std::string TextOf(const v1::BrokerUpdate& update) {
    std::string text = update.broker().name();
    if (update.left()) return text + " left";
    if (update.snapshot()) {
      return text + (update.last_part() ? " has " : " begins with ") +
             std::to_string(update.topics_size());
    }
    std::set<std::string> changes;
    for (const v1::TopicInfo& topic : update.topics()) changes.insert(" +" + topic.name());
    for (const std::string& topic : update.deleted_topics()) changes.insert(" -" + topic);
    for (const std::string& change : changes) text += change;
    return text;
  }

  using Texts = std::vector<std::string>;
  ClusterTable cluster_;
  ChangeLog log_;
  int batches_ = 0;
};

TEST_F(ChangeLogTest, BrokersAreToldInTheOrderOfTheirLastChange) {
  Join("a");
  Join("b");
  Join("c");
  Change("a", {"new"});
  EXPECT_EQ(After(0), (Texts{"b has 1", "c has 1", "a has 2"}));
  EXPECT_EQ(After(2), (Texts{"c has 1", "a +new"}));
  EXPECT_EQ(After(3), Texts{"a +new"});
  EXPECT_EQ(After(4), Texts{});
  EXPECT_EQ(batches_, 0);
}

TEST_F(ChangeLogTest, WhatIsStillGatheredHasNoPlace) {
  Join("a");
  Join("b");
  log_.Show();
  Join("c");
  Change("a", {"new"});
  EXPECT_EQ(Rest({}), (Texts{"a has 2", "b has 1"}));
  EXPECT_EQ(After(2), (Texts{"c has 1", "a +new"})) << "it may be told twice";
}

// Somebody who has not come to a broker yet lacks all of it, wherever it has moved meanwhile.
TEST_F(ChangeLogTest, WhatMovesOnIsNotMissed) {
  for (const char* name : {"a", "b", "c"}) Join(name, 2500);
  log_.Show();
  Texts told;
  const ChangeLog::Batch first = log_.After({}, cluster_);
  Add(first, &told);
  EXPECT_EQ(first.behind.at, 1u);
  Change("c", {"new"});
  Change("a", {"new"});
  log_.Show();
  for (const std::string& text : Rest(first.behind)) told.push_back(text);
  EXPECT_EQ(std::count(told.begin(), told.end(), "c has 501"), 1);
  EXPECT_EQ(told.back(), "a has 501");
}

TEST_F(ChangeLogTest, WhoeverLeavesMeanwhileIsTakenBack) {
  Join("a");
  Join("b", 2500);
  log_.Show();
  const ChangeLog::Batch first = log_.After({}, cluster_);
  Leave("a");
  log_.Show();
  const Texts rest = Rest(first.behind);
  EXPECT_EQ(rest.back(), "a left");
}

TEST_F(ChangeLogTest, ChangesOfOneTopicAreOne) {
  Join("a", 10);
  for (int i = 0; i < 5; ++i) {
    Change("a", {"x", "y"});
    Change("a", {}, {"x"});
  }
  EXPECT_EQ(After(1), Texts{"a +y -x"});
  EXPECT_EQ(After(log_.latest() - 1), Texts{"a -x"});
  Change("a", {"x"});
  EXPECT_EQ(After(1), Texts{"a +x +y"});
}

TEST_F(ChangeLogTest, MoreChangesThanThereIsComeAsAWhole) {
  Join("a", 3);
  Change("a", {}, {"topic-0"});
  EXPECT_EQ(After(1), Texts{"a -topic-0"});
  Change("a", {}, {"topic-1", "topic-2"});
  EXPECT_EQ(After(1), Texts{"a has 0"});
  EXPECT_EQ(After(2), Texts{"a has 0"});
}

TEST_F(ChangeLogTest, WhoHasLeftIsForgottenWhenAllKnow) {
  Join("a");
  Join("b");
  Leave("a");
  EXPECT_EQ(After(0), Texts{"b has 1"}) << "who begins was never told of it";
  EXPECT_EQ(After(1), (Texts{"b has 1", "a left"}));
  log_.Forget(2);
  EXPECT_EQ(After(2), Texts{"a left"});
  log_.Forget(3);
  EXPECT_EQ(After(0), Texts{"b has 1"});
  Join("a");
  EXPECT_EQ(After(3), Texts{"a has 1"});
}

TEST_F(ChangeLogTest, DetailsThatAllKnowAreForgotten) {
  Join("a", 10);
  Change("a", {"x"});
  log_.Forget(2);
  Change("a", {"y"});
  EXPECT_EQ(After(2), Texts{"a +y"});
  log_.Forget(3);
  EXPECT_EQ(After(0), Texts{"a has 12"});
}

TEST_F(ChangeLogTest, ABatchIsOneMessageOfBoundedSize) {
  for (int i = 0; i < 100; ++i) Join("broker-" + std::to_string(i), 100);
  log_.Show();
  const ChangeLog::Batch first = log_.After({}, cluster_);
  ASSERT_EQ(first.messages.size(), 1u);
  EXPECT_LE(first.messages[0]->size(), 128u << 10);
  EXPECT_GT(first.messages[0]->size(), 100u << 10);
  EXPECT_EQ(After(0).size(), 100u);
  EXPECT_LT(batches_, 10);
}

TEST_F(ChangeLogTest, ALargeBrokerIsABatchOfItsOwn) {
  Join("a");
  Join("large", 2500);
  Join("z");
  EXPECT_EQ(After(0), (Texts{"a has 1", "large begins with 1000", "large begins with 1000",
                             "large has 500", "z has 1"}));
  EXPECT_EQ(batches_, 3);
  std::vector<std::string> topics;
  for (int i = 0; i < 1200; ++i) topics.push_back("new-" + std::to_string(i));
  Change("large", topics);
  EXPECT_EQ(After(3).size(), 2u) << "in parts, too";
}

TEST_F(ChangeLogTest, WhatWasEncodedIsSharedUntilItChanges) {
  Join("a");
  log_.Show();
  const UpdateBytes before = log_.After({}, cluster_).messages.at(0);
  EXPECT_EQ(log_.After({}, cluster_).messages.at(0), before);
  Change("a", {"new"});
  EXPECT_EQ(After(0), Texts{"a has 2"});
  log_.DropEncoded();
  EXPECT_EQ(After(0), Texts{"a has 2"});
}

}  // namespace
}  // namespace mansio::nameserver
