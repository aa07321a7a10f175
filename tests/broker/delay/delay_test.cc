#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "tests/broker/delay/delay_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DelayTest : public testing::Test {
 protected:
  DelayTest() {
    h_.CreateTopic("later", MessageType::kDelay);
    h_.CreateTopic("plain", MessageType::kNormal);
    start_ = h_.now();
  }
  DelayHarness h_;
  int64_t start_ = 0;
};

TEST_F(DelayTest, AnExactTimeIsNeverEarlyAndNotLate) {
  EXPECT_EQ(h_.Send(DelayHarness::AtTime("later", "a", start_ + 3000)).code, v2::OK);
  h_.Advance(2999);
  EXPECT_THAT(h_.Ids("later"), IsEmpty());
  h_.Advance(1);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
  EXPECT_EQ(h_.pending(), 0u);
  h_.Advance(60000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, TheDeliveredMessageCarriesTheTimestampThatWasSent) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 3000, 123'457));
  h_.Advance(3000);
  EXPECT_THAT(h_.Ids("later"), IsEmpty());  // 0.123457 ms are missing
  h_.Advance(1);
  const auto messages = h_.Messages("later");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].system.delivery_timestamp().nanos() % 1'000'000, 123'457);
  EXPECT_EQ(messages[0].system.message_type(), v2::DELAY);
}

TEST_F(DelayTest, ATimeThatHasPassedIsDeliveredAtOnce) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ - 1));
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
  EXPECT_EQ(sent.handle, "");
}

TEST_F(DelayTest, TooFarAheadIsRefusedWithTheLimit) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 25 * 3600 * 1000));
  EXPECT_EQ(sent.code, v2::ILLEGAL_DELIVERY_TIME);
  EXPECT_THAT(sent.text, HasSubstr("24h"));
}

TEST_F(DelayTest, TheLimitIsExact) {
  const int64_t last = start_ + 24 * 3600 * 1000;
  EXPECT_EQ(h_.Send(DelayHarness::AtTime("later", "a", last)).code, v2::OK);
  EXPECT_EQ(h_.Send(DelayHarness::AtTime("later", "b", last, 1)).code, v2::ILLEGAL_DELIVERY_TIME);
  EXPECT_EQ(h_.Send(DelayHarness::AtTime("later", "c", last + 1)).code, v2::ILLEGAL_DELIVERY_TIME);
  v2::Message odd = DelayHarness::AtTime("later", "d", last - 1000);
  odd.mutable_system_properties()->mutable_delivery_timestamp()->set_nanos(2'100'000'000);
  EXPECT_EQ(h_.Send(odd).code, v2::ILLEGAL_DELIVERY_TIME);
}

TEST_F(DelayTest, EachLevelHasItsDelayOnNormalAndDelayTopics) {
  h_.Send(DelayHarness::AtLevel("plain", "l2", "2"));
  h_.Send(DelayHarness::AtLevel("plain", "l1", "1"));
  h_.Send(DelayHarness::AtLevel("later", "last", "99999999999999999999999"));
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("plain"), ElementsAre("l1"));
  h_.Advance(4000);
  EXPECT_THAT(h_.Ids("plain"), ElementsAre("l1", "l2"));
  h_.Advance(4999);
  EXPECT_THAT(h_.Ids("later"), IsEmpty());
  h_.Advance(1);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("last"));
  EXPECT_EQ(h_.Messages("later")[0].properties, "");  // a consumer may send it on as it is
}

TEST_F(DelayTest, WhatIsNoLevelIsRefused) {
  for (const char* level : {"", "0", "-1", "two", "1.5", "00"}) {
    EXPECT_EQ(h_.Send(DelayHarness::AtLevel("plain", "a", level)).code,
              v2::ILLEGAL_MESSAGE_PROPERTY_KEY)
        << level;
  }
  EXPECT_EQ(h_.pending(), 0u);
}

TEST_F(DelayTest, ALevelAndSomethingElseOfItsKindAreRefused) {
  v2::Message message = DelayHarness::AtTime("later", "a", start_ + 3000);
  (*message.mutable_user_properties())["DELAY"] = "1";
  EXPECT_EQ(h_.Send(message).code, v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  message = DelayHarness::AtLevel("plain", "a", "1");
  message.mutable_system_properties()->set_message_group("g");
  EXPECT_EQ(h_.Send(message).code, v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
}

TEST_F(DelayTest, DueTimesDecideTheOrder) {
  h_.Send(DelayHarness::AtTime("later", "c", start_ + 3000));
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.Send(DelayHarness::AtTime("later", "b", start_ + 1000));
  h_.Advance(10000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "b", "c"));
}

TEST_F(DelayTest, OverdueTimersAreDeliveredAfterARestart) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.Send(DelayHarness::AtTime("later", "b", start_ + 90000));
  for (const bool from_checkpoint : {false, true}) {
    h_.clock.Advance(absl::Seconds(30));
    h_.Restart(from_checkpoint);
    h_.Settle();
    EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
  }
  h_.Advance(30000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "b"));
}

