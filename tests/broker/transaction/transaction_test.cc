#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/transaction/transaction_id.h"
#include "common/status/wire_status.h"
#include "tests/broker/transaction/transaction_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TransactionTest : public testing::Test {
 protected:
  v1::TransactionTotals Totals() {
    return h_.Call<v1::TransactionStatsResponse>("TransactionStats", v1::TransactionStatsRequest())
        .totals(0);
  }
  std::vector<v1::TransactionInfo> List(v1::TransactionState state) {
    v1::ListTransactionsRequest request;
    request.set_state(state);
    const auto response = h_.Call<v1::ListTransactionsResponse>("ListTransactions", request);
    EXPECT_EQ(response.status().code(), v2::OK) << response.status().message();
    return {response.transactions().begin(), response.transactions().end()};
  }
  v1::DescribeTransactionResponse Describe(const std::string& id) {
    v1::DescribeTransactionRequest request;
    request.set_transaction_id(id);
    return h_.Call<v1::DescribeTransactionResponse>("DescribeTransaction", request);
  }
  void ExpectRefused(const v2::Status& status, const std::string& sentence) {
    EXPECT_EQ(status.code(), v2::INVALID_TRANSACTION_ID) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("INVALID_TRANSACTION_ID"));
    EXPECT_THAT(status.message(), HasSubstr(sentence));
  }

  TransactionHarness h_;
};

TEST_F(TransactionTest, AHalfIsInvisibleUntilItIsCommitted) {
  const std::string id = h_.SendHalf("m1");
  EXPECT_NE(id, "");
  EXPECT_THAT(h_.Ids(kTopic), IsEmpty());
  EXPECT_THAT(h_.Ids(kHalfTopic), ElementsAre("m1"));
  EXPECT_EQ(h_.End(id, v2::COMMIT).code(), v2::OK);
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m1"));

  const auto committed = h_.Stored({h_.life().metadata.FindTopic(kTopic)->id, 0}, 0);
  EXPECT_EQ(committed.view.tag_hash, TagHash("tag"));
  const auto content = DecodeContent(committed.view.content);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->body, "body of m1");
  EXPECT_EQ(content->provenance, "");
  EXPECT_THAT(content->properties, HasSubstr("color"));
}

TEST_F(TransactionTest, AMixedTopicTakesHalves) {
  h_.CreateTopic("mixed", {}, 1, MessageType::kMixed);
  v2::Message half = TransactionHarness::HalfMessage("half");
  half.mutable_topic()->set_name("mixed");
  const auto sent = h_.Send(half);
  ASSERT_EQ(sent.status().code(), v2::OK) << sent.status().message();
  EXPECT_THAT(h_.Ids("mixed"), IsEmpty());
  EXPECT_EQ(h_.End(sent.entries(0).transaction_id(), v2::COMMIT, "mixed").code(), v2::OK);
  EXPECT_THAT(h_.Ids("mixed"), ElementsAre("half"));
}

TEST_F(TransactionTest, ARolledBackHalfNeverAppears) {
  const std::string id = h_.SendHalf("m1");
  EXPECT_EQ(h_.End(id, v2::ROLLBACK).code(), v2::OK);
  EXPECT_THAT(h_.Ids(kTopic), IsEmpty());
  EXPECT_EQ(Totals().rolled_back(), 1);
  EXPECT_EQ(Totals().pending(), 0);
}

