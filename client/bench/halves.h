#ifndef MANSIO_CLIENT_BENCH_HALVES_H_
#define MANSIO_CLIENT_BENCH_HALVES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "client/bench/load.h"
#include "client/bench/send_template.h"
#include "client/bench/target.h"

namespace mansio::bench {

// A message that is stored and waits for the end of its transaction.
struct OpenHalf {
  std::string message_id;
  std::string transaction_id;
  size_t link = 0;  // to its broker
};

// Begins and ends transactions. Thread-safe.
class Halves {
 public:
  // `target` is one of a topic of transactions; both borrowed. Bodies have `size` bytes.
  Halves(const TargetOptions& options, int size, Target& target);

  // Stores the half of operation `number` and calls `done` once, from any thread, with the name of
  // the error, or "" and the half.
  using Begun = absl::AnyInvocable<void(std::string error, OpenHalf half)>;
  void Begin(int64_t number, Begun done);
  // Commits it or rolls it back, and calls `done` likewise.
  using Ended = absl::AnyInvocable<void(std::string error)>;
  void End(const OpenHalf& half, bool commit, Ended done);

 private:
  const TargetOptions& options_;
  Target& target_;
  const SendTemplate template_;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_HALVES_H_
