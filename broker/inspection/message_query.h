#ifndef MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_
#define MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/inspection/found_message.h"
#include "broker/inspection/queue_backwards.h"
#include "broker/inspection/turn.h"
#include "broker/metadata/metadata.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// One mansio.v1.QueryMessages: reads a bounded number of messages, a turn at a time. Not
// thread-safe; the turns may be of several threads, one after the other.
class MessageQuery {
 public:
  using Response = v1::QueryMessagesResponse;
  static constexpr int32_t kDefaultLimit = 32;
  static constexpr int32_t kMaxLimit = 1000;
  static constexpr size_t kMaxExamined = 2000;   // messages read for their key
  static constexpr size_t kMaxBytes = 2u << 20;  // of an answer, and one message

  // All borrowed.
  struct Environment {
    store::Store* store = nullptr;
    const Metadata* metadata = nullptr;
    const std::string* broker = nullptr;  // its name
  };
  // A wire status when the request is wrong: BAD_REQUEST, TOPIC_NOT_FOUND.
  static absl::StatusOr<MessageQuery> From(const v1::QueryMessagesRequest& request,
                                           Environment environment);

  // Goes on; true when it is done. Only inside Store::RunCold.
  absl::StatusOr<bool> Step(Turn& turn);
  // What was found, with `more` when it is not done: all but status and results. Once. A wire
  // status REQUEST_TIMEOUT when the newest are not known yet.
  absl::StatusOr<Response> Take();

 private:
  explicit MessageQuery(Environment environment) : environment_(environment) {}

  bool ByKey() const { return !key_.empty() || !message_id_.empty(); }
  bool InTime(int64_t stored_ms) const { return stored_ms >= from_ms_ && stored_ms < until_ms_; }
  bool Has(const DecodedMessage& message) const;
  // Adds a message to the answer; false when there is no room for more.
  bool Add(const DecodedMessage& message, const Topic& topic);
  absl::StatusOr<bool> StepByKey(Turn& turn);
  // False when the answer is full.
  bool Examine(const store::KeyMatch& match, Turn& turn);
  absl::StatusOr<bool> StepByTime(Turn& turn);
  absl::Status OpenQueue(uint32_t number, Turn& turn);
  // Takes the newest message of all queues; false when the answer is full.
  absl::StatusOr<bool> TakeNewest(Turn& turn);

  Environment environment_;
  TopicPtr topic_;  // null: any
  std::string key_;
  std::string message_id_;
  int64_t from_ms_ = 0;
  int64_t until_ms_ = std::numeric_limits<int64_t>::max();
  int32_t limit_ = kDefaultLimit;
  bool copies_ = false;
  bool with_bodies_ = false;

  Response response_;
  size_t bytes_ = 0;  // of its messages, and of one that was too much
  bool done_ = false;
  // By key: the log before this was not searched yet.
  store::LogOffset before_ = std::numeric_limits<store::LogOffset>::max();
  size_t examined_ = 0;
  absl::flat_hash_set<std::pair<store::QueueKey, store::QueueOffset>> seen_;  // carried ones twice
  // By time: the queues that have older messages, a heap whose front has the newest.
  std::vector<QueueBackwards> queues_;
  uint32_t opened_ = 0;  // of the topic's queues
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_
