#include "broker/delay/timer_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace mansio::broker {
namespace {

class PairMap : public store::StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs[std::string(key)] = std::string(value);
  }
  void Delete(std::string_view key) override { pairs.erase(std::string(key)); }
  std::map<std::string, std::string> pairs;
};

TimerTable Restored(const PairMap& checkpoint) {
  TimerTable table('p');
  for (const auto& [key, value] : checkpoint.pairs) {
    const auto timers = DecodeTimers(value);
    for (const TimerKey& timer : *timers) table.Restore(timer);
  }
  return table;
}

TEST(TimerTableTest, AnyNumberOfCheckpointsHoldsTheTable) {
  std::mt19937_64 random(7);
  TimerTable table('p');
  PairMap checkpoint;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) {
      const TimerKey key = TimerKey::Of(1'700'000'000'000 + static_cast<int64_t>(random() % 100000),
                                        random() % 19, random() % 50);
      if (random() % 2 == 0) {
        table.Insert(key);
      } else {
        table.Erase(key);
      }
    }
    table.CaptureDirty(checkpoint);
    EXPECT_EQ(Restored(checkpoint).keys(), table.keys());
  }
  PairMap all;
  table.CaptureAll(all);
  EXPECT_EQ(all.pairs, checkpoint.pairs);
  EXPECT_LT(all.pairs.size(), 20u);  // neighbours share a pair
}

TEST(TimerTableTest, DamageIsSaid) {
  EXPECT_EQ(DecodeTimers("\x02\x01").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mansio::broker
