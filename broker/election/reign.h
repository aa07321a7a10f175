#ifndef MANSIO_BROKER_ELECTION_REIGN_H_
#define MANSIO_BROKER_ELECTION_REIGN_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "store/types.h"

namespace mansio::broker {

// One reign of this broker as master, and until when nobody else can have begun another one. Made
// at the election; one that has ended never comes to life again. Thread-safe and lock-free.
class Reign {
 public:
  explicit Reign(store::Epoch epoch) : epoch_(epoch) {}

  store::Epoch epoch() const { return epoch_; }

  // Whether what is committed may be acknowledged and shown: once for each batch, with the time
  // (Clock::BootNow) read after the batch was committed and before anything is answered. False may
  // become true again: the lease was renewed after all, and nobody else has reigned meanwhile.
  bool MayAcknowledge(absl::Duration boot_now) const {
    return absl::ToInt64Nanoseconds(boot_now) < until_.load(std::memory_order_acquire);
  }

  // Of the election alone. `until`: a time of this machine's BootNow; also earlier than before.
  void SetUntil(absl::Duration until) {
    until_.store(absl::ToInt64Nanoseconds(until), std::memory_order_release);
  }
  void End() { SetUntil(-absl::InfiniteDuration()); }

 private:
  const store::Epoch epoch_;
  std::atomic<int64_t> until_{INT64_MIN};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_REIGN_H_
