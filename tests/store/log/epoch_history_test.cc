#include "store/log/epoch_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace mansio::store {
namespace {

EpochHistory Of(const std::vector<EpochStart>& starts) {
  EpochHistory history;
  for (const EpochStart& start : starts) history.Note(start);
  return history;
}

std::optional<LogOffset> Common(const LogHistory& a, const LogHistory& b) {
  const auto common = CommonPoint(a, b);
  EXPECT_EQ(common, CommonPoint(b, a)) << "it depends on who is asked";
  return common;
}

TEST(EpochHistoryTest, OneOfTwoLogsOfOneReignIsAPrefixOfTheOther) {
  const EpochHistory epochs = Of({{1, 0, 100}, {2, 500, 200}});
  EXPECT_EQ(Common({epochs, 0, 900}, {epochs, 0, 700}), 700u);
  EXPECT_EQ(Common({epochs, 0, 900}, {epochs, 0, 900}), 900u);
}

TEST(EpochHistoryTest, AnEmptyLogIsAPrefixOfAll) {
  EXPECT_EQ(Common({Of({{1, 0, 100}}), 0, 900}, {{}, 0, 0}), 0u);
  // But the beginning must still be there.
  EXPECT_EQ(Common({Of({{1, 0, 100}}), 300, 900}, {{}, 0, 0}), std::nullopt);
}

TEST(EpochHistoryTest, LogsPartWhereTheNewReignBegan) {
  // An old master wrote on to 800 while a slave was made master at 600.
  const LogHistory old_master{Of({{1, 0, 100}, {2, 500, 200}}), 0, 800};
  const LogHistory new_master{Of({{1, 0, 100}, {2, 500, 200}, {3, 600, 300}}), 0, 950};
  EXPECT_EQ(Common(old_master, new_master), 600u);
}

TEST(EpochHistoryTest, AReignThatOnlyOneHasDoesNotCount) {
  const LogHistory a{Of({{1, 0, 100}, {2, 500, 200}, {4, 700, 400}}), 0, 900};
  const LogHistory b{Of({{1, 0, 100}, {3, 450, 300}, {5, 460, 500}}), 0, 800};
  EXPECT_EQ(Common(a, b), 450u);
}

TEST(EpochHistoryTest, TwoReignsOfOneNumberAreToldApart) {
  // Two masters began the same epoch at the same place, at different times.
  const LogHistory a{Of({{1, 0, 100}, {2, 500, 200}}), 0, 900};
  const LogHistory b{Of({{1, 0, 100}, {2, 500, 201}}), 0, 900};
  EXPECT_EQ(Common(a, b), 500u);
}

TEST(EpochHistoryTest, WhatIsBelowATrimmedLogCannotBeTold) {
  const LogHistory trimmed{Of({{2, 500, 0}, {3, 800, 300}}), 600, 900};
  EXPECT_EQ(Common(trimmed, {Of({{1, 0, 100}, {2, 400, 200}}), 0, 700}), 700u);
  EXPECT_EQ(Common(trimmed, {Of({{1, 0, 100}, {2, 400, 200}}), 0, 550}), std::nullopt);
  EXPECT_EQ(Common(trimmed, {Of({{1, 0, 100}}), 0, 400}), std::nullopt);
}

TEST(EpochHistoryTest, ItIsCutAtBothEnds) {
  EpochHistory epochs = Of({{1, 0, 100}, {2, 500, 200}, {3, 800, 300}});
  epochs.Note({2, 900, 400});  // not newer
  EXPECT_EQ(epochs.At(0), 0u);
  EXPECT_EQ(epochs.At(500), 1u);
  EXPECT_EQ(epochs.At(501), 2u);
  EXPECT_EQ(epochs.At(10'000), 3u);
  epochs.DropBelow(600);
  EXPECT_THAT(epochs.starts(),
              ::testing::ElementsAre(EpochStart{2, 500, 200}, EpochStart{3, 800, 300}));
  epochs.TruncateTo(800);
  EXPECT_THAT(epochs.starts(), ::testing::ElementsAre(EpochStart{2, 500, 200}));
  EXPECT_EQ(epochs.last(), 2u);
}

TEST(EpochHistoryTest, ItsBytesAreCheckedWhenTheyAreRead) {
  const EpochHistory epochs = Of({{1, 0, 100}, {7, 500, 200}});
  const std::string bytes = EncodeEpochs(epochs);
  const auto decoded = DecodeEpochs(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->starts(), epochs.starts());
  EXPECT_TRUE(absl::IsDataLoss(DecodeEpochs(bytes.substr(1)).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeEpochs(bytes + bytes).status()));
}

}  // namespace
}  // namespace mansio::store
