#ifndef MANSIO_CLIENT_COMMAND_BROKER_ACCESS_H_
#define MANSIO_CLIENT_COMMAND_BROKER_ACCESS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

// Brokers one by one, at the address that clients are given.
namespace mansio::command {

// How to reach this broker itself.
client::ClientOptions OptionsOf(const Context& context, const v1::BrokerIdentity& broker);

// A broker that the access point knows by this name (the master, where there are several).
// kNotFound when it knows none, kUnavailable when that one has left.
absl::StatusOr<v1::BrokerOverview> FindBroker(const Context& context, const std::string& name);

// The same, and a connection to it.
absl::StatusOr<std::unique_ptr<client::AdminClient>> ReachBroker(const Context& context,
                                                                 const std::string& name);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_BROKER_ACCESS_H_
