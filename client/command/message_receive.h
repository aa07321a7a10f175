#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_

#include <string>

#include "absl/time/time.h"
#include "client/command/context.h"

namespace mansio::command {

struct ReceiveArguments {
  std::string topic;
  std::string group;
  int max = 32;
  absl::Duration wait = absl::Seconds(5);
  absl::Duration invisible = absl::Minutes(5);
  bool ack = true;
  std::string filter = "*";
  bool raw = false;
};

// Receives until `max` messages have come or no broker has any, acknowledges them unless told not
// to, and prints them. Returns the exit code: kPartial when some could not be acknowledged.
int ReceiveMessages(const Context& context, const ReceiveArguments& arguments);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_
