#ifndef MANSIO_CLIENT_LIB_SIMPLE_CONSUMER_H_
#define MANSIO_CLIENT_LIB_SIMPLE_CONSUMER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client_options.h"
#include "client/lib/filter.h"
#include "client/lib/message.h"

namespace mansio::client {

// Receives messages on request, under leases. Thread-safe; several threads may receive at once.
//
// Delivery is at least once: a message that is not acknowledged within its invisible time comes
// again, to whichever consumer of the group asks, with its attempt counted.
//
// Errors carry the server's public code (common/status/wire_status.h); kUnavailable and
// kDeadlineExceeded without one mean that a node could not be reached.
class SimpleConsumer {
 public:
  using AckDone = absl::AnyInvocable<void(absl::Status)>;

  // Connects to the access point as a member of `group`, which the brokers create when it is new.
  // kUnavailable or kDeadlineExceeded, naming the access point, when that fails.
  static absl::StatusOr<std::unique_ptr<SimpleConsumer>> Create(ClientOptions options,
                                                                std::string group);

  // Calls that are still under way end with kCancelled.
  virtual ~SimpleConsumer() = default;

  // Subscribes to a topic, or changes the filter of one. The topic must exist: TOPIC_NOT_FOUND. A
  // wrong SQL expression is refused by the first Receive: ILLEGAL_FILTER_EXPRESSION.
  virtual absl::Status Subscribe(const std::string& topic, const Filter& filter = {}) = 0;
  // Ends the subscription. What was received can still be acknowledged.
  virtual void Unsubscribe(const std::string& topic) = 0;

  // Takes up to `max` messages (brokers give at most 32 at a time) from one subscribed topic, the
  // topics and their brokers in turn, and hides them from the group for `invisible` (10 s to 12 h).
  // Waits up to `wait` (brokers hold 5 to 20 s) for the first message; none is an empty list, not
  // an error.
  virtual absl::StatusOr<std::vector<ReceivedMessage>> Receive(int max, absl::Duration invisible,
                                                               absl::Duration wait) = 0;

  // How many brokers, each counted once for each subscribed topic, Receive goes around: that many
  // empty receives in a row have looked everywhere.
  virtual absl::StatusOr<int> Sources() = 0;

  // Acknowledges a message: the group will not get it again. INVALID_RECEIPT_HANDLE when its lease
  // has passed or was ended.
  virtual absl::Status Ack(const ReceivedMessage& message) = 0;
  // The same; `done` runs once, on an rpc thread, and must not block.
  virtual void AckAsync(const ReceivedMessage& message, AckDone done) = 0;

  // Makes the message visible again after `invisible` from now (0: at once, the way to refuse it)
  // and puts the new receipt handle into `message`. On an error the old handle stays.
  virtual absl::Status ChangeInvisible(ReceivedMessage& message, absl::Duration invisible) = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_SIMPLE_CONSUMER_H_
