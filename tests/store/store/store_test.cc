#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/store/support/store_harness.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr QueueKey kQueue{1, 0};

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class StoreTest : public ::testing::Test, protected StoreHarness {};

TEST_F(StoreTest, AMessageIsReadableWhenItsSendIsAnswered) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 2).ok());
  const AppendResult sent = *Send(kQueue, "hello", 99);
  ASSERT_THAT(sent.queue_offsets, ElementsAre(0));
  EXPECT_EQ(store->Range(kQueue).next, 1u);
  const auto entries = store->HotEntries(kQueue, 0, 10);
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().log_offset, sent.records[0]);
  EXPECT_EQ(entries->front().tag_hash, 99u);
  const auto hot = store->HotMessage(kQueue, 0, entries->front());
  ASSERT_TRUE(hot.has_value());
  EXPECT_EQ(hot->view.content, "hello");
  EXPECT_EQ(hot->view.queue, kQueue);
  EXPECT_EQ(hot->view.queue_offset, 0u);
  EXPECT_EQ(hot->view.store_time, time.NowMillis());
  const auto read = store->ReadMessage(kQueue, 0, entries->front());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->view.content, "hello");
  EXPECT_EQ(store->FirstStoreTime(kQueue), time.NowMillis());
  EXPECT_TRUE(store->NeverTrimmed(kQueue));
}

TEST_F(StoreTest, CursorsKeepTheirOrder) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "x").ok());
  const Cursors before = store->cursors();
  EXPECT_GE(before.appended, before.committed);
  EXPECT_GE(before.committed, before.applied);
  EXPECT_EQ(before.synced, before.applied) << "durability sync";
  EXPECT_EQ(before.checkpointed, 0u);
  ASSERT_TRUE(store->Checkpoint().ok());
  EXPECT_EQ(store->cursors().checkpointed, before.applied);
}

TEST_F(StoreTest, CloseLeavesNothingToReplay) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "a").ok());
  const std::string digest = machine->Digest();
  ASSERT_TRUE(store->Close().ok());
  ASSERT_TRUE(store->Close().ok()) << "again";
  EXPECT_TRUE(absl::IsUnavailable(Send(kQueue, "late").status()));
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_EQ(machine->applied(), 0u);
  EXPECT_EQ(machine->Digest(), digest);
  EXPECT_THAT(Contents(kQueue), ElementsAre("a"));
  EXPECT_EQ(Send(kQueue, "b")->queue_offsets[0], 1u);
}

TEST_F(StoreTest, WhatNoCheckpointHasIsReplayed) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "a").ok());
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Send(kQueue, "b").ok());
  ASSERT_TRUE(Put("k", "v").ok());
  const std::string digest = machine->Digest();
  const Epoch epoch = store->epoch();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(machine->replayed(), 2u);
  EXPECT_EQ(machine->Digest(), digest);
  EXPECT_GT(store->epoch(), epoch);
  EXPECT_THAT(Contents(kQueue), ElementsAre("a", "b"));
}

TEST_F(StoreTest, EveryStartBeginsANewEpochAlsoWithoutAppends) {
  Epoch last = 0;
  for (int start = 0; start < 4; ++start) {
    ASSERT_TRUE(Open().ok());
    EXPECT_GT(store->epoch(), last);
    last = store->epoch();
    if (start % 2 == 1) {
      ASSERT_TRUE(store->Checkpoint().ok());
    }
  }
}

TEST_F(StoreTest, AMissingCheckpointIsRebuilt) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "a").ok());
  ASSERT_TRUE(Put("k", "v").ok());
  const std::string digest = machine->Digest();
  ASSERT_TRUE(store->Close().ok());
  ASSERT_TRUE(checkpoint.Wipe().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(store->recovered().rebuilt);
  EXPECT_EQ(machine->Digest(), digest);
  EXPECT_THAT(Contents(kQueue), ElementsAre("a"));
  // And the next start has it again.
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_EQ(machine->Digest(), digest);
}

