// The log's part of replication: raw frames out, raw frames in, commits from outside, truncation.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/store/log/replication_testing.h"

namespace mansio::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReplicationTest : public ::testing::TestWithParam<Durability> {
 protected:
  // Notes of growing sizes and messages, over several segments.
  void WriteMuch(TestLog& log, int count) {
    for (int n = 0; n < count; ++n) {
      ASSERT_TRUE(log.Write("note " + std::to_string(n) + std::string(n * 37 % 3000, 'x')).ok());
      ASSERT_TRUE(log.Send({1, 2}, "message " + std::to_string(n)).ok());
    }
  }
  Durability durability() const { return GetParam(); }

  RecordingFileSystem master_disk_;
  RecordingFileSystem slave_disk_;
};

TEST_P(ReplicationTest, ASlavesLogIsItsMastersByteByByte) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 120);
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  const LogOffset end = master.log->cursors().appended;
  ASSERT_GT(end, 2 * kSegment);
  EXPECT_EQ(slave.log->cursors().appended, end);
  EXPECT_EQ(slave.log->epoch(), master.log->epoch());
  EXPECT_EQ(LogBytesOf(slave_disk_, end), LogBytesOf(master_disk_, end));
  EXPECT_EQ(slave.log->cursors().synced == end, SyncsEachBatch(durability()));
}

TEST_P(ReplicationTest, ASlaveAppliesWhatIsCommittedAndNoMore) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 80);
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  slave.log->replicated()->AllowCommit(10'000);  // ahead of what it holds
  ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  slave.Settle();
  const Cursors some = slave.log->cursors();
  EXPECT_LE(some.applied, 10'000u);
  EXPECT_GT(some.applied, 5'000u);
  EXPECT_EQ(some.committed, some.applied);
  for (const Seen& seen : slave.observer.seen()) EXPECT_LT(seen.position.offset, 10'000u);

  const LogOffset end = master.log->cursors().appended;
  slave.log->replicated()->AllowCommit(end);
  slave.log->replicated()->AllowCommit(end - 1);  // changes nothing
  slave.Settle();
  EXPECT_EQ(slave.log->cursors().applied, end);
  EXPECT_EQ(Texts(slave.observer.seen()), Texts(master.observer.seen()));
  EXPECT_EQ(slave.observer.ended(), master.observer.ended());
}

TEST_P(ReplicationTest, ASlaveThatStartsAgainWaitsToBeToldWhatIsCommitted) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 80);
  {
    TestLog slave(&slave_disk_, SlaveOptions(durability()));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  }
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  RecoveryStart start;
  start.fold_until = 0;  // what a store without a checkpoint says
  ASSERT_TRUE(slave.Begin(start).ok());
  const LogOffset end = master.log->cursors().appended;
  EXPECT_EQ(slave.log->cursors().appended, end);
  EXPECT_EQ(slave.log->cursors().applied, 0u);
  EXPECT_THAT(slave.recovered, IsEmpty());
  slave.log->replicated()->AllowCommit(end);
  slave.Settle();
  EXPECT_EQ(Texts(slave.observer.seen()), Texts(master.observer.seen()));
  EXPECT_EQ(slave.observer.ended(), master.observer.ended());
  EXPECT_EQ(slave.log->replicated()->History().epochs.starts(),
            master.log->replicated()->History().epochs.starts());
}

TEST_P(ReplicationTest, ASlaveThatBecomesMasterKeepsItsWholeTail) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 30);
  {
    TestLog slave(&slave_disk_, SlaveOptions(durability()));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  }
  const LogOffset end = master.log->cursors().appended;
  TestLog heir(&slave_disk_, MasterOptions(Durability::kSync));
  ASSERT_TRUE(heir.Begin().ok());
  EXPECT_EQ(heir.report.end, end);
  EXPECT_GT(heir.log->epoch(), master.log->epoch() + 1000) << "the old master may start again";
  EXPECT_EQ(Texts(heir.recovered), Texts(master.observer.seen()));
  ASSERT_TRUE(heir.Write("in the new reign").ok());
  EXPECT_FALSE(*slave_disk_.Exists("data/log/REPLICA"));
}

TEST_P(ReplicationTest, ASlaveTakesNothingFromItsOwnClients) {
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  const absl::Status refused = slave.Write("of its own");
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("slave"));
}

