#include "broker/consumption/wait_list.h"

#include <gtest/gtest.h>

#include <memory>

namespace mansio::broker {
namespace {

class Parked : public ParkedReceive {
 public:
  void Wake() override { ++woken; }
  size_t wanted() const override { return 1; }
  int woken = 0;
};

TEST(WaitListTest, WakesAllOfSomeGroupsAndNobodyElse) {
  WaitList list(10);
  const auto one = std::make_shared<Parked>();
  const auto two = std::make_shared<Parked>();
  const auto other = std::make_shared<Parked>();
  EXPECT_TRUE(list.Park(1, 7, one));
  EXPECT_TRUE(list.Park(2, 8, two));
  EXPECT_TRUE(list.Park(3, 7, other));
  list.WakeAllOfGroups({1, 2, 4});
  EXPECT_EQ(one->woken, 1);
  EXPECT_EQ(two->woken, 1);
  EXPECT_EQ(other->woken, 0);
  EXPECT_EQ(list.size(), 1u);
  EXPECT_TRUE(list.Remove(other.get()));
}

}  // namespace
}  // namespace mansio::broker
