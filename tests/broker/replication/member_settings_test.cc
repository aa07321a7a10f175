#include "broker/replication/member_settings.h"

#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

v1::BrokerIdentity Member(const char* durability, int min_in_sync, int64_t lease_ms) {
  v1::BrokerIdentity member;
  member.set_durability(durability);
  member.set_min_in_sync(min_in_sync);
  member.set_election_lease_ms(lease_ms);
  return member;
}

TEST(MemberSettingsTest, WhatDiffersIsNamedWithItsCure) {
  const v1::BrokerIdentity master = Member("replica", 2, 3000);
  EXPECT_EQ(SettingsDifference(master, master), "");
  EXPECT_EQ(SettingsDifference(master, Member("async", 2, 3000)),
            "it is configured with durability async (its master has replica): set the same in its "
            "configuration, and start it again");
  EXPECT_EQ(SettingsDifference(master, Member("replica", 1, 5000)),
            "it is configured with replication.min-in-sync 1 (its master has 2), election.lease 5s "
            "(its master has 3s): set the same in its configuration, and start it again");
}

TEST(MemberSettingsTest, WhatAnOlderVersionDoesNotSayIsNoDifference) {
  const v1::BrokerIdentity master = Member("replica", 2, 3000);
  EXPECT_EQ(SettingsDifference(master, Member("replica", 0, 0)), "");
  EXPECT_EQ(SettingsDifference(Member("", 0, 0), master), "");
}

}  // namespace
}  // namespace mansio::broker
