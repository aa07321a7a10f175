#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_SEND_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_SEND_H_

#include <string>
#include <vector>

#include "client/command/context.h"
#include "client/lib/message.h"

namespace mansio::command {

struct SendArguments {
  std::string topic;
  bool has_body = false;
  std::string body;
  std::string file;                     // empty: none
  client::Message message;              // tag, keys and message group of each message
  std::vector<std::string> properties;  // NAME=VALUE
  std::string deliver_at;               // RFC 3339, or +DURATION from now; empty: at once
  int count = 1;
};

// Sends, and prints the ids that the messages got. Messages of one message group are sent one after
// the other, others up to 64 at a time. Returns the exit code: kPartial when some could not be
// sent.
int SendMessages(const Context& context, const SendArguments& arguments);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_SEND_H_
