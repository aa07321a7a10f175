#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_FIND_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_FIND_H_

#include "client/command/context.h"

namespace CLI {
class App;
}

namespace mansio::command {

// Each adds one verb of the noun "message", for messages that stand in the brokers' logs.
void AddMessageGet(CLI::App& message, Context& context);
void AddMessageQuery(CLI::App& message, Context& context);
void AddMessageTrace(CLI::App& message, Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_FIND_H_