TEST_F(TransactionTest, AnEndMayBeRepeatedButNotReversed) {
  const std::string committed = h_.SendHalf("m1");
  const std::string rolled_back = h_.SendHalf("m2");
  h_.End(committed, v2::COMMIT);
  h_.End(rolled_back, v2::ROLLBACK);
  for (const bool restarted : {false, true}) {
    if (restarted) h_.Restart();
    EXPECT_EQ(h_.End(committed, v2::COMMIT).code(), v2::OK);
    EXPECT_EQ(h_.End(rolled_back, v2::ROLLBACK).code(), v2::OK);
    ExpectRefused(h_.End(committed, v2::ROLLBACK), "was committed");
    ExpectRefused(h_.End(rolled_back, v2::COMMIT), "was rolled back");
  }
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, AnEndThatIsOnItsWayIsJoinedOrRefused) {
  const std::string id = h_.SendHalf("m1");
  h_.store().SetMode(store::FakeStore::Mode::kHeld);
  v2::EndTransactionRequest request;
  request.mutable_topic()->set_name(kTopic);
  request.set_transaction_id(id);
  request.set_resolution(v2::COMMIT);
  const auto first = h_.Start("EndTransaction", request);
  const auto second = h_.Start("EndTransaction", request);
  EXPECT_FALSE(first->finished());
  EXPECT_FALSE(second->finished());
  ExpectRefused(h_.End(id, v2::ROLLBACK), "is being committed");
  h_.store().Run();
  EXPECT_EQ(first->Response<v2::EndTransactionResponse>().status().code(), v2::OK);
  EXPECT_EQ(second->Response<v2::EndTransactionResponse>().status().code(), v2::OK);
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, AnEndThatCannotBeLoggedLeavesTheHalfPending) {
  const std::string id = h_.SendHalf("m1");
  h_.store().RefuseSubmits(absl::ResourceExhaustedError("too many uncommitted bytes"));
  EXPECT_EQ(h_.End(id, v2::COMMIT).code(), v2::TOO_MANY_REQUESTS);
  h_.store().RefuseSubmits(absl::OkStatus());
  EXPECT_EQ(h_.End(id, v2::ROLLBACK).code(), v2::OK);
}

TEST_F(TransactionTest, WhatIsNotATransactionOfThisBrokerIsRefused) {
  const std::string id = h_.SendHalf("m1");
  ExpectRefused(h_.End("", v2::COMMIT), "not a transaction id");
  ExpectRefused(h_.End("m1", v2::COMMIT), "not a transaction id");
  std::string forged = id;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_EQ(h_.End(forged, v2::COMMIT).code(), v2::INVALID_TRANSACTION_ID);
  h_.CreateTopic("other");
  ExpectRefused(h_.End(id, v2::COMMIT, "other"), "one of topic orders");
  const auto key = h_.life().metadata.handle_key();
  const uint32_t topic = h_.life().metadata.FindTopic(kTopic)->id;
  ExpectRefused(h_.End(TransactionId{"broker-b", topic, 1, 0}.Encode(key), v2::COMMIT),
                "belongs to broker 'broker-b'");
  ExpectRefused(h_.End(TransactionId{"broker-a", topic, 1, 77}.Encode(key), v2::COMMIT),
                "not known");
  ExpectRefused(h_.End(TransactionId{"broker-a", topic, 9, 0}.Encode(key), v2::COMMIT),
                "not known");
  EXPECT_EQ(Totals().pending(), 1);
}

TEST_F(TransactionTest, AnUndecidedEndIsOkAndChangesNothing) {
  const std::string id = h_.SendHalf("m1");
  EXPECT_EQ(h_.End(id, v2::TRANSACTION_RESOLUTION_UNSPECIFIED).code(), v2::OK);
  EXPECT_EQ(Totals().pending(), 1);
  EXPECT_EQ(h_.End(id, static_cast<v2::TransactionResolution>(9)).code(), v2::BAD_REQUEST);
  EXPECT_EQ(h_.End(id, v2::COMMIT, "no good name!").code(), v2::ILLEGAL_TOPIC);
}

