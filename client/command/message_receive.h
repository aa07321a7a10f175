#ifndef MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_
#define MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_

#include <string>

#include "absl/time/time.h"
#include "client/command/context.h"
#include "client/lib/filter.h"

namespace mansio::command {

// What becomes of messages that were received.
enum class AfterReceive {
  kAck,
  kHold,      // they stay hidden from the group for the invisible time
  kGiveBack,  // they come again as soon as the command has ended
};

struct ReceiveArguments {
  std::string topic;
  std::string group;
  int max = 32;
  absl::Duration wait = absl::Seconds(5);
  absl::Duration invisible = absl::Minutes(5);
  AfterReceive then = AfterReceive::kAck;
  client::Filter filter;
  bool raw = false;
};

// Receives until `max` messages have come or no broker has any, prints them, and does with them
// what is asked. Returns the exit code: kUsage for an invisible time that brokers do not take,
// kPartial when some could not be acknowledged or held.
int ReceiveMessages(const Context& context, const ReceiveArguments& arguments);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MESSAGE_RECEIVE_H_
