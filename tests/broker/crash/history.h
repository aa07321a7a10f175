#ifndef MANSIO_TESTS_BROKER_CRASH_HISTORY_H_
#define MANSIO_TESTS_BROKER_CRASH_HISTORY_H_

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/sync/sync.h"
#include "store/types.h"

namespace mansio::broker {

// What a run's clients have asked for and been told, each at its moment: store::World::Happened.
using Moment = uint64_t;
inline constexpr Moment kNever = std::numeric_limits<Moment>::max();

// A half whose producer was told its transaction id.
struct TransactionFacts {
  std::string id;
  Moment told = kNever;
  // The first request of each kind, and the first of them that was answered with OK.
  Moment commit_tried = kNever;
  Moment committed = kNever;
  Moment rollback_tried = kNever;
  Moment rolled_back = kNever;
};

// A delayed message.
struct TimerFacts {
  std::string topic;
  int64_t due_ms = 0;
  std::string handle;  // "" when its send was not answered yet, or it cannot be recalled
  Moment told = kNever;
  Moment recall_tried = kNever;
  Moment recalled = kNever;
};

// A message that the consumers' group was handed; of the last time.
struct DeliveryFacts {
  std::string topic;
  std::string handle;
  Moment told = kNever;
  Moment leased = kNever;  // the first lease is durable; handing out does not wait for that
  Moment ack_tried = kNever;
  Moment acked = kNever;
  Moment forward_tried = kNever;  // to the dead letters
};

// A group's position was set to an offset.
struct SeekFacts {
  store::QueueOffset offset = 0;
  Moment tried = kNever;
  Moment told = kNever;
};

// A message as it came to stand in a queue.
struct Stored {
  std::string id;
  uint32_t attempts = 0;  // deliveries that were made of it, of a copy
  int64_t stored_ms = 0;  // broker time
  Moment applied = kNever;
};

struct Facts {
  std::map<std::string, TransactionFacts> transactions;  // these by message id
  std::map<std::string, TimerFacts> timers;
  std::map<std::string, DeliveryFacts> deliveries;
  std::vector<SeekFacts> seeks;
  std::map<store::QueueKey, std::vector<Stored>> queues;  // by offset, from 0 on
  std::vector<std::pair<Moment, absl::Time>> wall;        // how the time went
  // Where queues began, now and then.
  std::vector<std::pair<Moment, std::map<store::QueueKey, store::QueueOffset>>> minima;
  std::vector<std::string> problems;  // what no client may be told
};

// The facts while they grow. Thread-safe.
class History {
 public:
  template <typename F>
  auto With(F&& f) {
    const MutexLock lock(&mutex_);
    return f(facts_);
  }

 private:
  Mutex mutex_;
  Facts facts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_HISTORY_H_
