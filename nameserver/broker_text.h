#ifndef MANSIO_NAMESERVER_BROKER_TEXT_H_
#define MANSIO_NAMESERVER_BROKER_TEXT_H_

#include <string>

#include "mansio/v1/registration.pb.h"

// Brokers as logs and error texts show them, and as connections are made to them. Pure,
// thread-safe.
namespace mansio::nameserver {

// "10.0.0.1:8081", "[::1]:8081".
std::string AddressText(const apache::rocketmq::v2::Address& address);
// All of a broker's addresses, separated by commas.
std::string AddressesText(const v1::BrokerIdentity& broker);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_BROKER_TEXT_H_
