#include "nameserver/lost_brokers.h"

#include <tuple>

#include "common/clock/clock.h"

namespace mansio::nameserver {
bool LostBrokers::IsSame(const v1::BrokerIdentity& a, const v1::BrokerIdentity& b) {
  if (std::tie(a.cluster(), a.name()) != std::tie(b.cluster(), b.name())) return false;
  return a.member() != 0 && b.member() != 0 ? a.member() == b.member() : a.id() == b.id();
}

void LostBrokers::Add(const v1::BrokerIdentity& broker) {
  Remove(broker);
  const absl::Duration now = clock_->BootNow();
  lost_.push_back({broker, clock_->WallNow(), now});
  while (lost_.size() > kMost || now - lost_.front().left_at > kRemembered) lost_.pop_front();
}

void LostBrokers::Remove(const v1::BrokerIdentity& broker) {
  lost_.remove_if([&](const Lost& lost) { return IsSame(lost.broker, broker); });
}

std::vector<v1::BrokerOverview> LostBrokers::List() const {
  std::vector<v1::BrokerOverview> overviews;
  const absl::Duration now = clock_->BootNow();
  for (const Lost& lost : lost_) {
    if (now - lost.left_at > kRemembered) continue;
    v1::BrokerOverview& overview = overviews.emplace_back();
    *overview.mutable_broker() = lost.broker;
    overview.mutable_left()->set_seconds(absl::ToUnixSeconds(lost.left));
  }
  return overviews;
}

}  // namespace mansio::nameserver