TEST_F(StoreTest, ADamagedCheckpointIsRebuilt) {
  for (const char* damaged : {"meta", "qmx", "squatter", "g1"}) {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Define(1, 1).ok());
    ASSERT_TRUE(Send(kQueue, "a").ok());
    const std::string digest = machine->Digest();
    ASSERT_TRUE(store->Close().ok());
    KeyValueBatch damage;
    damage.Put(damaged, "nonsense");
    ASSERT_TRUE(checkpoint.Write(damage).ok());
    ASSERT_TRUE(Open().ok()) << damaged;
    EXPECT_TRUE(store->recovered().rebuilt) << damaged;
    EXPECT_EQ(machine->Digest(), digest);
  }
}

TEST_F(StoreTest, ACheckpointThatTheLogDoesNotReachIsNotBelieved) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "a").ok());
  const std::string digest = machine->Digest();
  const auto early = files.CrashCopy(RecordingFileSystem::CrashMode::kDropAll, 1);
  ASSERT_TRUE(Send(kQueue, "b").ok());
  ASSERT_TRUE(store->Close().ok());
  // The log of the past under the checkpoint of today; its file is as long as ever.
  TestMachine old_machine;
  auto old = StoreImpl::Open(options, {early.get(), &time, &checkpoint}, &old_machine);
  ASSERT_TRUE(old.ok()) << Text(old.status());
  EXPECT_TRUE((*old)->recovered().rebuilt);
  EXPECT_EQ(old_machine.Digest(), digest);
  EXPECT_EQ((*old)->Range(kQueue).next, 1u);
}

TEST_F(StoreTest, DamageJustBelowACheckpointIsRefusedAndStaysSo) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Send(kQueue, "a").ok());
  const LogOffset last = Send(kQueue, "b")->frame;
  ASSERT_TRUE(store->Close().ok());
  auto file = files.Open("/store/log/00000000000000000000", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(last + 20, "flip").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  // The second start knows as much as the first.
  for (int start = 0; start < 2; ++start) {
    const absl::Status refused = Open();
    EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
    EXPECT_THAT(Text(refused), HasSubstr("the commit log is damaged"));
    EXPECT_THAT(Text(refused), HasSubstr(std::to_string(last)));
  }
  options.salvage = true;
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(Contents(kQueue), ElementsAre("a"));
  options.salvage = false;
  ASSERT_TRUE(Send(kQueue, "c").ok());
  Drop();
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(Contents(kQueue), ElementsAre("a", "c"));
}

TEST_F(StoreTest, ADroppedTopicStaysDropped) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  ASSERT_TRUE(Define(2, 1).ok());
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Send(kQueue, "old").ok());
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(DropTopic(1).ok());
  EXPECT_EQ(store->Range(kQueue).next, 0u);
  ASSERT_TRUE(Send(kQueue, "to nobody").ok()) << "was on its way when the topic went";
  ASSERT_TRUE(store->Close().ok());
  EXPECT_TRUE(checkpoint.content()->lower_bound("qm") == checkpoint.content()->lower_bound("qn"));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(store->Range(kQueue).next, 0u);
  EXPECT_EQ(Send({2, 0}, "x")->queue_offsets[0], 0u);
}

TEST_F(StoreTest, ASecondBrokerOnTheDirectoryIsRefused) {
  ASSERT_TRUE(Open().ok());
  TestMachine other;
  const auto second = StoreImpl::Open(options, {&files, &time, &checkpoint}, &other);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(Text(second.status()), HasSubstr("another broker uses the store directory /store"));
  ASSERT_TRUE(store->Close().ok());
  EXPECT_TRUE(StoreImpl::Open(options, {&files, &time, &checkpoint}, &other).ok());
}

TEST_F(StoreTest, AnUnknownFormatIsRefused) {
  ASSERT_TRUE(Open().ok());
  Drop();
  ASSERT_TRUE(ReplaceFile(files, "/store/FORMAT", "mansio store 7\n").ok());
  const absl::Status opened = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(opened));
  EXPECT_THAT(Text(opened), HasSubstr("mansio store 7"));
  EXPECT_THAT(Text(opened), HasSubstr("/store/FORMAT"));
}

TEST_F(StoreTest, AFailedFlushStopsAllAnswers) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  files.Inject({.operation = RecordingFileSystem::Operation::kDatasync, .sticky = true});
  EXPECT_FALSE(Send(kQueue, "a").ok());
  EXPECT_FALSE(Send(kQueue, "b").ok());
  EXPECT_FALSE(store->Health().ok());
  EXPECT_EQ(store->Range(kQueue).next, 0u) << "nothing that is not durable is visible";
  EXPECT_FALSE(store->Checkpoint().ok());
  EXPECT_FALSE(store->Close().ok());
}

