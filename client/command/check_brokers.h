#ifndef MANSIO_CLIENT_COMMAND_CHECK_BROKERS_H_
#define MANSIO_CLIENT_COMMAND_CHECK_BROKERS_H_

#include "client/command/context.h"
#include "client/command/finding.h"

namespace mansio::command {

// Brokers that are lost, or do not answer at the address that clients get; groups without a master;
// groups that acknowledge what no slave has; clocks that differ from this machine's; stores that
// fail or run out of room; versions that differ. Asks every broker itself.
void CheckBrokers(const Context& context, const Sight& sight, Findings* findings);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CHECK_BROKERS_H_
