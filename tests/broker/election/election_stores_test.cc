// Which store a number means.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ElectionStoresTest : public ElectionTest {};

Standing WithStore(const StoreId& store) { return {.last_epoch = 1, .store = store}; }

// Members 1 and 2 are in the set, with the stores "one" and "two".
void FormWithStores(ElectionGroup& group) {
  for (const BrokerId id : {1, 2}) {
    group.Start(id).election->SetStanding(WithStore(id == 1 ? "one" : "two"));
  }
  group.Pass(absl::Seconds(3));
  ASSERT_TRUE(group.election(1).ProposeInSync({1, 2}, {{2, "two"}, {3, "three"}}).ok());
  group.Pass(absl::Seconds(1));
  ASSERT_EQ(group.View().group->stores, (StoreIds{{1, "one"}, {2, "two"}}));
}

TEST_F(ElectionStoresTest, AMemberWithAnotherStoreThanItsNumberMeansDoesNotStand) {
  FormWithStores(group_);
  group_.Kill(2);
  group_.Start(2).election->SetStanding(WithStore("another"));
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble,
              HasSubstr("broker.id 2 of this group belongs to another store"));
  group_.Kill(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.Kill(2);
  group_.Start(2).election->SetStanding(WithStore("two"));
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  EXPECT_EQ(group_.View().group->stores, (StoreIds{{1, "one"}, {2, "two"}}));
}

TEST_F(ElectionStoresTest, ASecondProcessWithTheMastersNumberSaysSo) {
  FormWithStores(group_);
  ElectionOptions options = Options(1);
  options.address = "host-9:8081";
  group_.Start(9, options).election->SetStanding(WithStore("another"));
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.election(9).State(group_.now()).trouble,
              HasSubstr("belongs to another store, of the master at host-1:8081"));
  group_.Kill(1);
  group_.Pass(absl::Seconds(10));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionStoresTest, ANumberWhoseStoreIsNotRecordedIsAnybodysAndItsPromiseNobodys) {
  for (const BrokerId id : {1, 2}) group_.Start(id);
  group_.election(1).SetStanding(WithStore("one"));
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Seconds(1));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(4));
  EXPECT_FALSE(group_.MayAcknowledge(1)) << "member 2 has promised, and another may be called so";
  group_.Kill(1);
  group_.election(2).SetStanding(WithStore("two"));
  group_.Pass(absl::Seconds(8));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionStoresTest, APromiseCountsUntilItsNumberMeansAnotherStore) {
  FormWithStores(group_);
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(6));
  EXPECT_TRUE(group_.MayAcknowledge(1));
  group_.at(1).sees_etcd = true;
  group_.Pass(absl::Seconds(3));
  group_.Kill(2);
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.Settle();
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}, {{2, "another"}}).ok());
  group_.Settle();
  ASSERT_EQ(group_.View().group->stores, (StoreIds{{1, "one"}, {2, "another"}}));
  group_.etcd.Expire(group_.now() + absl::Seconds(3));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(2) + absl::Milliseconds(100));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

}  // namespace
}  // namespace mansio::broker::testing