TEST_F(TransactionTest, AHalfCannotBeInAGroupOrInABatch) {
  v2::Message message = h_.HalfMessage("m1");
  message.mutable_system_properties()->set_message_group("g");
  EXPECT_EQ(h_.Send(message).status().code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  v2::SendMessageRequest batch;
  *batch.add_messages() = h_.HalfMessage("m1");
  *batch.add_messages() = h_.HalfMessage("m2");
  EXPECT_EQ(h_.Call<v2::SendMessageResponse>("SendMessage", batch).status().code(),
            v2::BAD_REQUEST);
  EXPECT_EQ(Totals().started(), 0);
}

TEST_F(TransactionTest, PendingHalvesAreLimited) {
  TransactionHarness h({.max_pending = 1});
  const std::string id = h.SendHalf("m1");
  EXPECT_EQ(h.Send(h.HalfMessage("m2")).status().code(), v2::TOO_MANY_REQUESTS);
  h.End(id, v2::COMMIT);
  EXPECT_NE(h.SendHalf("m3"), "");
}

TEST_F(TransactionTest, WithoutSpaceForPendingMessagesHalvesAreRefused) {
  h_.store().SetCarryBudget(0);
  const v2::Status refused = h_.Send(h_.HalfMessage("m1")).status();
  EXPECT_EQ(refused.code(), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused.message(), HasSubstr("retention.carry-percent"));
  h_.store().SetCarryBudget(1);
  EXPECT_NE(h_.SendHalf("m2"), "");
}

TEST_F(TransactionTest, AnEndedHalfIsCarriedNoLonger) {
  const std::string committed = h_.SendHalf("m1");
  const std::string rolled_back = h_.SendHalf("m2");
  h_.SendHalf("m3");
  const store::QueueKey halves{h_.life().metadata.FindTopic(kHalfTopic)->id, 0};
  h_.store().CarryAndTrimQueue(halves, 3);
  EXPECT_EQ(h_.store().CarriedEntries(halves, 0, 10).size(), 3u);
  h_.End(committed, v2::COMMIT);
  EXPECT_EQ(h_.store().CarriedEntries(halves, 0, 10).size(), 2u);
  h_.End(rolled_back, v2::ROLLBACK);
  EXPECT_EQ(h_.store().CarriedEntries(halves, 0, 10).size(), 1u);
  h_.life().metadata.DeleteTopic(kTopic, [](const absl::StatusOr<TopicPtr>&) {});
  EXPECT_THAT(h_.store().CarriedEntries(halves, 0, 10), IsEmpty());
}

TEST_F(TransactionTest, PendingHalvesSurviveRestarts) {
  const std::string first = h_.SendHalf("m1");
  h_.Restart();
  const std::string second = h_.SendHalf("m2");
  h_.Restart(/*from_checkpoint=*/true);
  EXPECT_EQ(h_.End(second, v2::COMMIT).code(), v2::OK);
  EXPECT_EQ(h_.End(first, v2::COMMIT).code(), v2::OK);
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m2", "m1"));
}

TEST_F(TransactionTest, PendingHalvesAreLiveMessages) {
  const std::string first = h_.SendHalf("m1");
  const std::string second = h_.SendHalf("m2");
  h_.SendHalf("m3");
  h_.End(second, v2::ROLLBACK);
  const store::QueueKey queue{h_.life().metadata.FindTopic(kHalfTopic)->id, 0};
  const auto offsets = [&](uint64_t from, uint64_t to, size_t max) {
    std::vector<uint64_t> found;
    for (const auto& live : h_.life().features.LiveMessages(queue, from, to, max)) {
      found.push_back(live.offset);
    }
    return found;
  };
  EXPECT_THAT(offsets(0, 3, 10), ElementsAre(0, 2));
  EXPECT_THAT(offsets(0, 2, 10), ElementsAre(0));
  EXPECT_THAT(offsets(1, 3, 10), ElementsAre(2));
  EXPECT_THAT(offsets(0, 3, 1), ElementsAre(0));
  EXPECT_THAT(h_.life().features.LiveMessages({queue.topic + 1, 0}, 0, 3, 10), IsEmpty());
}

TEST_F(TransactionTest, ADeletedTopicTakesItsHalvesWithIt) {
  const std::string id = h_.SendHalf("m1");
  h_.life().metadata.DeleteTopic(kTopic, [](const absl::StatusOr<TopicPtr>&) {});
  EXPECT_EQ(Totals().pending(), 0);
  h_.CreateTopic(kTopic);
  ExpectRefused(h_.End(id, v2::COMMIT), "was deleted");
}

TEST_F(TransactionTest, SystemTopicsCannotBeDeleted) {
  absl::Status status;
  h_.life().metadata.DeleteTopic(
      kHalfTopic, [&](const absl::StatusOr<TopicPtr>& result) { status = result.status(); });
  EXPECT_EQ(CodeOf(status), v2::ILLEGAL_TOPIC);
}

TEST_F(TransactionTest, AProducerIsAskedAboutAnUndecidedHalf) {
  const auto producer = h_.AddProducer("p1");
  const std::string id = h_.SendHalf("m1");
  h_.Advance(absl::Seconds(5));
  EXPECT_THAT(h_.Checks(producer), IsEmpty());
  h_.Advance(absl::Seconds(1));
  const auto checks = h_.Checks(producer);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].transaction_id(), id);
  const v2::Message& message = checks[0].message();
  EXPECT_EQ(message.topic().name(), kTopic);
  EXPECT_EQ(message.body(), "body of m1");
  EXPECT_EQ(message.user_properties().at("color"), "red");
  const v2::SystemProperties& system = message.system_properties();
  EXPECT_EQ(system.message_id(), "m1");
  EXPECT_EQ(system.tag(), "tag");
  EXPECT_EQ(system.message_type(), v2::TRANSACTION);
  EXPECT_EQ(system.body_digest().type(), v2::MD5);
  EXPECT_EQ(system.body_encoding(), v2::IDENTITY);
  EXPECT_TRUE(system.has_born_timestamp());
  EXPECT_EQ(system.delivery_attempt(), 1);

  h_.Advance(absl::Seconds(29));
  EXPECT_EQ(h_.Checks(producer).size(), 1u);
  h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.Checks(producer).size(), 2u);
  EXPECT_EQ(h_.End(id, v2::COMMIT).code(), v2::OK);
  h_.Advance(absl::Minutes(20));
  EXPECT_EQ(h_.Checks(producer).size(), 2u);
}

