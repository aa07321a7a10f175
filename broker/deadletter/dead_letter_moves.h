#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_MOVES_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_MOVES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "broker/deadletter/dead_letter_reader.h"
#include "broker/metadata/metadata.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

class AppendBudget;
class Delay;

// Where resent dead letters go.
enum class ResendTarget {
  kGroup,   // to the group that gave them up, as messages of the topic that they were sent to
  kOrigin,  // to the end of that topic, for every group
  kTopic,   // to the end of a named one
};

// What is to become of the dead letters of one stretch.
struct DeadLetterMove {
  GroupPtr group;
  TopicPtr letters;  // its dead-letter topic
  DeadLetterSelection selection;
  DeadLetterStretch stretch;
  bool purge = false;  // nothing of the following counts
  ResendTarget target = ResendTarget::kGroup;
  TopicPtr topic;  // kTopic
  int64_t delay_ms = 0;
  bool force = false;
  bool dry_run = false;
};

struct DeadLetterMoveResult {
  DeadLetterPageRead page;  // its letters are those that were matched
  size_t moved = 0;
  struct Refusal {
    std::string message_id;
    store::QueueOffset offset = 0;
    std::string reason;
  };
  std::vector<Refusal> refusals;
};

// Takes dead letters out of a group's %DLQ% topic: resent or purged. What one call does is one
// atomic frame: the removal and the copies, so that a letter is never lost and never there twice,
// whenever the broker or the caller dies. They are claimed before the frame is submitted; what is
// claimed or removed already is passed over, so that calls can be repeated and run side by side.
// Thread-safe.
class DeadLetterMoves {
 public:
  struct Options {
    uint32_t max_resends = 3;  // at first; see SetMaxResends
  };
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    DeadLetterState* state = nullptr;
    Delay* delay = nullptr;
    AppendBudget* budget = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  // TOO_MANY_REQUESTS at a limit, another wire status when the frame failed; nothing was moved
  // then.
  using Done = absl::AnyInvocable<void(absl::StatusOr<DeadLetterMoveResult>)>;

  DeadLetterMoves(Options options, Environment environment)
      : max_resends_(options.max_resends), environment_(environment) {}

  // A message that was resent that often is refused unless forced.
  void SetMaxResends(uint32_t max_resends) { max_resends_ = max_resends; }

  // Calls `done` once, on any thread.
  void Run(DeadLetterMove move, Done done);

 private:
  struct Job;
  class Frame;
  using JobPtr = std::shared_ptr<Job>;

  void Read(const JobPtr& job);
  // Decides for each letter; then the retry queues that are needed are made, then the frame is
  // logged.
  void Plan(const JobPtr& job);
  // "" when the letter can be resent; sets where to.
  std::string PlanOne(Job& job, size_t index) const;
  void EnsureRetryQueues(const JobPtr& job);
  void Log(const JobPtr& job);
  absl::Status AddCopy(const Job& job, size_t index, Frame& frame) const;

  std::atomic<uint32_t> max_resends_;
  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_MOVES_H_
