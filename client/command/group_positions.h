#ifndef MANSIO_CLIENT_COMMAND_GROUP_POSITIONS_H_
#define MANSIO_CLIENT_COMMAND_GROUP_POSITIONS_H_

#include "client/command/context.h"

namespace mansio::command {

// Adds `group reset`, `group pause` and `group resume`.
void AddGroupPositions(CLI::App& group, Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_GROUP_POSITIONS_H_