TEST_F(TransactionTest, TheMessageOrItsTopicSaysWhenTheFirstCheckIs) {
  const auto producer = h_.AddProducer("p1");
  v2::Message late = h_.HalfMessage("late");
  late.mutable_system_properties()->mutable_orphaned_transaction_recovery_duration()->set_seconds(
      60);
  h_.Send(late);
  h_.Advance(absl::Seconds(59));
  EXPECT_THAT(h_.Checks(producer), IsEmpty());
  h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.Checks(producer).size(), 1u);

  h_.CreateTopic("hasty", {.first_check_ms = 1000, .interval_ms = 2000, .max_checks = 2});
  const auto hasty = h_.AddProducer("p2", "hasty");
  v2::Message message = h_.HalfMessage("m1");
  message.mutable_topic()->set_name("hasty");
  h_.Send(message);
  h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.Checks(hasty).size(), 1u);
  h_.Advance(absl::Seconds(2));
  EXPECT_EQ(h_.Checks(hasty).size(), 2u);
  h_.Advance(absl::Seconds(2));
  EXPECT_THAT(h_.Ids(kExpiredTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, EachCheckAsksTheNextProducer) {
  const auto first = h_.AddProducer("p1");
  const auto second = h_.AddProducer("p2");
  const auto other = h_.AddProducer("p3", "other");
  h_.SendHalf("m1");
  h_.Advance(absl::Seconds(6 + 3 * 30));
  EXPECT_EQ(h_.Checks(first).size(), 2u);
  EXPECT_EQ(h_.Checks(second).size(), 2u);
  EXPECT_THAT(h_.Checks(other), IsEmpty());
}

TEST_F(TransactionTest, AnotherProducerIsAskedWhenOneCannotBe) {
  const auto broken = h_.AddProducer("p1");
  const auto sound = h_.AddProducer("p2");
  broken->Finish(absl::OkStatus());  // the registry does not know yet
  h_.SendHalf("m1");
  h_.SendHalf("m2");
  h_.Advance(absl::Seconds(6));
  EXPECT_EQ(h_.Checks(sound).size(), 2u);
}

TEST_F(TransactionTest, RoundsWithoutAProducerDoNotCount) {
  TransactionHarness h(
      {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 2}});
  const std::string id = h.SendHalf("m1");
  h.Advance(absl::Minutes(10));
  EXPECT_THAT(h.Ids(kExpiredTopic), IsEmpty());
  const auto producer = h.AddProducer("p1");
  h.Advance(absl::Seconds(1));  // at once, not an interval later
  ASSERT_EQ(h.Checks(producer).size(), 1u);
  h.Advance(absl::Seconds(1));
  EXPECT_EQ(h.Checks(producer).size(), 2u);
}

