#ifndef MANSIO_CLIENT_COMMAND_TOPIC_ROUTE_H_
#define MANSIO_CLIENT_COMMAND_TOPIC_ROUTE_H_

#include <string>

#include "client/command/context.h"

namespace mansio::command {

// Asks for a topic's route as SDKs do, works against any RocketMQ 5 endpoint, and prints its
// queues. Returns the exit code.
int ShowTopicRoute(const Context& context, const std::string& topic);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_TOPIC_ROUTE_H_
