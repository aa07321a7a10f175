#include "broker/move/mover.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "common/clock/broker_time.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

constexpr store::QueueKey kQueue{1, 0};

class PlainAppend : public store::Append {
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status& status) override { ADD_FAILURE() << status; }
};

// The order in which messages are read from disk.
class ReadingStore : public store::FakeStore {
 public:
  absl::StatusOr<store::StoredMessage> ReadMessage(store::QueueKey queue, store::QueueOffset offset,
                                                   const store::QueueEntry& entry) override {
    reads.push_back(offset);
    return FakeStore::ReadMessage(queue, offset, entry);
  }
  absl::StatusOr<std::vector<store::QueueEntry>> ReadEntries(store::QueueKey queue,
                                                             store::QueueOffset from,
                                                             size_t max) override {
    lookups.push_back({from, max});
    return FakeStore::ReadEntries(queue, from, max);
  }
  std::vector<store::QueueOffset> reads;
  std::vector<std::pair<store::QueueOffset, size_t>> lookups;
};

class MoverTest : public testing::Test {
 protected:
  MoverTest() { Use({.bytes_in_flight = 1 << 20}); }

  void Use(Mover::Limits limits) {
    mover_ = std::make_unique<Mover>(limits, &timers_);
    mover_->Attach(&store_);
  }
  void Store(const std::string& content) {
    auto append = std::make_unique<PlainAppend>();
    append->AddMessage(kQueue, 0, 1, content);
    ASSERT_TRUE(store_.Submit(std::move(append)).ok());
  }
  MoveSource Source(store::QueueOffset offset) {
    return {kQueue, offset, store_.HotEntries(kQueue, offset, 1)->at(0)};
  }
  // Gathers and keeps what comes in got_, one text a message.
  void Gather(std::vector<MoveSource> sources) {
    mover_->Gather(std::move(sources), [this](auto messages) {
      std::string line;
      for (const auto& message : messages) {
        line += message.ok() ? std::string(message->view.content)
                             : absl::StatusCodeToString(message.status().code());
        line += ";";
      }
      got_.push_back(line);
    });
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  TimerQueue timers_{[this] { return time_.NowMillis(); }};
  ReadingStore store_;
  std::unique_ptr<Mover> mover_;
  std::vector<std::string> got_;
};

using Lines = std::vector<std::string>;

TEST_F(MoverTest, GathersFromMemoryAtOnce) {
  Store("a");
  Store("b");
  Gather({Source(1), Source(0)});
  EXPECT_EQ(got_, Lines{"b;a;"});
  EXPECT_TRUE(store_.reads.empty());
}

TEST_F(MoverTest, ReadsTheRestInTheOrderOfTheLog) {
  for (const char* content : {"a", "b", "c"}) Store(content);
  const std::vector<MoveSource> sources = {Source(2), Source(0), Source(1)};
  store_.SetHot(true, false);
  Gather(sources);
  EXPECT_EQ(got_, Lines{"c;a;b;"});
  EXPECT_EQ(store_.reads, (std::vector<store::QueueOffset>{0, 1, 2}));
}

TEST_F(MoverTest, LooksUpEntriesThatAreNotKnown) {
  Store("a");
  Gather({{kQueue, 0, {}}});
  store_.SetHot(false, false);
  Gather({{kQueue, 0, {}}, {kQueue, 7, {}}});
  EXPECT_EQ(got_, (Lines{"a;", "a;NOT_FOUND;"}));
}

TEST_F(MoverTest, LooksNeighboursUpTogetherAndReadsInTheOrderOfTheLog) {
  for (int i = 0; i < 600; ++i) Store("m" + std::to_string(i));
  store_.SetHot(false, false);
  Gather({{kQueue, 599, {}}, {kQueue, 3, {}}, {kQueue, 258, {}}, {kQueue, 259, {}}});
  EXPECT_EQ(got_, Lines{"m599;m3;m258;m259;"});
  using Lookups = std::vector<std::pair<store::QueueOffset, size_t>>;
  EXPECT_EQ(store_.lookups, (Lookups{{3, 256}, {259, 1}, {599, 1}}));
  EXPECT_EQ(store_.reads, (std::vector<store::QueueOffset>{3, 258, 259, 599}));
}

TEST_F(MoverTest, NeighboursOfWhatIsGoneAreStillFound) {
  for (const char* content : {"a", "b", "c", "d"}) Store(content);
  store_.TrimQueue(kQueue, 2);
  store_.SetHot(false, false);
  Gather({{kQueue, 1, {}}, {kQueue, 3, {}}});
  EXPECT_EQ(got_, Lines{"NOT_FOUND;d;"});
}

TEST_F(MoverTest, GathersNoMoreThanWasAskedFor) {
  for (int i = 0; i < 4; ++i) Store(std::string(1000, static_cast<char>('a' + i)));
  const std::vector<MoveSource> unknown = {
      {kQueue, 3, {}}, {kQueue, 2, {}}, {kQueue, 1, {}}, {kQueue, 0, {}}};
  size_t gathered = 0;
  const auto count = [&gathered](auto messages) {
    gathered = messages.size();
    EXPECT_EQ(messages.front()->view.content[0], 'd');
  };
  for (const bool hot : {true, false}) {
    store_.SetHot(hot, hot);
    mover_->GatherSome(unknown, 2500, count);
    EXPECT_EQ(gathered, 2u);
    mover_->GatherSome(unknown, 1, count);
    EXPECT_EQ(gathered, 1u);
    mover_->GatherSome(unknown, 1 << 20, count);
    EXPECT_EQ(gathered, 4u);
  }
  EXPECT_EQ(store_.reads.size(), 7u);
}

TEST_F(MoverTest, WhatTurnsOutToBeLargeCountsAsSuch) {
  Use({.bytes_in_flight = 10'000});
  for (int i = 0; i < 3; ++i) Store(std::string(9000, 'x'));
  store_.SetHot(false, false);
  store_.HoldColdJobs(true);
  Gather({{kQueue, 0, {}}});
  EXPECT_EQ(store_.RunColdJobs(), 1u);
  // What it counted has been given back, whatever it was: two guesses fit, and no third.
  for (store::QueueOffset i = 0; i < 3; ++i) Gather({{kQueue, i, {}}});
  EXPECT_EQ(store_.RunColdJobs(), 2u);
  EXPECT_EQ(store_.RunColdJobs(), 1u);
  EXPECT_EQ(got_.size(), 4u);
}

TEST_F(MoverTest, WhatRetentionHasTakenIsNotFound) {
  Store("a");
  Store("b");
  const MoveSource first = Source(0);
  store_.TrimQueue(kQueue, 1);
  store_.SetHot(false, false);
  Gather({first, {kQueue, 0, {}}, {kQueue, 1, {}}});
  EXPECT_EQ(got_, Lines{"NOT_FOUND;NOT_FOUND;b;"});
}

TEST_F(MoverTest, FindsAMessageThatWasCarriedElsewhere) {
  Store("a");
  MoveSource old = Source(0);
  old.entry.log_offset += 1'000'000;  // where it no longer is
  Gather({old});
  EXPECT_EQ(got_, Lines{"a;"});
}

TEST_F(MoverTest, BytesInFlightAreBounded) {
  Use({.bytes_in_flight = 300});
  for (int i = 0; i < 3; ++i) Store(std::string(150, static_cast<char>('a' + i)));
  const std::vector<MoveSource> sources = {Source(0), Source(1), Source(2)};
  store_.SetHot(true, false);
  store_.HoldColdJobs(true);
  for (const MoveSource& source : sources) Gather({source});
  EXPECT_EQ(store_.RunColdJobs(), 1u);  // one alone takes more than half of the limit
  EXPECT_EQ(got_.size(), 1u);
  EXPECT_EQ(store_.RunColdJobs(), 1u);
  EXPECT_EQ(store_.RunColdJobs(), 1u);
  EXPECT_EQ(got_.size(), 3u);
  EXPECT_EQ(got_[2][0], 'c');
}

TEST_F(MoverTest, OneThatIsLargerThanTheLimitIsLetThrough) {
  Use({.bytes_in_flight = 10});
  Store(std::string(1000, 'x'));
  Gather({Source(0)});
  EXPECT_EQ(got_.size(), 1u);
}

TEST_F(MoverTest, AFullColdPoolIsAskedAgain) {
  Store("a");
  const MoveSource source = Source(0);
  store_.SetHot(true, false);
  store_.RefuseColdJobs(true);
  Gather({source});
  EXPECT_TRUE(got_.empty());
  store_.RefuseColdJobs(false);
  clock_.Advance(absl::Seconds(1));
  timers_.RunDue();
  EXPECT_EQ(got_, Lines{"a;"});
}

TEST_F(MoverTest, AFullColdPoolIsAskedByOneTimerHoweverManyWait) {
  Store("a");
  const MoveSource source = Source(0);
  store_.SetHot(true, false);
  store_.RefuseColdJobs(true);
  for (int i = 0; i < 100; ++i) Gather({source});
  EXPECT_EQ(timers_.size(), 1u);
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(absl::Milliseconds(20));
    EXPECT_EQ(timers_.RunDue(), 1u);
    EXPECT_EQ(timers_.size(), 1u);
  }
  store_.RefuseColdJobs(false);
  clock_.Advance(absl::Milliseconds(20));
  timers_.RunDue();
  EXPECT_EQ(got_.size(), 100u);
  EXPECT_EQ(timers_.size(), 0u);
}

// Else somebody would take a message for lost that stands in the log.
TEST_F(MoverTest, WhatIsDamagedInTheCheckpointOnlyIsNotDamagedForGood) {
  Store("a");
  store_.SetHot(false, false);
  store_.FailEntries(absl::DataLossError("the checkpoint has lost an entry"));
  Gather({{kQueue, 0, {}}});
  EXPECT_EQ(got_, Lines{"INTERNAL;"});
  store_.FailEntries(absl::OkStatus());
  store_.FailReads(kQueue, 0, absl::DataLossError("damaged"));
  Gather({{kQueue, 0, {}}});
  EXPECT_EQ(got_.back(), "DATA_LOSS;");
}

TEST_F(MoverTest, ACallbackMayGatherManyTimesOver) {
  Store("a");
  int left = 200'000;  // would overflow the stack if each one nested
  std::function<void()> next = [&] {
    mover_->Gather({Source(0)}, [&](auto) {
      if (--left > 0) next();
    });
  };
  next();
  EXPECT_EQ(left, 0);
}

TEST_F(MoverTest, StopAnswersWhatWaitsAndFinishesWhatIsRead) {
  Use({.bytes_in_flight = 1});
  Store("a");
  Store("b");
  const MoveSource first = Source(0), second = Source(1);
  store_.SetHot(true, false);
  store_.HoldColdJobs(true);
  Gather({first});
  Gather({second});
  mover_->Stop();
  EXPECT_EQ(got_, Lines{"CANCELLED;"});
  store_.RunColdJobs();
  Gather({second});
  EXPECT_EQ(got_, (Lines{"CANCELLED;", "a;", "CANCELLED;"}));
}

}  // namespace
}  // namespace mansio::broker