TEST_F(DelayTest, AWallClockThatJumpsFiresNothingEarly) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 30000));
  h_.clock.SetWall(h_.clock.WallNow() + absl::Hours(2));
  h_.Advance(20000);
  EXPECT_THAT(h_.Ids("later"), IsEmpty());
  h_.Advance(11000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, PendingLevelsKeepTheirTimeWhenTheConfigurationChanges) {
  h_.Send(DelayHarness::AtLevel("plain", "old", "3"));  // 10 s
  DelayOptions options = DelayHarness::Options();
  options.levels_ms = {1000, 5000, 2000, 60000};
  h_.Restart(false, options);
  h_.Send(DelayHarness::AtLevel("plain", "new", "3"));
  h_.Advance(2000);
  EXPECT_THAT(h_.Ids("plain"), ElementsAre("new"));
  h_.Advance(8000);
  EXPECT_THAT(h_.Ids("plain"), ElementsAre("new", "old"));
}

TEST_F(DelayTest, OddTimestampsAreInThePast) {
  for (const auto& [seconds, nanos] : std::vector<std::pair<int64_t, int32_t>>{
           {std::numeric_limits<int64_t>::min(), std::numeric_limits<int32_t>::min()},
           {-1, 5},
           {0, std::numeric_limits<int32_t>::max()}}) {
    v2::Message message = DelayHarness::MessageOf("later", std::to_string(seconds));
    message.mutable_system_properties()->mutable_delivery_timestamp()->set_seconds(seconds);
    message.mutable_system_properties()->mutable_delivery_timestamp()->set_nanos(nanos);
    EXPECT_EQ(h_.Send(message).code, v2::OK) << seconds;
  }
  EXPECT_EQ(h_.Ids("later").size(), 3u);
}

TEST_F(DelayTest, RecallIsTruthful) {
  h_.CreateTopic("other", MessageType::kDelay);
  const auto kept = h_.Send(DelayHarness::AtTime("later", "kept", start_ + 1000));
  const auto gone = h_.Send(DelayHarness::AtTime("later", "gone", start_ + 1000));
  const auto recalled = h_.Recall("later", gone.handle);
  EXPECT_EQ(recalled.status().code(), v2::OK);
  EXPECT_EQ(recalled.message_id(), "gone");
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("kept"));
  EXPECT_EQ(h_.Recall("later", gone.handle).status().code(), v2::OK);
  EXPECT_EQ(h_.Recall("later", kept.handle).status().code(), v2::NOT_FOUND);
  h_.Restart();
  EXPECT_EQ(h_.Recall("later", gone.handle).status().code(), v2::OK);
  EXPECT_EQ(h_.Recall("later", kept.handle).status().code(), v2::NOT_FOUND);
  EXPECT_EQ(h_.Recall("later", "nonsense").status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(h_.Recall("other", gone.handle).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(h_.Recall("plain", gone.handle).status().code(),
            v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  EXPECT_EQ(h_.Recall("nowhere", gone.handle).status().code(), v2::TOPIC_NOT_FOUND);
}

TEST_F(DelayTest, AMixedTopicDelaysAndRecalls) {
  h_.CreateTopic("mixed", MessageType::kMixed);
  h_.Send(DelayHarness::AtTime("mixed", "exact", start_ + 1000));
  h_.Send(DelayHarness::AtLevel("mixed", "level", "1"));
  const auto gone = h_.Send(DelayHarness::AtTime("mixed", "gone", start_ + 1000));
  EXPECT_THAT(h_.Ids("mixed"), testing::IsEmpty());
  EXPECT_EQ(h_.Recall("mixed", gone.handle).status().code(), v2::OK);
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("mixed"), testing::UnorderedElementsAre("exact", "level"));
}

TEST_F(DelayTest, AHandleRecallsNoOtherMessageAtItsPlace) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "kept", start_ + 1000));
  auto stale = *RecallHandle::Decode(sent.handle, h_.life().metadata.handle_key());
  stale.message_id = "taken back by a power cut";
  const std::string handle = stale.Encode(h_.life().metadata.handle_key());
  EXPECT_EQ(h_.Recall("later", handle).status().code(), v2::NOT_FOUND);
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("kept"));
}

