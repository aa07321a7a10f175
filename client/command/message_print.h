#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_PRINT_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_PRINT_H_

#include <optional>
#include <string>

#include "client/command/context.h"
#include "client/lib/filter.h"

namespace mansio::command {

struct PrintArguments {
  std::string topic;
  std::string from = "earliest";
  bool follow = false;
  std::optional<int> queue;
  std::optional<int> max;
  client::Filter filter;
  bool raw = false;
};

// Prints the messages of a topic's queues by pulling, each as soon as it is there, in order within
// a queue; to the present end of the queues, or with `follow` until the output is closed. Returns
// the exit code.
int PrintMessages(const Context& context, const PrintArguments& arguments);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_PRINT_H_