TEST_F(StoreTest, ColdWorkIsBounded) {
  options.cold_queue = 2;
  ASSERT_TRUE(Open().ok());
  struct Gate {
    Mutex mutex;
    CondVar changed;
    bool open ABSL_GUARDED_BY(mutex) = false;
    int entered ABSL_GUARDED_BY(mutex) = 0;
    void Pass() {
      const MutexLock lock(&mutex);
      ++entered;
      changed.SignalAll();
      while (!open) changed.Wait(&mutex);
    }
  } gate;
  ASSERT_TRUE(store->RunCold([&] { gate.Pass(); }));
  {
    const MutexLock lock(&gate.mutex);
    while (gate.entered == 0) gate.changed.Wait(&gate.mutex);
  }
  EXPECT_TRUE(store->RunCold([&] { gate.Pass(); }));
  EXPECT_TRUE(store->RunCold([&] { gate.Pass(); }));
  EXPECT_FALSE(store->RunCold([&] { gate.Pass(); })) << "one runs, two wait";
  {
    const MutexLock lock(&gate.mutex);
    gate.open = true;
    gate.changed.SignalAll();
  }
  ASSERT_TRUE(store->Close().ok());
  EXPECT_EQ(gate.entered, 3);
}

TEST_F(StoreTest, TooManyEntriesWithoutACheckpointAreRefused) {
  options.queue_memory_bytes = 200;  // ten entries; refused at more than twenty
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 1).ok());
  class FullDisk : public MemoryStore {
   public:
    absl::Status Write(const KeyValueBatch&) override {
      return absl::ResourceExhaustedError("disk full");
    }
  } full;
  Drop();
  machine = std::make_unique<TestMachine>();
  auto opened = StoreImpl::Open(options, {&files, &time, &full}, machine.get());
  ASSERT_TRUE(opened.ok()) << Text(opened.status());
  store = *std::move(opened);
  absl::Status refused;
  int accepted = 0;
  for (; refused.ok() && accepted < 100; ++accepted) refused = Send(kQueue, "x").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(Text(refused), HasSubstr("checkpoint"));
  EXPECT_EQ(store->Range(kQueue).next, 21u);
  Drop();  // while `full` is there: the checkpoint thread writes to it
}

// A fold from any checkpoint gives what the fold from the beginning gave.
TEST_F(StoreTest, RecoveryEqualsReplayAtRandomCheckpoints) {
  std::mt19937 random(7);
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, 4).ok());
  uint32_t next_topic = 2;
  for (int step = 0; step < 600; ++step) {
    const QueueKey queue{1 + static_cast<uint32_t>(random() % (next_topic - 1)),
                         static_cast<uint32_t>(random() % 4)};
    switch (random() % 30) {
      case 0:
        ASSERT_TRUE(store->Checkpoint().ok());
        break;
      case 1: {
        const std::string digest = machine->Digest();
        const std::vector<std::string> contents = Contents({1, 0});
        if (random() % 2 == 0) {
          ASSERT_TRUE(store->Close().ok());
        }
        ASSERT_TRUE(Open().ok());
        ASSERT_EQ(machine->Digest(), digest);
        ASSERT_EQ(Contents({1, 0}), contents);
        break;
      }
      case 2: {
        const std::string digest = machine->Digest();
        const std::vector<std::string> contents = Contents({1, 0});
        Drop();
        ASSERT_TRUE(checkpoint.Wipe().ok());
        ASSERT_TRUE(Open().ok());
        ASSERT_EQ(machine->Digest(), digest);
        ASSERT_EQ(Contents({1, 0}), contents);
        break;
      }
      case 3:
        ASSERT_TRUE(Define(next_topic++, 4).ok());
        break;
      case 4:
        if (queue.topic > 1) {
          ASSERT_TRUE(DropTopic(queue.topic).ok());
        }
        break;
      case 5:
        ASSERT_TRUE(Put("k" + std::to_string(random() % 5), std::to_string(step)).ok());
        break;
      default:
        ASSERT_TRUE(Send(queue, std::to_string(step) + std::string(random() % 800, 'x')).ok());
    }
  }
}

}  // namespace
}  // namespace mansio::store
