#ifndef MANSIO_CLIENT_COMMAND_GROUP_VIEWS_H_
#define MANSIO_CLIENT_COMMAND_GROUP_VIEWS_H_

namespace CLI {
class App;
}

namespace mansio::command {

struct Context;

// The verbs of `mansio group` that only look: why, lag, clients.
void AddGroupViews(CLI::App& group, Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_GROUP_VIEWS_H_
