#ifndef MANSIO_BROKER_SERVER_HELD_RECEIVES_H_
#define MANSIO_BROKER_SERVER_HELD_RECEIVES_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

namespace mansio {
class TimerQueue;
}

namespace mansio::broker {

// Receives while a broker group has no master: a lease is a record in the log, so that nobody can
// hand anything out. Each is held for its polling time and then finds nothing, so that clients ask
// at the pace that they are used to. Thread-safe.
class HeldReceives {
 public:
  struct Options {
    size_t max_held = 200'000;                               // further ones are refused
    absl::Duration max_polling = absl::Seconds(20);          // a receive is held at most so long
    absl::Duration answer_margin = absl::Milliseconds(200);  // before the client's deadline
  };
  // Borrowed; must outlive the server.
  HeldReceives(Options options, gateway::ClientRegistry* clients, TimerQueue* timers)
      : options_(options), clients_(clients), timers_(timers) {}

  // Takes a ReceiveMessage.
  void Hold(rpc::ServerStreamCall& call);
  // Answers those that are held, who then ask again.
  void ReleaseAll();
  // The same, and later ones are answered at once. Idempotent.
  void Stop();

 private:
  // Ends the receive with this number, unless that has been done.
  void Release(uint64_t number);

  const Options options_;
  gateway::ClientRegistry* const clients_;
  TimerQueue* const timers_;

  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, rpc::ServerStreamCall*> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_HELD_RECEIVES_H_