TEST_F(DelayTest, AHandleOfAnotherBrokerNamesIt) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  auto foreign = *RecallHandle::Decode(sent.handle, h_.life().metadata.handle_key());
  foreign.broker = "broker-b";
  const auto answer = h_.Recall("later", foreign.Encode({7, 8}));
  EXPECT_EQ(answer.status().code(), v2::NOT_FOUND);
  EXPECT_THAT(answer.status().message(), HasSubstr("broker-b"));
}

TEST_F(DelayTest, ARecallThatMeetsAnotherJoinsIt) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  const auto first = h_.BeginRecall("later", sent.handle);
  const auto second = h_.BeginRecall("later", sent.handle);
  EXPECT_EQ(second->times_finished(), 0);
  h_.store().Run();
  EXPECT_EQ(first->Response<v2::RecallMessageResponse>().status().code(), v2::OK);
  EXPECT_EQ(second->Response<v2::RecallMessageResponse>().status().code(), v2::OK);
}

TEST_F(DelayTest, ATimerThatIsBeingDeliveredCannotBeRecalled) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.clock.Advance(absl::Seconds(1));
  h_.life().timers.RunDue();  // submitted, not applied
  EXPECT_EQ(h_.Recall("later", sent.handle).status().code(), v2::NOT_FOUND);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, ARecallThatIsNotLoggedLeavesTheTimer) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.store().AcceptOnly(0);
  EXPECT_EQ(h_.Recall("later", sent.handle).status().code(), v2::TOO_MANY_REQUESTS);
  h_.store().AcceptOnly(1000);
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, ATimerThatBecameDueDuringAFailedRecallIsDeliveredAllTheSame) {
  const auto sent = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  const auto call = h_.BeginRecall("later", sent.handle);
  h_.clock.Advance(absl::Seconds(1));
  h_.life().timers.RunDue();  // finds it claimed
  h_.store().StepFail(absl::UnavailableError("no"));
  EXPECT_NE(call->Response<v2::RecallMessageResponse>().status().code(), v2::OK);
  h_.Settle();
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, ARefusedFiringIsTriedAgain) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.store().AcceptOnly(0);
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), IsEmpty());
  h_.store().AcceptOnly(1000);
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

// A full disk: the firing was accepted, fails on its way, and later there is room again.
TEST_F(DelayTest, AFiringThatFailedInTheLogIsTriedAgain) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.clock.Advance(absl::Seconds(1));
  h_.life().timers.RunDue();
  h_.store().StepFail(absl::UnavailableError("no room"));
  h_.Settle();
  EXPECT_THAT(h_.Ids("later"), IsEmpty());
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a"));
}

TEST_F(DelayTest, ColdMessagesAreReadFromTheDisk) {
  for (int i = 0; i < 300; ++i) {
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), start_ + 1000 + i));
  }
  h_.store().SetHot(false, false);
  h_.Advance(5000);
  EXPECT_EQ(h_.Ids("later").size(), 300u);
}

TEST_F(DelayTest, AMessageThatCannotBeReadDelaysNoOther) {
  for (const char* id : {"a", "b", "c"}) {
    h_.Send(DelayHarness::AtTime("later", id, start_ + 1000));
  }
  h_.store().SetHot(false, false);
  h_.store().FailReads(h_.life().delay.state().QueueOf(0), 1, absl::InternalError("disk"));
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "c"));
  EXPECT_EQ(h_.pending(), 1u);
  h_.store().FailReads(h_.life().delay.state().QueueOf(0), 1, absl::OkStatus());
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "c", "b"));
}

// The end of the read may come between the decision to wait for it and the end of the round.
TEST_F(DelayTest, AReadThatEndsWhileItsTimersBecomeDueLosesNone) {
  h_.store().SetHot(false, false);
  for (int i = 0; i < 500; ++i) {
    h_.store().HoldColdJobs(true);
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), h_.now() + 200));
    h_.clock.Advance(absl::Milliseconds(199));
    h_.life().timers.RunDue();  // its read begins
    h_.clock.Advance(absl::Milliseconds(1));
    std::atomic<bool> go{false};
    std::thread disk([this, &go, i] {
      while (!go) {
      }
      for (std::atomic<int> wait{i % 100 * 20}; wait > 0; --wait) {
      }
      h_.store().RunColdJobs();
    });
    go = true;
    h_.life().timers.RunDue();
    disk.join();
    h_.store().HoldColdJobs(false);
    h_.store().RunColdJobs();
    h_.Settle();
    ASSERT_EQ(h_.pending(), 0u) << i;
  }
}

