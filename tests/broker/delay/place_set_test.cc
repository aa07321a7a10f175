#include "broker/delay/place_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "broker/delay/records.h"

namespace mansio::broker {
namespace {

TEST(PlaceSetTest, FindsWhatAnOrderedSetFinds) {
  PlaceSet places;
  std::set<uint64_t> expected;
  std::mt19937_64 random(1);
  const auto any = [&random] {
    return TimerKey::Of(0, static_cast<uint32_t>(random() % 3), random() % 2000).place;
  };
  EXPECT_EQ(places.FirstFrom(0), std::nullopt);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t place = any();
    if (random() % 2 == 0) {
      places.Insert(place);
      expected.insert(place);
    } else {
      places.Erase(place);
      expected.erase(place);
    }
    const uint64_t from = any();
    const auto next = expected.lower_bound(from);
    if (next == expected.end()) {
      ASSERT_EQ(places.FirstFrom(from), std::nullopt) << from;
    } else {
      ASSERT_EQ(places.FirstFrom(from), *next) << from;
    }
  }
  places.Clear();
  EXPECT_EQ(places.FirstFrom(0), std::nullopt);
}

}  // namespace
}  // namespace mansio::broker
