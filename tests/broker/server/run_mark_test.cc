#include "broker/server/run_mark.h"

#include <gtest/gtest.h>

#include "common/files/recording_file_system.h"

namespace mansio::broker {
namespace {

class RunMarkTest : public ::testing::Test {
 protected:
  RunMarkTest() { EXPECT_TRUE(MakeDurableDirectory(files_, "data").ok()); }
  // The mark of a process whose store is open.
  RunMark Begin(const std::string& boot, bool empty = false) {
    RunMark mark(&files_, "data", boot);
    EXPECT_EQ(mark.StoreWasOpened(empty), absl::OkStatus());
    EXPECT_TRUE(mark.has_begun());
    return mark;
  }
  static void EndInOrder(RunMark& mark) {
    mark.StoreWasClosed(absl::OkStatus());
    mark.End();
  }
  bool IsMarked() { return *files_.Exists("data/RUNNING"); }
  bool WouldBeWhole(const std::string& boot) {
    const absl::StatusOr<bool> whole = RunMark(&files_, "data", boot).IsOrWouldBeWhole();
    EXPECT_TRUE(whole.ok()) << whole.status();
    return whole.value_or(false);
  }

  RecordingFileSystem files_;
};

TEST_F(RunMarkTest, ANewBrokerAndOneThatEndedInOrderAreWhole) {
  RunMark first = Begin("boot-1");
  EXPECT_TRUE(first.whole());
  EndInOrder(first);
  EXPECT_FALSE(IsMarked());
  EXPECT_TRUE(Begin("boot-2").whole());
}

TEST_F(RunMarkTest, OnlyAStoreThatWasClosedInOrderEndsARunSo) {
  RunMark mark = Begin("boot-1");
  mark.End();
  EXPECT_TRUE(IsMarked()) << "its store was not closed";
  mark.StoreWasClosed(absl::OkStatus());
  EXPECT_EQ(mark.StoreWasOpened(/*empty=*/false), absl::OkStatus());
  mark.End();
  EXPECT_TRUE(IsMarked()) << "and opened again";
  mark.StoreWasClosed(absl::DataLossError("the disk is gone"));
  mark.End();
  EXPECT_TRUE(IsMarked());
  EndInOrder(mark);
  EXPECT_FALSE(IsMarked());
}

TEST_F(RunMarkTest, ARunThatHasNotBegunEndsNothing) {
  Begin("boot-1");
  RunMark next(&files_, "data", "boot-1");
  EndInOrder(next);
  EXPECT_TRUE(IsMarked());
  EXPECT_FALSE(next.BecomeWhole());
}

TEST_F(RunMarkTest, AProcessThatWasKilledIsWholeAndAMachineThatWentDownIsNot) {
  EXPECT_TRUE(WouldBeWhole("boot-1"));
  EXPECT_TRUE(Begin("boot-1").whole());
  EXPECT_TRUE(WouldBeWhole("boot-1"));
  EXPECT_TRUE(Begin("boot-1").whole());
  EXPECT_FALSE(WouldBeWhole("boot-2"));
  EXPECT_FALSE(Begin("boot-2").whole());
}

TEST_F(RunMarkTest, WhatIsMissingIsRememberedUntilItIsThereAgain) {
  EXPECT_TRUE(Begin("boot-1").whole());
  RunMark after = Begin("boot-2");
  EndInOrder(after);
  RunMark again = Begin("boot-2");
  EXPECT_FALSE(again.whole()) << "the end was in order, and nothing came back";
  EXPECT_TRUE(again.BecomeWhole());
  EXPECT_FALSE(again.BecomeWhole()) << "it is";
  EXPECT_TRUE(again.whole());
  EXPECT_TRUE(Begin("boot-2").whole());
  EXPECT_FALSE(Begin("boot-3").whole());
}

TEST_F(RunMarkTest, OneThatBeganEmptyIsNotWholeBeforeItHasGotEverything) {
  EXPECT_TRUE(Begin("boot-1", /*empty=*/true).began_empty());
  RunMark half = Begin("boot-1");
  EXPECT_TRUE(half.began_empty());
  EXPECT_FALSE(half.whole());
  EndInOrder(half);
  RunMark copied = Begin("boot-1");
  EXPECT_TRUE(copied.began_empty());
  EXPECT_EQ(copied.SetWhole(), absl::OkStatus());
  EXPECT_FALSE(copied.began_empty());
  EXPECT_TRUE(Begin("boot-1").whole());
  // Its disk was replaced.
  EXPECT_FALSE(Begin("boot-1", /*empty=*/true).whole());
}

TEST_F(RunMarkTest, WhereTheBootIsNotKnownEveryEndWithoutOrderCounts) {
  EXPECT_TRUE(Begin("").whole());
  EXPECT_FALSE(Begin("").whole());
  RunMark mark = Begin("boot-1");
  EXPECT_EQ(mark.SetWhole(), absl::OkStatus());
  EndInOrder(mark);
  EXPECT_TRUE(Begin("").whole());
}

}  // namespace
}  // namespace mansio::broker
