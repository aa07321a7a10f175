#include "broker/transaction/outcome_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace mansio::broker {
namespace {

class Pairs : public store::StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs[std::string(key)] = std::string(value);
  }
  void Delete(std::string_view key) override { pairs.erase(std::string(key)); }
  std::map<std::string, std::string> pairs;
};

constexpr store::QueueOffset kRemembered = OutcomeTable::kBlockHalves * OutcomeTable::kBlocks;

TEST(OutcomeTableTest, RemembersHowEachHalfEnded) {
  OutcomeTable table;
  for (store::QueueOffset half = 0; half < 4; ++half) table.Add(1, half);
  table.Set(1, TransactionOutcome::kCommitted);
  table.Set(2, TransactionOutcome::kRolledBack);
  table.Set(3, TransactionOutcome::kExpired);
  EXPECT_EQ(table.Find(1, 0), TransactionOutcome::kPending);
  EXPECT_EQ(table.Find(1, 1), TransactionOutcome::kCommitted);
  EXPECT_EQ(table.Find(1, 2), TransactionOutcome::kRolledBack);
  EXPECT_EQ(table.Find(1, 3), TransactionOutcome::kExpired);
}

TEST(OutcomeTableTest, AHalfOfAnotherEpochIsNotKnown) {
  OutcomeTable table;
  table.Add(3, 10);
  table.Add(3, 11);
  table.Add(5, 12);
  EXPECT_TRUE(table.Find(3, 11).has_value());
  EXPECT_FALSE(table.Find(5, 11).has_value());
  EXPECT_FALSE(table.Find(3, 12).has_value());
  EXPECT_FALSE(table.Find(3, 9).has_value());
  EXPECT_EQ(table.EpochOf(12), 5u);
}

TEST(OutcomeTableTest, TheOldestAreForgottenAndTheCheckpointFollows) {
  OutcomeTable table;
  Pairs checkpoint;
  table.Add(1, 0);
  table.Set(0, TransactionOutcome::kCommitted);
  table.CaptureDirty("p", checkpoint);
  ASSERT_TRUE(table.Find(1, 0).has_value());
  for (store::QueueOffset half = OutcomeTable::kBlockHalves; half <= kRemembered;
       half += OutcomeTable::kBlockHalves) {
    table.Add(2, half);
  }
  EXPECT_FALSE(table.Find(1, 0).has_value());
  EXPECT_TRUE(table.Find(2, kRemembered).has_value());
  table.CaptureDirty("p", checkpoint);
  Pairs all;
  table.CaptureAll("p", all);
  EXPECT_EQ(checkpoint.pairs, all.pairs);
}

TEST(OutcomeTableTest, ACheckpointGivesItBack) {
  OutcomeTable table;
  table.Add(1, 7);
  table.Add(2, 8);
  table.Set(8, TransactionOutcome::kCommitted);
  Pairs checkpoint;
  table.CaptureAll("p", checkpoint);
  OutcomeTable restored;
  for (const auto& [key, value] : checkpoint.pairs) {
    ASSERT_TRUE(restored.Restore(std::string_view(key).substr(1), value).ok());
  }
  EXPECT_EQ(restored.Find(1, 7), TransactionOutcome::kPending);
  EXPECT_EQ(restored.Find(2, 8), TransactionOutcome::kCommitted);
  EXPECT_FALSE(restored.Restore("b", "short").ok());
  EXPECT_FALSE(restored.Restore("?", "").ok());
}

}  // namespace
}  // namespace mansio::broker
