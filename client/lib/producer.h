#ifndef MANSIO_CLIENT_LIB_PRODUCER_H_
#define MANSIO_CLIENT_LIB_PRODUCER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/lib/client_options.h"
#include "client/lib/message.h"

namespace mansio::client {

// What became of one message.
struct SendReceipt {
  std::string message_id;
  absl::Status status;  // OK: stored as durably as the broker is configured
  int64_t queue_offset = 0;
  // Of a delayed message on a topic of type delay or mixed, for Recall; empty otherwise.
  std::string recall_handle;
  std::string endpoint;  // of the broker that has it
};

// Sends messages. Thread-safe.
//
// A send goes to the brokers of the topic in turn; the messages of one message group always to the
// same one. A send that fails in a way that another broker or moment may cure (a lost connection,
// an overloaded or failing broker) is tried again, `max_attempts` times in all, always with the
// same message id, on the next broker. So a message can be stored twice, as with every RocketMQ
// producer. After TOO_MANY_REQUESTS the producer waits before it tries again (10 ms, doubled each
// time, at most 1 s). What the broker refuses for good (an unknown topic, a bad tag) fails at once.
//
// Errors carry the server's public code (common/status/wire_status.h); kUnavailable and
// kDeadlineExceeded without one mean that a node could not be reached.
class Producer {
 public:
  using SendDone = absl::AnyInvocable<void(absl::StatusOr<SendReceipt>)>;
  using BatchDone = absl::AnyInvocable<void(absl::StatusOr<std::vector<SendReceipt>>)>;

  // Connects to the access point: kUnavailable or kDeadlineExceeded, naming it, when that fails.
  static absl::StatusOr<std::unique_ptr<Producer>> Create(ClientOptions options);

  // Sends that are still under way end with kCancelled.
  virtual ~Producer() = default;

  // Sends one message and waits for the broker's answer. Not from a callback.
  virtual absl::StatusOr<SendReceipt> Send(Message message) = 0;
  // Sends one message; `done` runs once, on an rpc thread (or at once), and must not block.
  virtual void SendAsync(Message message, SendDone done) = 0;

  // Sends messages of one topic (and one message group, if any) in one request: at most 1,024 and
  // 32 MiB. The receipts come in the same order, and each has a status of its own; an error instead
  // of receipts means that none was acknowledged.
  virtual absl::StatusOr<std::vector<SendReceipt>> SendBatch(std::vector<Message> messages) = 0;
  virtual void SendBatchAsync(std::vector<Message> messages, BatchDone done) = 0;

  // Takes back a delayed message of `topic` that is not delivered yet, and waits for the answer:
  // OK also when it was recalled before, NOT_FOUND when consumers can have it already. Not from a
  // callback.
  virtual absl::Status Recall(const std::string& topic, const SendReceipt& receipt) = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_PRODUCER_H_
