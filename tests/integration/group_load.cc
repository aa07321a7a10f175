#include "tests/integration/group_load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/time/clock.h"

namespace mansio::testing {

std::set<std::string> Load::End() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
  return acknowledged_;
}

void Load::AwaitAcknowledged(int more) {
  const int until = count_ + more;
  const absl::Time deadline = absl::Now() + absl::Minutes(2);
  while (count_ < until && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_GE(count_, until) << brokers_.front()->Log();
}

void Load::Run() {
  std::unique_ptr<client::Producer> producer;
  size_t turn = 0;
  for (int n = 0; !ending_; ++n) {
    if (producer == nullptr) {
      client::ClientOptions options = brokers_[turn++ % brokers_.size()]->Client();
      options.request_timeout = timeout_;
      auto created = client::Producer::Create(options);
      if (created.ok()) producer = *std::move(created);
    }
    const std::string body = prefix_ + std::to_string(n);
    if (producer != nullptr) {
      const auto receipt = producer->Send(MessageTo("orders", body));
      if (receipt.ok() && receipt->status.ok()) {
        acknowledged_.insert(body);
        ++count_;
        continue;
      }
      if (failures_ == 0)
        first_failure_ = (receipt.ok() ? receipt->status : receipt.status()).ToString();
      ++failures_;
    }
    if (brokers_.size() > 1) producer.reset();
    absl::SleepFor(absl::Milliseconds(20));
  }
}

std::multiset<std::string> ReceiveAtLeast(BrokerProcess& broker, size_t count) {
  const auto consumer = broker.Consumer("billing", "orders");
  std::multiset<std::string> bodies;
  while (bodies.size() < count) {
    const auto received = consumer->Receive(32, kLease, kWait);
    EXPECT_TRUE(received.ok()) << received.status();
    if (!received.ok() || received->empty()) break;
    for (const auto& message : *received) {
      bodies.insert(message.body);
      EXPECT_TRUE(consumer->Ack(message).ok());
    }
  }
  return bodies;
}

std::vector<std::string> MembersAt(const BrokerProcess& node) {
  std::vector<std::string> members;
  const auto list = node.Admin()->ListBrokers();
  if (!list.ok()) return {std::string(list.status().message())};
  for (const v1::BrokerOverview& overview : list->brokers()) {
    const v1::BrokerIdentity& broker = overview.broker();
    if (!overview.online()) continue;
    members.push_back(fmt::format("{} {}{}", broker.member(), broker.role(),
                                  overview.in_sync() ? " in sync" : ""));
    EXPECT_GT(broker.epoch(), 0);
    EXPECT_GT(overview.log_end(), 0);
    EXPECT_LE(overview.committed(), overview.log_end());
  }
  return members;
}

void AwaitMembers(const BrokerProcess& node, const std::vector<std::string>& expected) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  std::vector<std::string> members = MembersAt(node);
  while (members != expected && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(50));
    members = MembersAt(node);
  }
  EXPECT_EQ(members, expected) << node.Log();
}

}  // namespace mansio::testing