TEST_P(ReplicationTest, FramesThatDoNotFitAreRefusedAndNothingIsWritten) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 5);
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  const auto run = master.log->replicated()->ReadFrames(0, 2000);
  ASSERT_TRUE(run.ok()) << run.status();
  const std::string frames(run->bytes.bytes);
  const auto behind = master.log->replicated()->ReadFrames(run->next, 2000);
  ASSERT_TRUE(behind.ok()) << behind.status();

  EXPECT_TRUE(absl::IsOutOfRange(slave.Take(std::string(behind->bytes.bytes)))) << "a gap";
  EXPECT_TRUE(absl::IsOutOfRange(slave.Take("")));
  EXPECT_TRUE(absl::IsDataLoss(slave.Take(frames.substr(0, frames.size() - 8)))) << "cut off";
  for (size_t at = 0; at < frames.size(); at += 7) {
    std::string damaged = frames;
    damaged[at] ^= 0x20;
    ASSERT_FALSE(slave.Take(damaged).ok()) << "a flipped bit at " << at;
  }
  EXPECT_EQ(slave.log->cursors().appended, 0u);
  EXPECT_EQ(slave.Take(frames), absl::OkStatus());
  EXPECT_TRUE(absl::IsOutOfRange(slave.Take(frames))) << "twice";
  EXPECT_TRUE(slave.log->Health().ok());
}

TEST_P(ReplicationTest, FramesThatWaitForTheLogThreadAreFlushedTogether) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 120);
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  const LogOffset end = master.log->cursors().appended;
  const uint64_t before = slave_disk_.count(RecordingFileSystem::Operation::kDatasync);
  absl::Notification queued;
  ASSERT_TRUE(slave.log->RunOnLogThread([&] { queued.WaitForNotification(); }));
  std::vector<std::shared_ptr<Outcome>> taken;
  for (LogOffset next = 0; next < end;) {
    const auto run = master.log->replicated()->ReadFrames(next, 3000);
    ASSERT_TRUE(run.ok()) << run.status();
    next = run->next;
    const auto outcome = taken.emplace_back(std::make_shared<Outcome>());
    slave.log->replicated()->AppendFrames(
        std::string(run->bytes.bytes),
        [outcome](const absl::Status& status) { outcome->Finish(status, {}); });
  }
  queued.Notify();
  for (const auto& outcome : taken) EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  EXPECT_EQ(LogBytesOf(slave_disk_, end), LogBytesOf(master_disk_, end));
  if (!SyncsEachBatch(durability())) return;
  EXPECT_EQ(slave.log->cursors().synced, end) << "before they are answered";
  const uint64_t flushes = slave_disk_.count(RecordingFileSystem::Operation::kDatasync) - before;
  EXPECT_GT(taken.size(), 3 * (end / kSegment + 1));
  EXPECT_LE(flushes, 2 * (end / kSegment + 1)) << "one for each file, and what making one takes";
}

TEST_P(ReplicationTest, AFlushThatFailsIsToldToAllWhoseFramesItWasFor) {
  if (!SyncsEachBatch(durability())) return;
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 5);
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  WriteMuch(master, 40);
  const LogOffset held = slave.log->cursors().appended;
  absl::Notification queued;
  ASSERT_TRUE(slave.log->RunOnLogThread([&] { queued.WaitForNotification(); }));
  std::vector<std::shared_ptr<Outcome>> taken;
  for (LogOffset next = held; next < master.log->cursors().appended;) {
    const auto run = master.log->replicated()->ReadFrames(next, 3000);
    ASSERT_TRUE(run.ok()) << run.status();
    next = run->next;
    const auto outcome = taken.emplace_back(std::make_shared<Outcome>());
    slave.log->replicated()->AppendFrames(
        std::string(run->bytes.bytes),
        [outcome](const absl::Status& status) { outcome->Finish(status, {}); });
  }
  slave_disk_.Inject({.operation = RecordingFileSystem::Operation::kDatasync});
  queued.Notify();
  ASSERT_GT(taken.size(), 2u);
  for (const auto& outcome : taken) EXPECT_FALSE(outcome->Wait().ok());
  EXPECT_EQ(slave.log->cursors().synced, held);
  EXPECT_FALSE(slave.log->Health().ok());
  const absl::Status cut = slave.log->replicated()->TruncateTo(held);
  EXPECT_EQ(cut, slave.log->Health()) << "it says why";
}

