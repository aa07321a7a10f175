#include "broker/registration/pending_changes.h"

#include <gtest/gtest.h>

#include "tests/broker/registration/fake_source.h"

namespace mansio::broker {
namespace {

TEST(PendingChangesTest, SaysWhatIsTrueWhenItIsAsked) {
  FakeSource source;
  PendingChanges changes;
  EXPECT_TRUE(changes.empty());
  source.SetTopic("kept", 4);
  source.SetGroup("group");
  for (const char* name : {"kept", "gone", "kept"}) changes.AddTopic(name);
  changes.AddGroup("group");
  changes.AddGroup("gone-group");
  source.SetTopic("kept", 8);  // changes after the name was noted

  const v1::Delta delta = changes.Describe(source);
  ASSERT_EQ(delta.topics_size(), 1);
  EXPECT_EQ(delta.topics(0).queues(), 8);
  ASSERT_EQ(delta.deleted_topics_size(), 1);
  EXPECT_EQ(delta.deleted_topics(0), "gone");
  ASSERT_EQ(delta.groups_size(), 1);
  EXPECT_EQ(delta.groups(0).name(), "group");
  ASSERT_EQ(delta.deleted_groups_size(), 1);
  EXPECT_EQ(delta.deleted_groups(0), "gone-group");
}

TEST(PendingChangesTest, IsTakenInPieces) {
  FakeSource source;
  PendingChanges changes;
  for (int i = 0; i < 5; ++i) changes.AddTopic("t" + std::to_string(i));
  for (int i = 0; i < 5; ++i) changes.AddGroup("g" + std::to_string(i));
  int names = 0;
  for (const int expected : {4, 4, 2}) {
    const v1::Delta delta = changes.Take(4).Describe(source);
    EXPECT_EQ(delta.deleted_topics_size() + delta.deleted_groups_size(), expected);
    names += expected;
  }
  EXPECT_EQ(names, 10);
  EXPECT_TRUE(changes.empty());
}

}  // namespace
}  // namespace mansio::broker
