#ifndef MANSIO_BROKER_REPLICATION_PUMP_H_
#define MANSIO_BROKER_REPLICATION_PUMP_H_

#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// The thread that does a member's part in replication: `work`, again after each Wake and at least
// after the time that it returns. Thread-safe.
class Pump {
 public:
  explicit Pump(std::function<absl::Duration()> work) : work_(std::move(work)) {}
  ~Pump() { Stop(); }

  // Once.
  void Start();
  // Any number of them before the work begins again cost one round. Never blocks.
  void Wake();
  // Returns when the work that is running has ended; Wake does nothing any more. Idempotent.
  void Stop();

 private:
  void Run();

  const std::function<absl::Duration()> work_;
  std::thread thread_;
  Mutex mutex_;
  CondVar changed_;
  bool due_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_PUMP_H_