TEST_P(ReplicationTest, FramesOfAnOlderReignAreRefused) {
  TestLog old_master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(old_master.Begin().ok());
  WriteMuch(old_master, 3);
  {
    TestLog slave(&slave_disk_, SlaveOptions(durability()));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(old_master, slave), absl::OkStatus());
  }
  // It was master for a while, and its new frames are as long as the old master's.
  {
    TestLog heir(&slave_disk_, MasterOptions(Durability::kAsync));
    ASSERT_TRUE(heir.Begin().ok());
  }
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  const LogOffset end = slave.log->cursors().appended;
  while (old_master.log->cursors().appended < end) ASSERT_TRUE(old_master.Write("").ok());
  ASSERT_TRUE(old_master.Write("late").ok());
  const auto late = old_master.log->replicated()->ReadFrames(end, 2000);
  if (late.ok()) {
    EXPECT_TRUE(absl::IsFailedPrecondition(slave.Take(std::string(late->bytes.bytes))));
  }
  EXPECT_EQ(slave.log->cursors().appended, end);
}

TEST_P(ReplicationTest, ATailThatTheMasterDoesNotHaveIsCutAndKeptAside) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 40);
  {
    TestLog slave(&slave_disk_, SlaveOptions(durability()));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(master, slave, 3000, /*limit=*/kSegment / 2), absl::OkStatus());
  }
  LogOffset parted = 0;
  std::string lost;
  {
    StoreOptions options = MasterOptions(Durability::kSync);
    TestLog usurper(&slave_disk_, options);
    ASSERT_TRUE(usurper.Begin().ok());
    parted = usurper.report.end;
    WriteMuch(usurper, 90);
    ASSERT_GT(usurper.log->cursors().appended, 2 * kSegment);
    lost = ReadFile(slave_disk_, SegmentPath(0), parted, kSegment - parted);
  }
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  RecoveryStart start;
  start.fold_until = 0;
  ASSERT_TRUE(slave.Begin(start).ok());
  ASSERT_EQ(Follow(master, slave), absl::OkStatus());
  const LogOffset end = master.log->cursors().appended;
  EXPECT_EQ(LogBytesOf(slave_disk_, end), LogBytesOf(master_disk_, end));
  EXPECT_EQ(ReadFile(slave_disk_, SegmentPath(parted) + ".salvaged", 0, lost.size()), lost);
  EXPECT_TRUE(*slave_disk_.Exists(SegmentPath(kSegment) + ".salvaged"));
  slave.log->replicated()->AllowCommit(end);
  slave.Settle();
  EXPECT_EQ(Texts(slave.observer.seen()), Texts(master.observer.seen()));
}