TEST_F(DelayTest, MessagesThatCannotBeReadAreTriedOnceASecondEach) {
  const store::QueueKey waiting = h_.life().delay.state().QueueOf(0);
  for (int i = 0; i < 3000; ++i) {
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), start_ + 1000));
    h_.store().FailReads(waiting, i, absl::InternalError("disk"));
  }
  h_.Send(DelayHarness::AtTime("later", "sound", start_ + 3000));
  h_.store().SetHot(false, false);
  h_.Advance(1000);
  const size_t reads = h_.store().reads();
  for (int i = 0; i < 200; ++i) h_.Advance(10);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("sound"));
  for (int i = 0; i < 800; ++i) h_.Advance(10);
  EXPECT_LE(h_.store().reads() - reads, 10u * 3001 + 10);
  EXPECT_EQ(h_.pending(), 3000u);
  for (int i = 0; i < 3000; ++i) h_.store().FailReads(waiting, i, absl::OkStatus());
  for (int i = 0; i < 300; ++i) h_.Advance(10);
  EXPECT_EQ(h_.pending(), 0u);
}

TEST_F(DelayTest, OnlyWhatIsDamagedInTheLogIsGivenUp) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.Send(DelayHarness::AtTime("later", "b", start_ + 1000));
  h_.store().SetHot(false, false);
  h_.store().FailEntries(absl::DataLossError("the checkpoint has lost an entry"));
  h_.Advance(10000);
  EXPECT_EQ(h_.pending(), 2u);
  h_.store().FailEntries(absl::OkStatus());
  h_.store().FailReads(h_.life().delay.state().QueueOf(0), 0, absl::DataLossError("damaged"));
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("b"));
  EXPECT_EQ(h_.pending(), 0u);
  EXPECT_EQ(h_.life().delay.state().fired(), 1u);
  EXPECT_EQ(h_.life().delay.state().lost(), 1u);
}

TEST_F(DelayTest, ManyDueMessagesFitSmallSegments) {
  for (const size_t segment : {64u << 10, 1u << 20}) {
    h_.store().SetMaxAppendBytes(segment);
    const size_t before = h_.Ids("later").size();
    for (int i = 0; i < 256; ++i) {
      v2::Message message = DelayHarness::AtTime("later", std::to_string(i), h_.now() + 1000);
      (*message.mutable_user_properties())["padding"] = std::string(i % 2 == 0 ? 5000 : 10, 'x');
      ASSERT_EQ(h_.Send(message).code, v2::OK);
    }
    for (int i = 0; i < 200; ++i) h_.Advance(10);
    EXPECT_EQ(h_.Ids("later").size() - before, 256u);
  }
}

TEST_F(DelayTest, WhatTheLogWouldNotTakeWhenItIsMovedIsRefused) {
  h_.store().SetMaxAppendBytes(2000);
  v2::Message message = DelayHarness::AtTime("later", "a", start_ + 1000);
  (*message.mutable_user_properties())["padding"] = std::string(1500, 'x');
  const auto refused = h_.Send(message);
  EXPECT_EQ(refused.code, v2::PAYLOAD_TOO_LARGE);
  EXPECT_THAT(refused.text, HasSubstr("store.segment-bytes"));
  message.mutable_system_properties()->clear_delivery_timestamp();
  message.mutable_topic()->set_name("plain");
  EXPECT_EQ(h_.Send(message).code, v2::PAYLOAD_TOO_LARGE) << "its retry is as large";
  (*message.mutable_user_properties())["padding"] = std::string(500, 'x');
  EXPECT_EQ(h_.Send(message).code, v2::OK);
}

// Segments were larger when it was sent.
TEST_F(DelayTest, AMessageThatIsTooLargeForTheLogHoldsNoOtherUp) {
  v2::Message large = DelayHarness::AtTime("later", "large", start_ + 1000);
  (*large.mutable_user_properties())["padding"] = std::string(5000, 'x');
  for (const char* id : {"a", "b"}) h_.Send(DelayHarness::AtTime("later", id, start_ + 1000));
  h_.Send(large);
  for (const char* id : {"c", "d"}) h_.Send(DelayHarness::AtTime("later", id, start_ + 1000));
  h_.store().SetMaxAppendBytes(3000);
  for (int i = 0; i < 300; ++i) h_.Advance(10);
  EXPECT_THAT(h_.Ids("later"), testing::UnorderedElementsAre("a", "b", "c", "d"));
  h_.store().SetMaxAppendBytes(1 << 20);
  h_.Advance(1000);
  EXPECT_EQ(h_.pending(), 0u);
}

