#include "common/access/network_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/net/address.h"

namespace mansio::access {
namespace {

using ::testing::HasSubstr;

TEST(NetworkListTest, ContainsTheAddressesOfItsNetworks) {
  const auto list = NetworkList::Parse("10.0.0.0/8, 192.168.1.7 ,fd00::/9,172.16.0.0/12");
  ASSERT_TRUE(list.ok()) << list.status();
  for (const char* peer : {"10.0.0.1:5", "10.255.255.255:5", "192.168.1.7:1", "[fd00::1]:9",
                           "[fd7f:ffff::]:9", "[::ffff:10.1.2.3]:80", "172.31.0.1:1"}) {
    EXPECT_TRUE(list->Contains(peer)) << peer;
  }
  for (const char* peer : {"11.0.0.1:5", "192.168.1.8:1", "[fd80::1]:9", "[fe80::1%eth0]:9",
                           "172.32.0.1:1", "", "nonsense", "unix:/x", "10.0.0.1"}) {
    EXPECT_FALSE(list->Contains(peer)) << peer;
  }
}

TEST(NetworkListTest, TheNarrowestAndTheWidestNetworks) {
  EXPECT_TRUE(NetworkList::Parse("0.0.0.0/0")->Contains("1.2.3.4:5"));
  EXPECT_FALSE(NetworkList::Parse("0.0.0.0/0")->Contains("[2001:db8::1]:5"));
  EXPECT_TRUE(NetworkList::Parse("::/0")->Contains("[2001:db8::1]:5"));
  EXPECT_FALSE(NetworkList::Parse("1.2.3.4/32")->Contains("1.2.3.5:5"));
  EXPECT_FALSE(NetworkList::Parse("2001:db8::/128")->Contains("[2001:db8::1]:5"));
  EXPECT_TRUE(NetworkList::Parse("")->empty());
}

TEST(NetworkListTest, WhatIsNoNetworkIsNamed) {
  for (const char* text : {"10.0.0.0/33", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/-1", "::/129",
                           "10.0.0.1,,10.0.0.2", "1.2.3.4/8x"}) {
    const auto list = NetworkList::Parse(text);
    ASSERT_FALSE(list.ok()) << text;
    EXPECT_THAT(std::string(list.status().message()), HasSubstr("is not an IP address or network"));
  }
}

TEST(IsThisMachineTest, LoopbackAndTheMachinesOwnAddresses) {
  EXPECT_TRUE(IsThisMachine("127.0.0.1:5"));
  EXPECT_TRUE(IsThisMachine("127.8.8.8:5"));
  EXPECT_TRUE(IsThisMachine("[::1]:5"));
  EXPECT_TRUE(IsThisMachine(net::FirstNonLoopbackAddress().host + ":5"));
  EXPECT_FALSE(IsThisMachine("198.51.100.1:5"));  // an address for documentation
  EXPECT_FALSE(IsThisMachine("[2001:db8::1]:5"));
  EXPECT_FALSE(IsThisMachine(""));
}

}  // namespace
}  // namespace mansio::access
