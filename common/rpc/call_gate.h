#ifndef MANSIO_COMMON_RPC_CALL_GATE_H_
#define MANSIO_COMMON_RPC_CALL_GATE_H_

#include <grpcpp/alarm.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/rpc/rpc_thread.h"
#include "common/rpc/server.h"
#include "common/sync/sync.h"

namespace mansio::rpc {

// A call as the gate sees it. On the rpc thread.
class GatedCall {
 public:
  // Once, perhaps inside Hold. It goes to its handler; or, `refused`, is answered without it, as
  // there is none.
  virtual void Release(bool refused) = 0;
  // Makes the handler hear that the client is gone, where handlers can hear that.
  virtual void Cancel() = 0;
  // For the gate: where it stands among those that handlers have.
  size_t gate_place = 0;

 protected:
  ~GatedCall() = default;
};

// Between the calls of one rpc thread and their handlers: lets them through, or holds them for a
// while (Server::Hold), and knows how many the handlers have. Internal to common/rpc. On the rpc
// thread only, but for WaitUntilHandled.
class CallGate {
 public:
  // `most`: held at a time; further ones wait no more.
  CallGate(RpcThread* thread, size_t most) : thread_(thread), most_(most) {}

  // Whether a call may go to its handler; else Hold takes it.
  bool Passes(bool decides) const {
    return what_ == Holding::kNothing || (what_ == Holding::kDecisions && !decides);
  }
  bool HoldsEverything() const { return what_ == Holding::kEverything; }
  // Holds a call that does not pass, until it does, or for `longest` (and not beyond `deadline`).
  // One that has waited so long goes to its handler, unless everything is held.
  void Hold(GatedCall* call, bool decides, absl::Time deadline);
  void Set(Holding what, absl::Duration longest);
  // Nothing waits any more: before the thread stops.
  void Close();

  // A handler has got a call; has nothing more to do with it.
  void Began(GatedCall* call);
  void Handled(GatedCall* call);
  void CancelRunning();
  // Waits until the handlers have no call, at most `timeout`; false when they have. From another
  // thread.
  bool WaitUntilHandled(absl::Duration timeout);

 private:
  struct Held {
    GatedCall* call = nullptr;
    bool decides = false;
    absl::Time until;
  };
  class TickEvent final : public Event {
   public:
    explicit TickEvent(CallGate* gate) : gate_(gate) {}
    void OnEvent(bool ok) override { gate_->OnTick(ok); }

   private:
    CallGate* const gate_;
  };

  void OnTick(bool ok);
  void SetTick();
  // Releases those for which `goes` is true.
  void ReleaseIf(absl::AnyInvocable<bool(const Held&) const> goes);

  RpcThread* const thread_;
  const size_t most_;
  Holding what_ = Holding::kNothing;
  absl::Duration longest_;
  bool closed_ = false;
  std::deque<Held> held_;
  TickEvent tick_event_{this};
  grpc::Alarm tick_;
  bool ticking_ = false;

  std::vector<GatedCall*> running_;
  std::atomic<size_t> running_count_{0};  // the same for other threads
  std::atomic<bool> wanted_{false};
  Mutex mutex_;
  CondVar handled_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CALL_GATE_H_