TEST_F(TransactionTest, AHalfThatEndsWhileItWaitsForAProducerIsForgotten) {
  const std::string id = h_.SendHalf("m1");
  h_.Advance(absl::Seconds(10));
  EXPECT_EQ(h_.life().timers.size(), 1u);  // looks for a producer
  h_.End(id, v2::COMMIT);
  h_.Advance(absl::Seconds(2));
  EXPECT_EQ(h_.life().timers.size(), 0u);
}

TEST_F(TransactionTest, AHalfThatCannotBeReadIsNotAskedButCanBeRolledBack) {
  const auto producer = h_.AddProducer("p1");
  const std::string unreadable = h_.SendHalf("m1");
  h_.SendHalf("m2");
  h_.store().TrimQueue({h_.life().metadata.FindTopic(kHalfTopic)->id, 0}, 1);
  h_.Advance(absl::Minutes(1));
  for (const auto& check : h_.Checks(producer)) EXPECT_NE(check.transaction_id(), unreadable);
  EXPECT_EQ(h_.Checks(producer).size(), 2u);
  EXPECT_NE(h_.End(unreadable, v2::COMMIT).code(), v2::OK);
  EXPECT_THAT(h_.Ids(kTopic), IsEmpty());
  EXPECT_EQ(h_.End(unreadable, v2::ROLLBACK).code(), v2::OK);
}

TEST(TransactionLostTest, AHalfThatIsLostIsRolledBackAfterItsLastCheck) {
  for (const bool damaged : {false, true}) {
    TransactionHarness h(
        {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 2}});
    const auto producer = h.AddProducer("p1");
    const std::string lost = h.SendHalf("m1");
    const store::QueueKey halves{h.life().metadata.FindTopic(kHalfTopic)->id, 0};
    if (damaged) {
      h.store().SetHot(true, false);
      h.store().FailReads(halves, 0, absl::DataLossError("damaged"));
    } else {
      h.store().TrimQueue(halves, 1);
    }
    h.Advance(absl::Seconds(4));
    EXPECT_THAT(h.Checks(producer), IsEmpty());
    EXPECT_THAT(h.life().transactions->state().pending(), 0u);
    EXPECT_EQ(h.End(lost, v2::ROLLBACK).code(), v2::OK);
  }
}

TEST(TransactionLostTest, AHalfThatCannotBeReadForAWhileIsAskedLater) {
  TransactionHarness h(
      {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 2}});
  const auto producer = h.AddProducer("p1");
  h.SendHalf("m1");
  const store::QueueKey halves{h.life().metadata.FindTopic(kHalfTopic)->id, 0};
  h.store().SetHot(true, false);
  h.store().FailReads(halves, 0, absl::InternalError("disk"));
  h.Advance(absl::Seconds(10));
  EXPECT_THAT(h.Checks(producer), IsEmpty());
  h.store().FailReads(halves, 0, absl::OkStatus());
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(h.Checks(producer).size(), 2u);
}

