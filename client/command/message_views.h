#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_VIEWS_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_VIEWS_H_

#include "absl/time/time.h"
#include "client/command/output.h"
#include "client/lib/message.h"

// How received messages are shown. Pure functions, thread-safe.
namespace mansio::command {

// RFC 3339 in UTC with milliseconds.
Json InstantText(absl::Time time);
// Everything of a message; a body that is not UTF-8 as body_base64.
Json MessageJson(const client::ReceivedMessage& message);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_VIEWS_H_