TEST_F(DelayTest, AStormIsSpreadByTheBudget) {
  for (int i = 0; i < 5000; ++i) {
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), start_ + 1000));
  }
  h_.Advance(1000);
  const size_t at_once = h_.Ids("later").size();
  EXPECT_GT(at_once, 500u);
  EXPECT_LT(at_once, 3000u);
  for (int i = 0; i < 1000; ++i) h_.Advance(1);
  EXPECT_EQ(h_.Ids("later").size(), 5000u);
}

TEST_F(DelayTest, WhatIsOverdueIsDeliveredWhileBrokerTimeStandsStill) {
  for (int i = 0; i < 5000; ++i) {
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), start_ + 500));
  }
  h_.clock.SetWall(h_.clock.WallNow() - absl::Hours(1));
  for (int second = 0; second < 70; ++second) {
    h_.clock.Advance(absl::Seconds(1));
    h_.now();
  }
  const int64_t stands_at = h_.now();
  for (int i = 0; i < 1000; ++i) h_.Advance(1);
  EXPECT_EQ(h_.now(), stands_at);
  EXPECT_EQ(h_.Ids("later").size(), 5000u);
}

TEST_F(DelayTest, PendingMessagesAreNamedAsLive) {
  for (int i = 0; i < 5; ++i) {
    h_.Send(DelayHarness::AtTime("later", "m" + std::to_string(i), start_ + 1000 * (5 - i)));
  }
  h_.Advance(2000);  // the last two
  for (const bool restarted : {false, true}) {
    if (restarted) h_.Restart(true);
    const DelayState& state = h_.life().delay.state();
    const auto live = [&state](uint32_t level, store::QueueOffset from, size_t max) {
      std::vector<store::QueueOffset> offsets;
      for (const auto& message : state.LiveMessages(state.QueueOf(level), from, 100, max)) {
        offsets.push_back(message.offset);
      }
      return offsets;
    };
    EXPECT_THAT(live(0, 0, 100), ElementsAre(0, 1, 2));
    EXPECT_THAT(live(0, 1, 1), ElementsAre(1));
    EXPECT_THAT(live(1, 0, 100), IsEmpty());
  }
}

TEST_F(DelayTest, PendingMessagesOutliveTheirSegment) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.Send(DelayHarness::AtTime("later", "b", start_ + 2000));
  h_.Send(DelayHarness::AtTime("later", "c", start_ + 3000));
  h_.Advance(1000);
  const store::QueueKey waiting = h_.life().delay.state().QueueOf(0);
  h_.store().CarryAndTrimQueue(waiting, 3);
  EXPECT_THAT(h_.store().CarriedEntries(waiting, 0, 10), SizeIs(2));
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "b"));
  EXPECT_THAT(h_.store().CarriedEntries(waiting, 0, 10),
              SizeIs(1));  // it need not wait for its end
  h_.Advance(1000);
  EXPECT_THAT(h_.Ids("later"), ElementsAre("a", "b", "c"));
}

TEST_F(DelayTest, WithoutSpaceForPendingMessagesNewOnesAreRefused) {
  h_.store().SetCarryBudget(0);
  const auto refused = h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  EXPECT_EQ(refused.code, v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused.text, HasSubstr("retention.carry-percent"));
  EXPECT_EQ(h_.Send(DelayHarness::AtTime("later", "at once", start_)).code, v2::OK);
}

TEST_F(DelayTest, ATimerOfADeletedTopicEndsWithoutADelivery) {
  h_.Send(DelayHarness::AtTime("later", "a", start_ + 1000));
  h_.life().metadata.DeleteTopic("later", [](absl::StatusOr<TopicPtr>) {});
  h_.store().Run();
  h_.Advance(1000);
  EXPECT_EQ(h_.pending(), 0u);
}

TEST(DelayLimitTest, PendingTimersAreBounded) {
  DelayOptions options = DelayHarness::Options();
  options.max_pending = 1;
  DelayHarness h(options);
  h.CreateTopic("later", MessageType::kDelay);
  EXPECT_EQ(h.Send(DelayHarness::AtTime("later", "a", h.now() + 1000)).code, v2::OK);
  const auto refused = h.Send(DelayHarness::AtTime("later", "b", h.now() + 1000));
  EXPECT_EQ(refused.code, v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused.text, HasSubstr("limits.pending-timers"));
}

}  // namespace
}  // namespace mansio::broker
