#ifndef MANSIO_BROKER_REPLICATION_SLAVE_LINK_H_
#define MANSIO_BROKER_REPLICATION_SLAVE_LINK_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/replication/pump.h"
#include "broker/replication/slave.h"
#include "common/rpc/client.h"

namespace mansio::broker {

struct SlaveLinkOptions {
  SlaveOptions slave;
  std::string master = {};                         // HOST:PORT; empty: not known yet
  std::string cluster_secret;                      // empty: none
  absl::Duration pause = absl::Milliseconds(500);  // between two attempts to connect
  // The same to a master that it was told of just now, and that opens its store yet.
  absl::Duration first_pause = absl::Milliseconds(50);
  absl::Duration first = absl::Seconds(3);
  // Asks whoever opened the store to open it again, once; see Slave::must_reopen. Must not wait for
  // that.
  std::function<void()> reopen;
  // `following` has changed; on the link's thread, must not block.
  std::function<void()> following_changed = [] {};
};

// A Slave with its stream to the master, which is opened again whenever it has ended. Logs when it
// follows, and why it does not any more. Thread-safe.
class SlaveLink {
 public:
  // As those of Slave.
  SlaveLink(SlaveLinkOptions options, store::ReplicatedLog* log, const Clock* clock);
  ~SlaveLink();

  void Start();
  // Before the end of the process: the master need not wait for this slave any more. Returns when
  // it does not, or after `patience`; follows no other master from then on. Between Start and Stop.
  void SayGoodbye(absl::Duration patience);
  // Before the store is closed. Idempotent.
  void Stop();

  // As Slave::Members.
  std::vector<v1::BrokerIdentity> Members() const { return slave_.Members(); }
  // As Slave::HasFollowed.
  bool has_followed() const { return slave_.HasFollowed(); }
  // Another master than before, HOST:PORT, or nobody is when it is empty. Only wakes the thread
  // that leaves the old one.
  void SetMaster(std::string master);

  // The master is there, and its frames come.
  bool following() const { return following_.load(std::memory_order_relaxed); }

 private:
  class Events;
  class Uplink;
  struct Connection;

  void Work();
  absl::Duration Pause(absl::Duration now) const;
  // Turns to the wanted master.
  void Turn(absl::Duration now);
  // Hands on what the master has sent; says whether the stream has ended.
  bool TakeArrived();
  void Open(absl::Duration now);
  // The stream has ended.
  void Leave(absl::Duration now);
  void NoteFollowing();
  // After SayGoodbye: its part of the work. False: that was not called.
  bool Leaves();

  const SlaveLinkOptions options_;
  store::ReplicatedLog* const log_;
  const Clock* const clock_;
  Slave slave_;
  std::atomic<bool> following_{false};
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  CondVar gone_changed_;
  std::string wanted_ ABSL_GUARDED_BY(mutex_);  // the master to be followed
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;  // the master has let it go, or there is none

  // Of the pump's thread.
  std::string master_;  // of the connection, or of the next one
  std::shared_ptr<Connection> connection_;
  absl::Duration next_try_ = absl::ZeroDuration();
  absl::Duration turned_ = -absl::InfiniteDuration();  // to this master
  std::string last_error_;
  bool reopen_asked_ = false;
  bool said_goodbye_ = false;

  const std::unique_ptr<rpc::Client> client_;
  Pump pump_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_SLAVE_LINK_H_
