#include "broker/metadata/entry_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Entry {
  uint32_t id = 0;
  std::string name;
};
using EntryPtr = std::shared_ptr<const Entry>;

EntryPtr Make(uint32_t id, std::string name) {
  return std::make_shared<const Entry>(Entry{id, std::move(name)});
}

TEST(EntryTableTest, FindsByNameAndById) {
  EntryTable<EntryPtr> table;
  const EntryPtr a = Make(7, "a");
  const EntryPtr b = Make(3, "b");
  table.Put(b);
  table.Put(a);
  EXPECT_EQ(table.Find("a"), a);
  EXPECT_EQ(table.Find(3), b);
  EXPECT_EQ(table.Find("c"), nullptr);
  EXPECT_EQ(table.Find(1), nullptr);
  EXPECT_THAT(table.Sorted(), ElementsAre(a, b));
  const EntryPtr changed = Make(7, "a");
  table.Put(changed);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.Find("a"), changed);
  EXPECT_EQ(table.Find(7), changed);
  table.Erase(changed);
  EXPECT_EQ(table.Find("a"), nullptr);
  EXPECT_EQ(table.Find(7), nullptr);
}

TEST(EntryTableTest, NoIdIsGivenTwice) {
  EntryTable<EntryPtr> table;
  EXPECT_EQ(table.NewId(), 1u);
  EXPECT_EQ(table.NewId(), 2u);
  const EntryPtr replayed = Make(9, "a");
  table.Put(replayed);
  table.Erase(replayed);
  EXPECT_EQ(table.NewId(), 10u);
  table.NeverBelow(5);
  EXPECT_EQ(table.next_id(), 11u);
  table.NeverBelow(20);
  EXPECT_EQ(table.NewId(), 20u);
  table.Clear();
  EXPECT_EQ(table.NewId(), 1u);
}

TEST(EntryTableTest, WhoeverWaitsForAClaimIsGivenBackAtItsEnd) {
  EntryTable<EntryPtr> table;
  EXPECT_FALSE(table.IsClaimed("a"));
  table.Claim("a");
  table.Claim("b");
  EXPECT_TRUE(table.IsClaimed("a"));
  EXPECT_EQ(table.claims(), 2u);
  std::string order;
  table.Wait("a", [&order] { order += '1'; });
  table.Wait("a", [&order] { order += '2'; });
  table.Clear();
  EXPECT_TRUE(table.IsClaimed("a")) << "its record is on its way";
  for (auto& again : table.EndClaim("a")) again();
  EXPECT_EQ(order, "12");
  EXPECT_FALSE(table.IsClaimed("a"));
  EXPECT_THAT(table.EndClaim("b"), IsEmpty());
}

}  // namespace
}  // namespace mansio::broker
