#include "nameserver/broker_text.h"

#include <fmt/format.h>

namespace mansio::nameserver {

std::string AddressText(const apache::rocketmq::v2::Address& address) {
  const bool is_v6 = address.host().find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", address.host(), address.port())
               : fmt::format("{}:{}", address.host(), address.port());
}

std::string AddressesText(const v1::BrokerIdentity& broker) {
  std::string text;
  for (const auto& address : broker.addresses()) {
    if (!text.empty()) text += ",";
    text += AddressText(address);
  }
  return text;
}

}  // namespace mansio::nameserver
