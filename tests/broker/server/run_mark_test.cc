#include "broker/server/run_mark.h"

#include <gtest/gtest.h>

#include "common/files/recording_file_system.h"

namespace mansio::broker {
namespace {

class RunMarkTest : public ::testing::Test {
 protected:
  RunMarkTest() { EXPECT_TRUE(MakeDurableDirectory(files_, "data").ok()); }
  RunMark Begin(const std::string& boot, bool empty = false) {
    absl::StatusOr<RunMark> mark = RunMark::Begin(&files_, "data", boot, empty);
    EXPECT_TRUE(mark.ok()) << mark.status();
    return *std::move(mark);
  }

  RecordingFileSystem files_;
};

TEST_F(RunMarkTest, ANewBrokerAndOneThatEndedInOrderAreWhole) {
  RunMark first = Begin("boot-1");
  EXPECT_TRUE(first.whole());
  EXPECT_EQ(first.End(), absl::OkStatus());
  EXPECT_TRUE(Begin("boot-2").whole());
}

TEST_F(RunMarkTest, AProcessThatWasKilledIsWholeAndAMachineThatWentDownIsNot) {
  EXPECT_TRUE(Begin("boot-1").whole());
  EXPECT_TRUE(Begin("boot-1").whole());
  EXPECT_FALSE(Begin("boot-2").whole());
}

TEST_F(RunMarkTest, WhatIsMissingIsRememberedUntilItIsThereAgain) {
  EXPECT_TRUE(Begin("boot-1").whole());
  RunMark after = Begin("boot-2");
  EXPECT_EQ(after.End(), absl::OkStatus()) << "in order, and nothing came back";
  RunMark again = Begin("boot-2");
  EXPECT_FALSE(again.whole());
  EXPECT_EQ(again.SetWhole(), absl::OkStatus());
  EXPECT_TRUE(again.whole());
  EXPECT_TRUE(Begin("boot-2").whole());
  EXPECT_FALSE(Begin("boot-3").whole());
}

TEST_F(RunMarkTest, OneThatBeganEmptyIsNotWholeBeforeItHasGotEverything) {
  EXPECT_TRUE(Begin("boot-1", /*empty=*/true).began_empty());
  RunMark half = Begin("boot-1");
  EXPECT_TRUE(half.began_empty());
  EXPECT_FALSE(half.whole());
  EXPECT_EQ(half.End(), absl::OkStatus());
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
  EXPECT_EQ(mark.End(), absl::OkStatus());
  EXPECT_TRUE(Begin("").whole());
}

}  // namespace
}  // namespace mansio::broker
