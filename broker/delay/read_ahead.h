#ifndef MANSIO_BROKER_DELAY_READ_AHEAD_H_
#define MANSIO_BROKER_DELAY_READ_AHEAD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/delay/delay_state.h"
#include "broker/move/mover.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Reads the messages of timers before they are due (design section 8), so that a slow disk makes
// none of them late: in the order in which they fire, one gather of the mover at a time, and no
// more at once than `Limits` says. What it holds are copies of its own: bytes that are in the tail
// cache now may have left it when the timer is due. A timer that was added for a time up to which
// everything is read already is left out: it was stored so lately that it is in the tail cache.
// Thread-safe.
class ReadAhead {
 public:
  struct Limits {
    int64_t ahead_ms = 5000;     // so long before they are due
    uint64_t bytes = 16u << 20;  // of all that is held
    size_t batch = 512;          // timers in one gather
    uint64_t batch_bytes = 1u << 20;
  };
  // All borrowed.
  struct Environment {
    DelayState* state = nullptr;
    Mover* mover = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  // The content of one message; nullopt: it was not read ahead.
  using Content = std::optional<std::string>;

  explicit ReadAhead(Environment environment) : ReadAhead(environment, Limits()) {}
  ReadAhead(Environment environment, Limits limits) : environment_(environment), limits_(limits) {}

  // Begins with what is due first. After the store is open.
  void Start();
  // Before the mover and the timers stop; what is being read is dropped.
  void Stop();
  // Timers were added: there may be an earlier one to read.
  void Wake();

  // Gives away the contents of `timers`, which rise from call to call but for those that are tried
  // again: of as many of the first ones, at least one, as have `max_bytes` together. What lies
  // before the last of these is dropped. `timers` is not empty.
  std::vector<Content> Take(const std::vector<TimerKey>& timers, uint64_t max_bytes);
  // If the read under way holds any of `timers`: takes `then`, calls it once, on any thread, when
  // that has ended, and returns true. One call waits at a time. `timers` is not empty.
  bool WaitFor(const std::vector<TimerKey>& timers, std::function<void()> then);

  // Bytes of the contents that are held.
  uint64_t bytes() const;

 private:
  using Messages = std::vector<absl::StatusOr<store::StoredMessage>>;
  struct Held {
    TimerKey timer;
    std::string content;
  };
  static constexpr int64_t kNotArmed = std::numeric_limits<int64_t>::max();

  // Reads the next timers that are due soon, or waits until there are some.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<TimerKey> BeginRead() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndRead(const std::vector<TimerKey>& timers, const Messages& messages)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Environment environment_;
  const Limits limits_;
  mutable Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  TimerKey next_ ABSL_GUARDED_BY(mutex_);          // what lies before it was read, or is being read
  std::deque<Held> held_ ABSL_GUARDED_BY(mutex_);  // rising
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;     // of held_
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  TimerKey first_read_ ABSL_GUARDED_BY(mutex_);  // of the read under way
  TimerKey last_read_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t not_before_ms_ ABSL_GUARDED_BY(mutex_) = 0;  // reads; they would be too small
  int64_t armed_for_ ABSL_GUARDED_BY(mutex_) = kNotArmed;
  TimerQueue::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_READ_AHEAD_H_
