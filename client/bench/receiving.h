#ifndef MANSIO_CLIENT_BENCH_RECEIVING_H_
#define MANSIO_CLIENT_BENCH_RECEIVING_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "client/bench/receiver.h"
#include "client/bench/target.h"

namespace mansio::bench {

// Receives that follow one another until Stop. Thread-safe.
class Receiving {
 public:
  // Both borrowed, until the target has shut its transport down.
  Receiving(Receiver& receiver, Target& target) : receiver_(receiver), target_(target) {}

  // Keeps `chains` receives under way; returns when they can be expected to wait at the server:
  // after a second, and with the process `server` (0: unknown) when that is no longer busy. Returns
  // its memory in bytes then; 0 when it is unknown.
  int64_t Start(int chains, pid_t server = 0);
  // Shuts the target's transport down, which ends the last receives.
  void Stop();

 private:
  void Next();

  Receiver& receiver_;
  Target& target_;
  std::atomic<size_t> next_link_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_RECEIVING_H_
