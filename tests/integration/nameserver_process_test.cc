// The life of a real mansio-nameserver: start, service, the loss of brokers, end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/time/clock.h"
#include "tests/integration/server_process.h"

namespace mansio::testing {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kRegistration = absl::Seconds(60);

// Waits until the nameserver lists `count` brokers that are there.
void AwaitBrokers(const NameserverProcess& nameserver, int count) {
  const auto admin = nameserver.Admin();
  const absl::Time deadline = absl::Now() + kRegistration;
  int listed = -1;
  while (listed != count && absl::Now() < deadline) {
    const auto brokers = admin->ListBrokers();
    ASSERT_TRUE(brokers.ok()) << brokers.status();
    listed = static_cast<int>(std::count_if(brokers->brokers().begin(), brokers->brokers().end(),
                                            [](const auto& broker) { return broker.online(); }));
  }
  ASSERT_EQ(listed, count);
}

TEST(NameserverProcessTest, ServesPlaintextAndTlsOnOnePortAndEndsInOrder) {
  NameserverProcess nameserver;
  const std::string ready = nameserver.Start();
  EXPECT_THAT(ready, HasSubstr(nameserver.address()));
  for (const bool tls : {false, true}) {
    const auto brokers = nameserver.Admin(tls)->ListBrokers();
    ASSERT_TRUE(brokers.ok()) << brokers.status();
    EXPECT_EQ(brokers->brokers_size(), 0);
  }
  EXPECT_EQ(nameserver.Stop(), 0) << nameserver.Log();
}

TEST(NameserverProcessTest, ABrokerComesGoesAndComesBack) {
  NameserverProcess nameserver;
  nameserver.Start();
  BrokerProcess broker({"nameservers=" + nameserver.address()});
  broker.Start();
  AwaitBrokers(nameserver, 1);
  broker.Kill();
  AwaitBrokers(nameserver, 0);
  broker.Start();
  AwaitBrokers(nameserver, 1);
  EXPECT_EQ(broker.Stop(), 0) << broker.Log();
  AwaitBrokers(nameserver, 0);
  EXPECT_EQ(nameserver.Stop(), 0) << nameserver.Log();
}

TEST(NameserverProcessTest, ARestartedNameserverLearnsAgainWhileBrokersServe) {
  NameserverProcess nameserver;
  nameserver.Start();
  BrokerProcess broker({"nameservers=" + nameserver.address()});
  broker.Start();
  AwaitBrokers(nameserver, 1);
  ASSERT_TRUE(nameserver.CreateTopic("orders").ok());
  nameserver.Kill();
  const auto receipt = broker.Producer()->Send(MessageTo("orders", "without a nameserver"));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_TRUE(receipt->status.ok()) << receipt->status;
  nameserver.Start();
  AwaitBrokers(nameserver, 1);
  const auto again = nameserver.Producer()->Send(MessageTo("orders", "through it"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->status.ok()) << again->status;
  EXPECT_EQ(broker.Stop(), 0) << broker.Log();
  EXPECT_EQ(nameserver.Stop(), 0) << nameserver.Log();
}

}  // namespace
}  // namespace mansio::testing
