#ifndef MANSIO_CLIENT_COMMAND_TOPIC_BROKERS_H_
#define MANSIO_CLIENT_COMMAND_TOPIC_BROKERS_H_

#include <string>

#include "absl/time/time.h"
#include "client/command/context.h"

namespace mansio::command {

// `topic alter --add-broker` and `--drain-broker`: which brokers take the sends of a topic.
struct BrokerChange {
  std::string topic;
  std::string add;  // one of the two is empty
  std::string drain;
  absl::Duration wait = absl::Seconds(15);  // for FIFO consumers to finish what is there
  bool force = false;                       // do not wait for them
};

// Does it and prints the outcome; returns the command's exit status. Where message groups change
// their broker, their sends wait meanwhile (docs/design.md, "Several broker groups"); given again
// after it has failed half-way, the command completes the change.
int ChangeBrokers(const Context& context, const BrokerChange& change);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_TOPIC_BROKERS_H_