TEST(TransactionLargeTest, AHalfOfTheLargestSizeCanExpire) {
  TransactionHarness h(
      {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 1}});
  h.store().SetMaxAppendBytes(10'000);
  size_t bytes = 10'000;
  while (h.Send(h.LargeHalf("m1", bytes)).status().code() == v2::PAYLOAD_TOO_LARGE) --bytes;
  EXPECT_GT(bytes, 8'000u);
  const auto producer = h.AddProducer("p1");
  h.Advance(absl::Seconds(3));
  EXPECT_THAT(h.Ids(kExpiredTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, WhoSendsHalvesIsAskedAlsoWithoutSettings) {
  auto stream = std::make_shared<rpc::testing::FakeBidiCall>(h_.Headers("sender"));
  ASSERT_TRUE(h_.life().clients.StreamOpened("sender", stream).ok());
  h_.SendHalf("m1");
  h_.Advance(absl::Seconds(6));
  EXPECT_EQ(h_.Checks(stream).size(), 1u);
}

TEST_F(TransactionTest, AfterTheLastCheckAHalfExpiresWithItsReason) {
  const auto producer = h_.AddProducer("p1");
  const std::string id = h_.SendHalf("m1");
  h_.Advance(absl::Seconds(6 + 14 * 30));
  EXPECT_EQ(h_.Checks(producer).size(), 15u);
  EXPECT_THAT(h_.Ids(kExpiredTopic), IsEmpty());
  h_.Advance(absl::Seconds(30));
  EXPECT_EQ(h_.Checks(producer).size(), 15u);
  EXPECT_THAT(h_.Ids(kExpiredTopic), ElementsAre("m1"));
  EXPECT_THAT(h_.Ids(kTopic), IsEmpty());

  EXPECT_EQ(h_.End(id, v2::ROLLBACK).code(), v2::OK);
  ExpectRefused(h_.End(id, v2::COMMIT), "TRANS_CHECK_MAX_TIME_TOPIC");
  const auto expired = List(v1::TRANSACTION_STATE_EXPIRED);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].transaction_id(), id);
  EXPECT_EQ(expired[0].message_id(), "m1");
  EXPECT_EQ(expired[0].topic(), kTopic);
  EXPECT_EQ(expired[0].checks(), 15);
  EXPECT_THAT(expired[0].reason(), HasSubstr("check 15"));

  // Also when the half itself has gone.
  h_.store().TrimQueue({h_.life().metadata.FindTopic(kHalfTopic)->id, 0}, 1);
  const auto shown = Describe(id).transaction();
  EXPECT_EQ(shown.state(), v1::TRANSACTION_STATE_EXPIRED);
  EXPECT_EQ(shown.transaction_id(), id);
  EXPECT_EQ(shown.checks(), 15);
  EXPECT_EQ(shown.reason(), expired[0].reason());
  EXPECT_EQ(shown.ended().seconds(), expired[0].ended().seconds());
  EXPECT_EQ(shown.message().body(), "body of m1");
}

TEST_F(TransactionTest, ExpiredOnesOfATopicAreFoundBehindNewerOnesOfOthers) {
  TransactionHarness h(
      {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 1}});
  h.CreateTopic("other");
  const auto producer = h.AddProducer("p1");
  const auto other = h.AddProducer("p2", "other");
  h.SendHalf("m1");
  h.SendHalf("m2");
  h.Advance(absl::Seconds(3));
  for (int i = 0; i < 300; ++i) {
    v2::Message message = h.HalfMessage(std::to_string(i));
    message.mutable_topic()->set_name("other");
    h.Send(message);
  }
  h.Advance(absl::Seconds(5));
  ASSERT_EQ(h.Ids(kExpiredTopic).size(), 302u);
  v1::ListTransactionsRequest request;
  request.set_state(v1::TRANSACTION_STATE_EXPIRED);
  request.set_topic(kTopic);
  for (const int limit : {1, 50}) {
    request.set_limit(limit);
    const auto listed = h.Call<v1::ListTransactionsResponse>("ListTransactions", request);
    ASSERT_EQ(listed.transactions_size(), std::min(limit, 2));
    EXPECT_EQ(listed.transactions(0).message_id(), "m2");
  }
}

TEST_F(TransactionTest, ListsOfLargeHalvesAreReadInPieces) {
  for (int i = 0; i < 100; ++i) h_.Send(h_.LargeHalf(std::to_string(i), 1 << 20));
  h_.store().SetHot(false, false);
  h_.store().HoldColdJobs(true);
  v1::ListTransactionsRequest request;
  request.set_limit(100);
  const auto list = h_.Start("ListTransactions", request);
  for (int piece = 0; piece < 100; ++piece) {
    const size_t before = h_.store().reads();
    EXPECT_FALSE(list->finished());
    h_.store().RunColdJobs();
    EXPECT_LE(h_.store().reads() - before, 4u);
  }
  const auto listed = list->Response<v1::ListTransactionsResponse>();
  ASSERT_EQ(listed.transactions_size(), 100);
  for (const auto& info : listed.transactions()) EXPECT_EQ(info.body_bytes(), 1 << 20);
}

