#include "broker/delay/read_ahead.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/feature_set.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

class TimerAppend : public store::Append {
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status& status) override { ADD_FAILURE() << status; }
};

// Pending timers in a store whose messages are cold, and nothing that fires them.
class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    features_.Add(&metadata_);
    features_.Add(&state_);
    store_ = std::make_unique<store::FakeStore>(&features_);
    mover_.Attach(store_.get());
    EXPECT_TRUE(metadata_.EnsureSystemTopic(kTimerTopic, 1).ok());
    store_->SetHot(false, false);
    state_.OnEarlier([this] { ahead_.Wake(); });
  }

  TimerKey Add(int64_t in_ms, const std::string& body = "b") {
    apache::rocketmq::v2::Message message;
    message.set_body(body);
    Provenance provenance;
    provenance.due_ms = time_.NowMillis() + in_ms;
    const ContentEncoder encoder(&message, "peer", time_.NowMillis(), provenance);
    auto append = std::make_unique<TimerAppend>();
    encoder.EncodeTo(append->BeginMessage(state_.QueueOf(0), 0, time_.NowMillis(), encoder.size()),
                     BodyDigest(body));
    append->SealMessage();
    const TimerKey timer = TimerKey::Of(provenance.due_ms, 0, next_offset_++);
    EXPECT_TRUE(store_->Submit(std::move(append)).ok());
    return timer;
  }
  void Advance(int64_t ms) {
    clock_.Advance(absl::Milliseconds(ms));
    timers_.RunDue();
  }
  // The bodies of what Take gives, "-" for what was not read.
  std::string Take(const std::vector<TimerKey>& timers, uint64_t max_bytes = 1 << 20) {
    std::string bodies;
    for (const ReadAhead::Content& content : ahead_.Take(timers, max_bytes)) {
      bodies += content.has_value() ? std::string(DecodeContent(*content)->body) : "-";
    }
    return bodies;
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  TimerQueue timers_{[this] { return time_.NowMillis(); }};
  Metadata metadata_{{}, &time_};
  DelayState state_{&metadata_};
  FeatureSet features_;
  std::unique_ptr<store::FakeStore> store_;
  Mover mover_{{}, &timers_};
  ReadAhead ahead_{{&state_, &mover_, &time_, &timers_},
                   {.ahead_ms = 5000, .bytes = 1000, .batch = 4, .batch_bytes = 1000}};
  store::QueueOffset next_offset_ = 0;
};

TEST_F(ReadAheadTest, ReadsWhatIsDueSoonAndNothingElse) {
  const TimerKey soon = Add(4000, "s"), later = Add(9000, "l");
  ahead_.Start();
  EXPECT_EQ(Take({soon, later}), "s-");
}

TEST_F(ReadAheadTest, ReadsTheRestWhenItsTimeComes) {
  const TimerKey later = Add(9000, "l");
  ahead_.Start();
  EXPECT_EQ(ahead_.bytes(), 0u);
  Advance(3999);
  EXPECT_EQ(ahead_.bytes(), 0u);
  Advance(1);
  EXPECT_GT(ahead_.bytes(), 0u);
  EXPECT_EQ(Take({later}), "l");
  EXPECT_EQ(ahead_.bytes(), 0u);
}

TEST_F(ReadAheadTest, ATimerThatIsAddedLaterIsReadInItsTurn) {
  ahead_.Start();
  const TimerKey later = Add(6000, "l");
  const TimerKey soon = Add(1000, "s");  // lately stored: whoever fires it finds it in memory
  Advance(1000);
  EXPECT_EQ(Take({soon}), "-");
  EXPECT_EQ(Take({later}), "l");
}

TEST_F(ReadAheadTest, GivesEachContentOnceAndDropsWhatWasPassed) {
  const TimerKey first = Add(10, "a"), second = Add(20, "b"), third = Add(30, "c");
  ahead_.Start();
  EXPECT_EQ(Take({second}), "b");
  EXPECT_EQ(Take({first}), "-");  // tried again
  EXPECT_EQ(Take({second, third}), "-c");
  EXPECT_EQ(ahead_.bytes(), 0u);
}

TEST_F(ReadAheadTest, GivesNoMoreThanWasAskedFor) {
  const TimerKey first = Add(10, std::string(100, 'a')), second = Add(20, "b"),
                 third = Add(30, std::string(100, 'c'));
  ahead_.Start();
  EXPECT_EQ(Take({first, second, third}, 1), std::string(100, 'a'));
  EXPECT_EQ(Take({second, third}, 300), "b" + std::string(100, 'c'));
}

TEST_F(ReadAheadTest, HoldsNoMoreThanItsLimitAndGoesOnWhenThereIsRoom) {
  std::vector<TimerKey> timers;
  for (int i = 0; i < 40; ++i) timers.push_back(Add(10 + i, std::string(100, 'x')));
  ahead_.Start();
  // The last read may go beyond it.
  EXPECT_GE(ahead_.bytes(), 1000u);
  EXPECT_LT(ahead_.bytes(), 2000u);
  size_t read = 0;
  for (const TimerKey& timer : timers) {
    read += Take({timer}) != "-";
    Advance(0);
  }
  EXPECT_EQ(read, timers.size());
  EXPECT_EQ(ahead_.bytes(), 0u);
}

TEST_F(ReadAheadTest, WhoComesWhileItReadsWaitsForIt) {
  const TimerKey first = Add(10, "a"), second = Add(20, "b"), later = Add(60'000, "l");
  store_->HoldColdJobs(true);
  ahead_.Start();
  int called = 0;
  EXPECT_FALSE(ahead_.WaitFor({later}, [] {}));
  ASSERT_TRUE(ahead_.WaitFor({first}, [&called] { ++called; }));
  EXPECT_EQ(called, 0);
  store_->RunColdJobs();
  EXPECT_EQ(called, 1);
  EXPECT_FALSE(ahead_.WaitFor({first}, [] {}));
  EXPECT_EQ(Take({first, second}), "ab");
}

TEST_F(ReadAheadTest, WhatCannotBeReadIsLeftOut) {
  const TimerKey first = Add(10, "a"), second = Add(20, "b"), third = Add(30, "c");
  store_->FailReads(state_.QueueOf(0), second.offset(), absl::UnavailableError("slow"));
  ahead_.Start();
  EXPECT_EQ(Take({first, second, third}), "a-c");
}

TEST_F(ReadAheadTest, StopEndsIt) {
  const TimerKey first = Add(10, "a");
  const TimerKey later = Add(9000, "l");
  store_->HoldColdJobs(true);
  ahead_.Start();
  int called = 0;
  ASSERT_TRUE(ahead_.WaitFor({first}, [&called] { ++called; }));
  ahead_.Stop();
  store_->RunColdJobs();
  EXPECT_EQ(called, 1);  // who waits finds out for himself
  Advance(10'000);
  EXPECT_EQ(Take({first, later}), "a-");
}

}  // namespace
}  // namespace mansio::broker
