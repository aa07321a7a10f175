#ifndef MANSIO_CLIENT_COMMAND_BROKERS_H_
#define MANSIO_CLIENT_COMMAND_BROKERS_H_

#include <vector>

#include "client/command/context.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::command {

// "10.0.0.5:8081", … of a broker.
Json Addresses(const v1::BrokerIdentity& broker);

// All brokers of `answer`, and what they say themselves that a nameserver does not know: how far
// their logs have come. A master answers for its slaves, too. By cluster, name and id, a group's
// master first.
std::vector<v1::BrokerOverview> MembersOf(const Context& context,
                                          const v1::ListBrokersResponse& answer);

// Prints all brokers, those that have left last. kUnreachable when none is online.
int ListBrokers(const Context& context);

// Adds `mansio broker`: list, describe, config, promote, switchover.
void AddBrokers(CLI::App& app, Context& context);
// Add one command each to it.
void AddPromote(CLI::App& broker, Context& context);
void AddSwitchover(CLI::App& broker, Context& context);

// Waits until the member says that it is the master; false when it does not in half a minute.
bool AwaitMaster(const Context& context, const v1::BrokerIdentity& member);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_BROKERS_H_
