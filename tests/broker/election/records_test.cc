#include "broker/election/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

EtcdSnapshot Keys(const std::string& master, const std::string& group) {
  EtcdSnapshot keys;
  if (!master.empty()) keys.values["/mansio/c/b/master"] = {master, 4, 4, 77};
  if (!group.empty()) keys.values["/mansio/c/b/group"] = {group, 2, 6, 0};
  return keys;
}

TEST(ElectionRecordsTest, TheyAreReadAsTheyWereWritten) {
  const std::string prefix = ElectionPrefix("c", "b");
  EXPECT_EQ(MasterKey(prefix), "/mansio/c/b/master");
  EXPECT_EQ(GroupKey(prefix), "/mansio/c/b/group");
  const MasterRecord master{2, 9, "h:1"};
  const ElectionRecord group{9, {1, 2}, 1};
  const auto view = DecodeView(prefix, Keys(EncodeMaster(master), EncodeGroup(group)));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->master, master);
  EXPECT_EQ(view->master_created, 4);
  EXPECT_EQ(view->master_lease, 77);
  EXPECT_EQ(view->group, group);
  EXPECT_EQ(view->group_modified, 6);
}

TEST(ElectionRecordsTest, OperatorsCanReadThem) {
  EXPECT_EQ(EncodeMaster({2, 9, "h:1"}), R"({"id":2,"epoch":9,"address":"h:1"})");
  EXPECT_EQ(EncodeGroup({9, {1, 2}}), R"({"epoch":9,"in_sync":[1,2]})");
}

TEST(ElectionRecordsTest, TheGroupsRecordNamesTheStoresOfItsMembers) {
  const std::string prefix = ElectionPrefix("c", "b");
  const ElectionRecord group{9, {1, 2}, 2, {{1, "ab"}, {2, "cd"}}};
  EXPECT_EQ(EncodeGroup(group),
            R"({"epoch":9,"in_sync":[1,2],"stores":{"1":"ab","2":"cd"},"heir":2})");
  const auto view = DecodeView(prefix, Keys("", EncodeGroup(group)));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->group, group);
  for (const char* const stores : {"[]", R"({"x":"ab"})", R"({"1":7})"}) {
    const std::string bad = std::string(R"({"epoch":9,"in_sync":[1],"stores":)") + stores + "}";
    EXPECT_TRUE(absl::IsDataLoss(DecodeView(prefix, Keys("", bad)).status())) << bad;
  }
}

TEST(ElectionRecordsTest, WhatMembersHaveCountsForOneGroupRecordAlone) {
  const std::string prefix = ElectionPrefix("c", "b");
  EXPECT_EQ(LostKey(prefix, 2), "/mansio/c/b/lost/2");
  const LostRecord present{6, 9, 4096};
  EXPECT_EQ(EncodeLost(present), R"({"group":6,"epoch":9,"end":4096})");
  EtcdSnapshot keys = Keys("", EncodeGroup({9, {1, 2}}));
  keys.values[LostKey(prefix, 2)] = {EncodeLost(present), 8, 8, 0};
  keys.values[LostKey(prefix, 3)] = {EncodeLost({5, 9, 5000}), 5, 5, 0};
  const auto view = DecodeView(prefix, keys);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(view->lost, ElementsAre(Pair(2, present)));

  for (const auto& [key, value] : {std::pair<std::string, std::string>{"lost/x", "{}"},
                                   {"lost/1", "x"},
                                   {"lost/1", R"({"group":6,"epoch":9})"}}) {
    EtcdSnapshot bad = keys;
    bad.values[prefix + key] = {value, 8, 8, 0};
    EXPECT_THAT(std::string(DecodeView(prefix, bad).status().message()), HasSubstr(key));
  }
}

TEST(ElectionRecordsTest, NothingIsThereAtFirst) {
  const auto view = DecodeView(ElectionPrefix("c", "b"), EtcdSnapshot());
  ASSERT_TRUE(view.ok());
  EXPECT_FALSE(view->master.has_value());
  EXPECT_FALSE(view->group.has_value());
  EXPECT_EQ(view->group_modified, 0);
}

TEST(ElectionRecordsTest, WhatIsMalformedIsNamed) {
  const std::string prefix = ElectionPrefix("c", "b");
  for (const std::string bad : {"x", "[]", "{}", R"({"id":-1,"epoch":1,"address":"a"})",
                                R"({"id":1,"epoch":"1","address":"a"})", R"({"id":1,"epoch":1})",
                                R"({"id":4000000000,"epoch":1,"address":"a"})",
                                R"({"id":1,"epoch":4611686018427387905,"address":"a"})",
                                R"({"id":1,"epoch":18446744073709551615,"address":"a"})"}) {
    const auto view = DecodeView(prefix, Keys(bad, ""));
    ASSERT_TRUE(absl::IsDataLoss(view.status())) << bad;
    EXPECT_THAT(std::string(view.status().message()), HasSubstr("/mansio/c/b/master"));
  }
  for (const std::string bad :
       {"null", R"({"epoch":1})", R"({"epoch":1,"in_sync":[]})", R"({"epoch":1,"in_sync":["1"]})",
        R"({"epoch":18446744073709551615,"in_sync":[1]})", R"({"in_sync":[1]})",
        R"({"epoch":1,"in_sync":[1],"heir":"x"})"}) {
    const auto view = DecodeView(prefix, Keys("", bad));
    ASSERT_TRUE(absl::IsDataLoss(view.status())) << bad;
    EXPECT_THAT(std::string(view.status().message()), HasSubstr("/mansio/c/b/group"));
  }
}

}  // namespace
}  // namespace mansio::broker
