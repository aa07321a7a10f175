#ifndef MANSIO_CLIENT_LIB_PULL_CONSUMER_H_
#define MANSIO_CLIENT_LIB_PULL_CONSUMER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client_options.h"
#include "client/lib/filter.h"
#include "client/lib/message.h"

namespace mansio::client {

// One queue of a topic.
struct PullQueue {
  std::string topic;
  std::string broker;    // its name
  std::string endpoint;  // of the broker, in the form of ClientOptions::endpoint
  int queue_id = 0;
};

// What one pull brought.
struct PullResult {
  std::vector<ReceivedMessage> messages;  // none: nothing came within the waiting time
  int64_t next_offset = 0;                // where to pull next
  // Messages from the asked offset on were deleted by retention; next_offset is the oldest one.
  bool offset_gone = false;
};

// Reads queues by offset: nothing is leased, nothing has to be acknowledged, and reading changes
// nothing for others. Where a group has read to can be kept on the brokers (GetOffset,
// UpdateOffset). Thread-safe; several threads may pull at once.
//
// Errors carry the server's public code (common/status/wire_status.h); kUnavailable and
// kDeadlineExceeded without one mean that a node could not be reached.
class PullConsumer {
 public:
  using PullDone = absl::AnyInvocable<void(absl::StatusOr<PullResult>)>;

  // Connects to the access point. The group is not created by that, but by its first UpdateOffset.
  // kUnavailable or kDeadlineExceeded, naming the access point, when that fails.
  static absl::StatusOr<std::unique_ptr<PullConsumer>> Create(ClientOptions options,
                                                              std::string group);

  // Calls that are still under way end with kCancelled.
  virtual ~PullConsumer() = default;

  // The queues of a topic on all brokers. TOPIC_NOT_FOUND when there is no such topic.
  virtual absl::StatusOr<std::vector<PullQueue>> Queues(const std::string& topic) = 0;

  // Takes up to `max` messages (brokers give at most 32 at a time) from `offset` on that match
  // `filter`, and waits up to `wait` (brokers hold at most 20 s) for the first. ILLEGAL_OFFSET for
  // an offset behind the end of the queue, ILLEGAL_FILTER_EXPRESSION for wrong SQL.
  virtual absl::StatusOr<PullResult> Pull(const PullQueue& queue, int64_t offset, int max,
                                          const Filter& filter, absl::Duration wait) = 0;
  // The same; `done` runs once, on an rpc thread, and must not block.
  virtual void PullAsync(const PullQueue& queue, int64_t offset, int max, const Filter& filter,
                         absl::Duration wait, PullDone done) = 0;

  // The oldest offset of a queue, the one that the next message will get, and that of the first
  // message stored at or after `time` (the end when there is none).
  virtual absl::StatusOr<int64_t> Beginning(const PullQueue& queue) = 0;
  virtual absl::StatusOr<int64_t> End(const PullQueue& queue) = 0;
  virtual absl::StatusOr<int64_t> AtTime(const PullQueue& queue, absl::Time time) = 0;

  // The group's position on a queue. OFFSET_NOT_FOUND when there is none.
  virtual absl::StatusOr<int64_t> GetOffset(const PullQueue& queue) = 0;
  // Keeps `offset` as the group's position. ILLEGAL_OFFSET for one that is not in the queue.
  virtual absl::Status UpdateOffset(const PullQueue& queue, int64_t offset) = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_PULL_CONSUMER_H_
