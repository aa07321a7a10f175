#include "common/config/value.h"

#include <gtest/gtest.h>

#include <random>

namespace mansio::config {
namespace {

TEST(HostPort, ParsesNamesAndBothAddressFamilies) {
  EXPECT_EQ(ParseHostPort("broker-1:8081").value(), (HostPort{"broker-1", 8081}));
  EXPECT_EQ(ParseHostPort("127.0.0.1:0").value(), (HostPort{"127.0.0.1", 0}));
  EXPECT_EQ(ParseHostPort("[fe80::1]:65535").value(), (HostPort{"fe80::1", 65'535}));
  EXPECT_EQ(ParseHostPort("[::]:8081").value().ToString(), "[::]:8081");
  EXPECT_EQ(HostPort().ToString(), "");
}

TEST(HostPort, RefusesTheRest) {
  for (std::string_view text :
       {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "::1:80", "[]:80", "[zz]:80",
        "http://h:80", "a b:80", "h:80x", "h: 80", "user@h:80"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

TEST(Size, ParsesUnits) {
  EXPECT_EQ(ParseSize("0").value(), 0);
  EXPECT_EQ(ParseSize("512").value(), 512);
  EXPECT_EQ(ParseSize("512B").value(), 512);
  EXPECT_EQ(ParseSize("64 KiB").value(), 64 * kKiB);
  EXPECT_EQ(ParseSize("2TiB").value(), 2 * kTiB);
  for (std::string_view text : {"", "KiB", "-1", "1.5MiB", "4MB", "4M", "4mib", "0x10",
                                "9223372036854775807KiB", "99999999999999999999"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(Duration, NeedsAUnit) {
  EXPECT_EQ(ParseDuration("0").value(), absl::ZeroDuration());
  EXPECT_EQ(ParseDuration("500ms").value(), absl::Milliseconds(500));
  EXPECT_EQ(ParseDuration("90s").value(), absl::Seconds(90));
  EXPECT_EQ(ParseDuration("3d").value(), absl::Hours(72));
  for (std::string_view text : {"", "10", "-1s", "1.5s", "1h30m", "1y"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(Units, FormattedTextParsesBack) {
  EXPECT_EQ(SizeText(4 * kMiB), "4MiB");
  EXPECT_EQ(SizeText(1'025), "1025B");
  EXPECT_EQ(SizeText(0), "0B");
  EXPECT_EQ(DurationText(absl::Seconds(90)), "90s");
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0s");
  std::mt19937_64 random(2);
  for (int i = 0; i < 1'000; ++i) {
    const auto number = static_cast<int64_t>(random() >> (1 + random() % 60));
    EXPECT_EQ(ParseSize(SizeText(number)).value(), number);
    const absl::Duration duration = absl::Milliseconds(number % 1'000'000'000'000);
    EXPECT_EQ(ParseDuration(DurationText(duration)).value(), duration);
  }
}

TEST(HostPortTest, BracketsHoldAnIPv6Address) {
  for (const char* good :
       {"[::1]:80", "[2001:db8::7]:0", "[::ffff:1.2.3.4]:1", "[fe80::1%eth0]:1"}) {
    const auto address = ParseHostPort(good);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), good);
  }
  for (const char* bad : {"[]:80", "[abc]:80", "[1.2.3.4]:80", "[host%eth0]:80", "[::1%]:80",
                          "[::1%a[b]:80", "[:]:80"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace mansio::config