TEST_F(TransactionTest, ChecksAreCountedOverRestarts) {
  for (int i = 0; i < 15; ++i) {
    if (i == 0) h_.SendHalf("m1");
    h_.Restart(/*from_checkpoint=*/i % 2 == 0);
    const auto producer = h_.AddProducer("p1");
    h_.Advance(absl::Seconds(30));
    EXPECT_EQ(h_.Checks(producer).size(), 1u) << i;
  }
  h_.Restart();
  const auto producer = h_.AddProducer("p1");
  h_.Advance(absl::Seconds(30));
  EXPECT_THAT(h_.Checks(producer), IsEmpty());
  EXPECT_THAT(h_.Ids(kExpiredTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, ColdHalvesAreCommittedAndChecked) {
  const auto producer = h_.AddProducer("p1");
  const std::string id = h_.SendHalf("m1");
  h_.store().SetHot(/*entries=*/false, /*messages=*/false);
  h_.Advance(absl::Seconds(6));
  EXPECT_EQ(h_.Checks(producer).size(), 1u);
  EXPECT_EQ(h_.End(id, v2::COMMIT).code(), v2::OK);
  h_.store().SetHot(true, true);
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m1"));
}

TEST_F(TransactionTest, ManyDueHalvesAreAllAsked) {
  const auto producer = h_.AddProducer("p1");
  for (int i = 0; i < 1000; ++i) h_.SendHalf(std::to_string(i));
  h_.Advance(absl::Seconds(10));
  EXPECT_EQ(h_.Checks(producer).size(), 1000u);
}

TEST_F(TransactionTest, ChecksOfLargeHalvesLeaveRoomForOthers) {
  const auto producer = h_.AddProducer("p1");
  for (int i = 0; i < 100; ++i) h_.Send(h_.LargeHalf(std::to_string(i), 1 << 20));
  const std::string id = h_.SendHalf("small");
  h_.store().SetHot(false, false);
  h_.store().HoldColdJobs(true);
  h_.clock.Advance(absl::Seconds(6));
  h_.life().timers.RunDue();
  v2::EndTransactionRequest request;
  request.mutable_topic()->set_name(kTopic);
  request.set_transaction_id(id);
  request.set_resolution(v2::COMMIT);
  const auto commit = h_.Start("EndTransaction", request);
  const size_t reads = h_.store().reads();
  h_.store().RunColdJobs();  // of the checks, and of the commit beside them
  h_.store().RunColdJobs();
  EXPECT_TRUE(commit->finished());
  EXPECT_LE(h_.store().reads() - reads, 10u);
  h_.store().HoldColdJobs(false);
  for (int round = 0; round < 200; ++round) h_.Advance(absl::Milliseconds(5));
  EXPECT_EQ(h_.Checks(producer).size(), 100u);
}

TEST_F(TransactionTest, AProducerThatTakesNothingHoldsOnlyItsOwnTopicUp) {
  const auto slow = h_.AddProducer("p1");
  slow->RefuseWrites(true);
  for (int i = 0; i < 600; ++i) h_.SendHalf(std::to_string(i));
  h_.CreateTopic("other");
  const auto other = h_.AddProducer("p2", "other");
  v2::Message message = h_.HalfMessage("m1");
  message.mutable_topic()->set_name("other");
  h_.Send(message);
  h_.store().SetHot(true, false);
  h_.Advance(absl::Seconds(7));
  EXPECT_EQ(h_.Checks(other).size(), 1u);
  const size_t reads = h_.store().reads();
  h_.Advance(absl::Seconds(10));
  EXPECT_LE(h_.store().reads() - reads, 10u * 256);  // one round a second
  slow->RefuseWrites(false);
  h_.Advance(absl::Seconds(5));
  EXPECT_EQ(h_.Checks(slow).size(), 600u);
}

TEST_F(TransactionTest, AHalfThatIsRefusedDoesNotKeepTheOthersOfItsTopicWaiting) {
  const auto busy = h_.AddProducer("p1");
  busy->RefuseWritesOver(1 << 20);  // its other topics fill its stream
  for (int i = 0; i < 3; ++i) h_.Send(h_.LargeHalf("large" + std::to_string(i), 3 << 20));
  for (int i = 0; i < 10; ++i) h_.SendHalf(std::to_string(i));
  for (int i = 0; i < 12; ++i) h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.Checks(busy).size(), 10u);
  busy->RefuseWritesOver(8 << 20);
  for (int i = 0; i < 4; ++i) h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.Checks(busy).size(), 13u);
}

