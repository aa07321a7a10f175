#ifndef MANSIO_BROKER_SERVER_REIGN_GATE_H_
#define MANSIO_BROKER_SERVER_REIGN_GATE_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "broker/server/held_receives.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// In front of what a master serves itself when its commits wait for slaves: until its reign has
// begun it decides nothing (design section 9), so that receives are held and find nothing, and
// sends, acks and the like are HA_NOT_AVAILABLE, on which SDKs try again. Sends are so later, too,
// while too few members are there; and all of it when somebody else is or becomes the master, and
// while an elected master does not know whether it still is one. What only reads is served.
// Thread-safe.
class ReignGate {
 public:
  // `check_sends`: OK, or why no send can be committed now; hot, from any thread, as `check_reign`,
  // of all that is decided. Borrowed; must outlive the server.
  ReignGate(
      HeldReceives* held, std::function<absl::Status()> check_sends,
      std::function<absl::Status()> check_reign = [] { return absl::OkStatus(); })
      : held_(held), check_sends_(std::move(check_sends)), check_reign_(std::move(check_reign)) {}

  // Puts itself in front of this broker's own methods; before the forwarder is installed.
  void Protect(rpc::MethodTable& methods);
  // The reign has begun, or goes on.
  void Open();
  // It has ended: `why`, for those who are refused.
  void Close(std::string why);
  // Others say that another member is the master: `why`, for those who are refused, whether the
  // reign has begun or not; empty: they do not say so any more.
  void SetSuperseded(std::string why);

 private:
  void Update() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Check(bool is_send);
  bool MayDecide() { return open_.load(std::memory_order_acquire) && CheckReign().ok(); }
  // As `check_reign`; the first time that it is OK again, receives go on.
  absl::Status CheckReign();
  std::string WhyClosed() const;

  HeldReceives* const held_;
  const std::function<absl::Status()> check_sends_;
  const std::function<absl::Status()> check_reign_;
  std::atomic<bool> open_{false};  // it reigns and is not superseded
  std::atomic<bool> interrupted_{false};
  mutable Mutex mutex_;
  bool reigns_ ABSL_GUARDED_BY(mutex_) = false;
  std::string superseded_ ABSL_GUARDED_BY(mutex_);
  std::string why_ ABSL_GUARDED_BY(mutex_) =
      "the broker waits until its in-sync slaves have confirmed the beginning of its reign; try "
      "again soon";
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_REIGN_GATE_H_