TEST_P(ReplicationTest, WhatIsAppliedIsNotTakenBackButAtTheNextStart) {
  TestLog master(&master_disk_, MasterOptions(Durability::kAsync));
  ASSERT_TRUE(master.Begin().ok());
  WriteMuch(master, 20);
  const LogOffset middle = [&] {
    const auto run = master.log->replicated()->ReadFrames(0, 5000);
    return run->next;
  }();
  {
    TestLog slave(&slave_disk_, SlaveOptions(durability()));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
    slave.log->replicated()->AllowCommit(slave.log->cursors().appended);
    slave.Settle();
    const absl::Status refused = slave.log->replicated()->TruncateTo(middle);
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_TRUE(absl::IsFailedPrecondition(slave.log->Health())) << slave.log->Health();
    EXPECT_EQ(slave.log->cursors().appended, master.log->cursors().appended);
  }
  TestLog slave(&slave_disk_, SlaveOptions(durability()));
  ASSERT_TRUE(slave.Begin().ok());
  EXPECT_EQ(slave.log->cut_at_open(), middle);
  EXPECT_EQ(slave.log->cursors().appended, middle);
  EXPECT_EQ(CatchUp(master, slave), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(Durabilities, ReplicationTest,
                         ::testing::Values(Durability::kAsync, Durability::kReplica,
                                           Durability::kReplicaSync));

// --- A master that waits for its slaves.

class WaitingMasterTest : public ReplicationTest {};

TEST_P(WaitingMasterTest, NothingIsAnsweredBeforeItIsCommitted) {
  TestLog master(&master_disk_, MasterOptions(durability()));
  ASSERT_TRUE(master.Begin().ok());
  const auto first = std::make_shared<Outcome>();
  const auto second = std::make_shared<Outcome>();
  ASSERT_TRUE(master.log->Submit(master.Note("first", first)).ok());
  master.Settle();
  const LogOffset between = master.log->cursors().appended;
  ASSERT_TRUE(master.log->Submit(master.Message({1, 2}, "second", second)).ok());
  master.Settle();
  EXPECT_TRUE(first->appended());
  EXPECT_THAT(master.observer.seen(), IsEmpty());
  EXPECT_EQ(master.log->cursors().committed, 0u);
  EXPECT_EQ(master.log->cursors().synced == master.log->cursors().appended,
            durability() == Durability::kReplicaSync);

  master.log->replicated()->AllowCommit(between + 8);  // not all of the second
  EXPECT_EQ(first->Wait(), absl::OkStatus());
  master.Settle();
  EXPECT_THAT(Texts(master.observer.seen()), ElementsAre("first"));
  master.log->replicated()->AllowCommit(master.log->cursors().appended);
  EXPECT_EQ(second->Wait(), absl::OkStatus());
  EXPECT_THAT(Texts(master.observer.seen()), ElementsAre("first", "second"));
  EXPECT_EQ(second->result().queue_offsets.front(), 0u);
}

TEST_P(WaitingMasterTest, WhatWaitsFailsWhenTheLogStops) {
  const auto outcome = std::make_shared<Outcome>();
  const auto late = std::make_shared<Outcome>();
  {
    TestLog master(&master_disk_, MasterOptions(durability()));
    ASSERT_TRUE(master.Begin().ok());
    ASSERT_TRUE(master.log->Submit(master.Note("waits", outcome)).ok());
    master.Settle();
    master.log->replicated()->StopCommits();
    EXPECT_TRUE(absl::IsUnavailable(outcome->Wait()));
    ASSERT_TRUE(master.log->Submit(master.Note("late", late)).ok());
    EXPECT_TRUE(absl::IsUnavailable(late->Wait()));
    master.log->replicated()->AllowCommit(master.log->cursors().appended);
    master.Settle();
    EXPECT_EQ(master.log->cursors().applied, 0u);
  }
  // It is still in the log: a failure promises nothing, in either direction.
  TestLog again(&master_disk_, MasterOptions(Durability::kSync));
  ASSERT_TRUE(again.Begin().ok());
  EXPECT_THAT(again.Recovered(), ElementsAre("waits", "late"));
}

TEST_P(WaitingMasterTest, ReplicationsOwnRecordsFindRoomHoweverMuchWaits) {
  StoreOptions options = MasterOptions(durability());
  options.max_uncommitted_bytes = 1000;
  TestLog master(&master_disk_, options);
  ASSERT_TRUE(master.Begin().ok());
  const auto outcome = [] { return std::make_shared<Outcome>(); };
  while (master.log->Submit(master.Note("x", outcome())).ok()) {
  }
  const auto change = outcome();
  ASSERT_EQ(master.log->replicated()->SubmitRecord(master.Note("y", change)), absl::OkStatus());
  EXPECT_TRUE(absl::IsResourceExhausted(master.log->Submit(master.Note("x", outcome()))));
  master.Settle();
  master.log->replicated()->AllowCommit(master.log->cursors().appended);
  EXPECT_EQ(change->Wait(), absl::OkStatus());
  EXPECT_EQ(master.log->uncommitted(), 0u);
}

TEST_P(WaitingMasterTest, ANewReignAppliesTheOldTailWhenItsBeginningIsCommitted) {
  {
    TestLog master(&master_disk_, MasterOptions(Durability::kSync));
    ASSERT_TRUE(master.Begin().ok());
    WriteMuch(master, 50);
  }
  TestLog master(&master_disk_, MasterOptions(durability()));
  RecoveryStart start;
  start.fold_until = 0;
  ASSERT_TRUE(master.Begin(start).ok());
  EXPECT_THAT(master.observer.seen(), IsEmpty());
  const LogOffset reign = master.log->replicated()->ReignStart();
  EXPECT_EQ(reign, master.log->cursors().appended);
  EXPECT_EQ(master.log->cursors().applied, 0u);
  master.log->replicated()->AllowCommit(reign);
  master.Settle();
  EXPECT_EQ(master.log->cursors().applied, reign);
  EXPECT_THAT(master.observer.seen(), SizeIs(100));
}

INSTANTIATE_TEST_SUITE_P(Durabilities, WaitingMasterTest,
                         ::testing::Values(Durability::kReplica, Durability::kReplicaSync));

}  // namespace
}  // namespace mansio::store::testing
