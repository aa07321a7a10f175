#include "common/net/address.h"

#include <gtest/gtest.h>

#include <string>

namespace mansio::net {
namespace {

TEST(ParseHostPort, ReadsEachKindAndWritesItBack) {
  const struct {
    const char* text;
    HostPort expected;
  } cases[] = {
      {"127.0.0.1:8081", {"127.0.0.1", 8081, HostKind::kIPv4}},
      {"0.0.0.0:0", {"0.0.0.0", 0, HostKind::kIPv4}},
      {"[::1]:65535", {"::1", 65535, HostKind::kIPv6}},
      {"[2001:db8::7]:80", {"2001:db8::7", 80, HostKind::kIPv6}},
      {"localhost:9876", {"localhost", 9876, HostKind::kDomainName}},
      {"broker_1.mansio-0.svc:8081", {"broker_1.mansio-0.svc", 8081, HostKind::kDomainName}},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseHostPort(c.text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, c.expected) << c.text;
    EXPECT_EQ(parsed->ToString(), c.text);
  }
}

TEST(ParseHostPort, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* why;
  } cases[] = {
      {"", "has no port"},
      {"localhost", "has no port"},
      {"localhost:", "its port is not a number"},
      {"localhost:65536", "its port is not a number"},
      {"localhost:-1", "its port is not a number"},
      {"localhost:80 ", "its port is not a number"},
      {":8081", "neither an IP address nor a DNS name"},
      {"300.1.1.1:80", "neither an IP address nor a DNS name"},
      {"a..b:80", "neither an IP address nor a DNS name"},
      {"a b:80", "neither an IP address nor a DNS name"},
      {"::1:80", "needs brackets"},
      {"[1.2.3.4]:80", "not an IPv6 address"},
      {"a\n:80", "a\\n:80"},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseHostPort(c.text);
    ASSERT_FALSE(parsed.ok()) << c.text;
    EXPECT_NE(std::string(parsed.status().message()).find(c.why), std::string::npos)
        << parsed.status();
  }
}

TEST(ParseHostPort, NothingHidesBehindANulByte) {
  using std::string_literals::operator""s;
  EXPECT_FALSE(ParseHostPort("1.2.3.4\0x:80"s).ok());
  EXPECT_FALSE(ParseHostPort("[::1\0x]:80"s).ok());
}

TEST(HostPort, KnowsWildcardAndLoopback) {
  EXPECT_TRUE(ParseHostPort("0.0.0.0:1")->IsWildcard());
  EXPECT_TRUE(ParseHostPort("[::]:1")->IsWildcard());
  EXPECT_TRUE(ParseHostPort("[0:0::0]:1")->IsWildcard());
  EXPECT_FALSE(ParseHostPort("127.0.0.1:1")->IsWildcard());
  EXPECT_TRUE(ParseHostPort("127.8.0.1:1")->IsLoopback());
  EXPECT_TRUE(ParseHostPort("[::1]:1")->IsLoopback());
  EXPECT_TRUE(ParseHostPort("localhost:1")->IsLoopback());
  EXPECT_FALSE(ParseHostPort("10.0.0.1:1")->IsLoopback());
}

TEST(DefaultAdvertised, NamesNoWildcard) {
  const HostPort fixed{"10.1.2.3", 81, HostKind::kIPv4};
  EXPECT_EQ(DefaultAdvertised(fixed), fixed);
  const HostPort advertised = DefaultAdvertised({"0.0.0.0", 81, HostKind::kIPv4});
  EXPECT_FALSE(advertised.IsWildcard());
  EXPECT_EQ(advertised.port, 81);
  EXPECT_TRUE(ParseHostPort(advertised.ToString()).ok());
}

}  // namespace
}  // namespace mansio::net
