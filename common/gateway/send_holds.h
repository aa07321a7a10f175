#ifndef MANSIO_COMMON_GATEWAY_SEND_HOLDS_H_
#define MANSIO_COMMON_GATEWAY_SEND_HOLDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/names/string_map.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

namespace mansio {
class TimerQueue;
}

namespace mansio::gateway {

// Makes sends of message groups wait while the groups of their topic are divided anew between
// brokers (docs/design.md, "Several broker groups"). In memory only, and every hold ends by itself:
// whoever asked for it may be gone. While it lasts it is its holder's: one change at a time.
// Thread-safe.
class SendHolds {
 public:
  static constexpr int64_t kLongestMs = 5000;

  // What may wait; more is TOO_MANY_REQUESTS.
  struct Limits {
    size_t sends = 10'000;
    size_t bytes = 64 << 20;  // of their requests
  };
  // `timers` is borrowed.
  SendHolds(Limits limits, TimerQueue* timers) : limits_(limits), timers_(timers) {}

  // Held while a send is routed and submitted, so that Hold knows of none on its way.
  class Passage {
   public:
    explicit Passage(Mutex* gate) : gate_(gate) {}
    Passage(Passage&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Passage& operator=(Passage&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Passage() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (gate_ != nullptr) gate_->ReaderUnlock();
    }

   private:
    Mutex* gate_;
  };

  // Lets a send through; nullopt when it waits, and then `again` runs on its thread when the hold
  // has ended, or when it was refused.
  std::optional<Passage> Pass(std::string_view topic, rpc::UnaryCall& call,
                              std::function<void()> again) ABSL_NO_THREAD_SAFETY_ANALYSIS;

  // The same for a send that was let through and then waited for a thread; nullopt: it cannot be
  // stored now.
  std::optional<Passage> PassNow(std::string_view topic) ABSL_NO_THREAD_SAFETY_ANALYSIS;

  // Begins a hold, or lets the holder's go on for `ms` from now; false while it is another
  // holder's. When it returns, whatever was let through before has been submitted to the log or
  // refused; large messages may still be on their way to it, and need to pass again there. Waits
  // for sends on other threads: microseconds, or as long as a large message takes to be encoded.
  bool Hold(const std::string& topic, std::string_view holder, int64_t ms);
  // The holder's hold lasts from now on until Done: what ends it is on its way into the log. False
  // when it has none any more.
  bool Keep(std::string_view topic, std::string_view holder);
  // Ends the holder's, if it has one that is not kept.
  void Release(std::string_view topic, std::string_view holder);
  // Ends the holder's, kept or not: what ends it is in the log, or was refused.
  void Done(std::string_view topic, std::string_view holder);
  // Ends all, and begins none any more. Before the server shuts down.
  void Stop();

 private:
  struct Waiting {
    rpc::UnaryCall* call;
    std::function<void()> again;
  };
  struct Held {
    std::string holder;
    uint64_t turn = 0;  // the last Hold of it
    bool kept = false;
    std::vector<Waiting> sends;
    size_t bytes = 0;  // of these
  };
  static void Resume(std::vector<Waiting> sends);
  // Ends the topic's hold if it is the one that is meant.
  void End(std::string_view topic, absl::FunctionRef<bool(const Held&)> is_meant);
  void Expire(const std::string& topic, uint64_t turn);

  const Limits limits_;
  TimerQueue* const timers_;
  Mutex gate_;  // shared by sends that are let through
  Mutex mutex_;
  StringMap<Held> held_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_turn_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_SEND_HOLDS_H_