TEST_F(TransactionTest, AProducerIsShownTheWholeMessageHoweverLarge) {
  const auto producer = h_.AddProducer("p1");
  h_.Send(h_.LargeHalf("large", 100'000));
  h_.Advance(absl::Seconds(6));
  const auto checks = h_.Checks(producer);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].message().body(), std::string(100'000, 'x'));
}

TEST_F(TransactionTest, DueHalvesAreAskedWhileBrokerTimeStandsStill) {
  for (int i = 0; i < 600; ++i) h_.SendHalf(std::to_string(i));
  h_.Advance(absl::Seconds(10));  // overdue, but nobody is there
  h_.clock.SetWall(h_.clock.WallNow() - absl::Hours(1));
  for (int i = 0; i < 62; ++i) h_.Advance(absl::Seconds(1));
  const int64_t before = h_.life().time.NowMillis();
  const auto producer = h_.AddProducer("p1");
  for (int i = 0; i < 5; ++i) h_.Advance(absl::Seconds(1));
  EXPECT_EQ(h_.life().time.NowMillis(), before) << "it stands still";
  EXPECT_EQ(h_.Checks(producer).size(), 600u);
}

TEST(TransactionLimitTest, AHalfThatIsTooLargeForAnyCheckExpires) {
  TransactionHarness h(
      {.check_back = {.first_check_ms = 1000, .interval_ms = 1000, .max_checks = 2},
       .max_check_bytes = 2000});
  const auto producer = h.AddProducer("p1");
  h.Send(h.LargeHalf("large", 2000));
  h.SendHalf("small");
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(h.Checks(producer).size(), 2u);  // of the small one
  h.Advance(absl::Seconds(2));
  EXPECT_THAT(h.Ids(kExpiredTopic), testing::UnorderedElementsAre("large", "small"));
}

TEST_F(TransactionTest, PendingOnesAreListedShownAndResolved) {
  const std::string first = h_.SendHalf("m1");
  const std::string second = h_.SendHalf("m2");
  const auto pending = List(v1::TRANSACTION_STATE_PENDING);
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[0].transaction_id(), first);
  EXPECT_EQ(pending[0].message_id(), "m1");
  EXPECT_EQ(pending[1].topic(), kTopic);
  EXPECT_EQ(pending[1].next_check().seconds() - pending[1].stored().seconds(), 6);

  const auto shown = Describe(first).transaction();
  EXPECT_EQ(shown.state(), v1::TRANSACTION_STATE_PENDING);
  EXPECT_EQ(shown.message().body(), "body of m1");
  v1::ResolveTransactionRequest resolve;
  resolve.set_transaction_id(first);
  resolve.set_commit(true);
  EXPECT_EQ(h_.Call<v1::ResolveTransactionResponse>("ResolveTransaction", resolve).status().code(),
            v2::OK);
  EXPECT_EQ(Describe(first).transaction().state(), v1::TRANSACTION_STATE_COMMITTED);
  resolve.set_transaction_id(second);
  resolve.set_commit(false);
  h_.Call<v1::ResolveTransactionResponse>("ResolveTransaction", resolve);
  EXPECT_EQ(Describe(second).transaction().state(), v1::TRANSACTION_STATE_ROLLED_BACK);
  EXPECT_THAT(h_.Ids(kTopic), ElementsAre("m1"));
  EXPECT_EQ(Describe("nonsense").status().code(), v2::INVALID_TRANSACTION_ID);
  EXPECT_THAT(List(v1::TRANSACTION_STATE_PENDING), IsEmpty());
}

}  // namespace
}  // namespace mansio::broker
