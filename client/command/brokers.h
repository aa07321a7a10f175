#ifndef MANSIO_CLIENT_COMMAND_BROKERS_H_
#define MANSIO_CLIENT_COMMAND_BROKERS_H_

#include "client/command/context.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::command {

// "10.0.0.5:8081", … of a broker.
Json Addresses(const v1::BrokerIdentity& broker);

// Prints all brokers, those that have left last. kUnreachable when none is online.
int ListBrokers(const Context& context);

// Adds `mansio broker`: list, describe, config.
void AddBrokers(CLI::App& app, Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_BROKERS_H_
