#include "broker/server/advertise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/address.h"

namespace mansio::broker {
namespace {

using testing::HasSubstr;

BrokerConfig ConfigWith(const std::string& listen, const std::string& advertise) {
  BrokerConfig config = BrokerSchema().Defaults();
  config.listen = *ParseHostPort(listen);
  if (!advertise.empty()) config.advertise = *ParseHostPort(advertise);
  return config;
}

TEST(AdvertisedAddressTest, IsWhatIsConfiguredOrTheListenAddress) {
  EXPECT_EQ(AdvertisedAddress(ConfigWith("0.0.0.0:8081", "broker.example:80"))->ToString(),
            "broker.example:80");
  EXPECT_EQ(AdvertisedAddress(ConfigWith("127.0.0.1:8081", ""))->ToString(), "127.0.0.1:8081");
}

TEST(AdvertisedAddressTest, IsNeverAWildcard) {
  for (const char* listen : {"0.0.0.0:8081", "[::]:8081"}) {
    const auto advertised = AdvertisedAddress(ConfigWith(listen, ""));
    ASSERT_TRUE(advertised.ok()) << advertised.status();
    EXPECT_FALSE(net::ParseHostPort(advertised->ToString())->IsWildcard());
    EXPECT_EQ(advertised->port, 8081);
  }
}

// A port of the loopback address that listens, or is only kept from others.
class LoopbackPort {
 public:
  explicit LoopbackPort(bool listening) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    if (listening) {
      EXPECT_EQ(listen(fd_, 1), 0);
    }
    port_ = ntohs(address.sin_port);
  }
  ~LoopbackPort() { close(fd_); }
  HostPort address(const std::string& host) const { return {host, port_}; }

 private:
  const int fd_;
  uint16_t port_ = 0;
};

TEST(CheckReachableTest, TellsWhetherAConnectionWorks) {
  const LoopbackPort open(true), closed(false);
  EXPECT_TRUE(CheckReachable(open.address("127.0.0.1"), absl::Seconds(30)).ok());
  const absl::Status refused = CheckReachable(closed.address("127.0.0.1"), absl::Seconds(30));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Connection refused"));
}

TEST(CheckReachableTest, ANameThatDoesNotExistIsNamed) {
  const absl::Status status = CheckReachable({"no-such-host.invalid", 80}, absl::Seconds(30));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no-such-host.invalid cannot be looked up"));
}

}  // namespace
}  // namespace mansio::broker
