#ifndef MANSIO_BROKER_SERVER_RETURNING_SERVICE_H_
#define MANSIO_BROKER_SERVER_RETURNING_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/pump.h"
#include "broker/replication/returning_master.h"
#include "common/clock/clock.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// A ReturningMaster on the public port, with a thread that does what it has decided: begins the
// reign here, or has the member that has most promoted, which then asks this one to follow.
// Thread-safe.
class ReturningService {
 public:
  struct Environment {
    const Clock* clock = nullptr;  // borrowed
    // This broker is to be the master; once. Must not wait for that.
    std::function<void()> begin;
    // Has that member made the master, with a hand-over by this one; `done` may come on any thread,
    // and after the end.
    std::function<void(const v1::BrokerIdentity& heir,
                       std::function<void(const absl::Status&)> done)>
        promote;
    absl::Duration said_each = absl::Seconds(10);  // what it waits for, in the log
    absl::Duration asked_each = absl::Seconds(3);  // the heir
  };
  ReturningService(ReturningMasterOptions options, Environment environment);
  ~ReturningService();

  // Adds the replication stream. This object must outlive the server.
  void Register(rpc::MethodTable& methods);
  void Start() { pump_.Start(); }
  void Stop() { pump_.Stop(); }

  // OK when that member is to be the master: from then on this one does not begin, until Resume.
  absl::Status HandOver(BrokerId heir);
  void Resume();
  // What it waits for: a sentence.
  std::string trouble() const;
  std::vector<v1::BrokerIdentity> Members() const { return master_.Members(); }

  // For tests. What the thread does, which returns when to be called again, and what is registered.
  absl::Duration Work();
  SlaveStreams* streams() { return &master_; }

 private:
  struct Shared;  // with the answer of the heir, which may come after the end

  void Promote(const v1::BrokerIdentity& heir, absl::Duration now);

  const BrokerId self_;
  const std::string broker_;
  const std::function<bool()> is_whole_;
  const Environment environment_;
  ReturningMaster master_;
  const std::shared_ptr<Shared> shared_;
  Pump pump_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_RETURNING_SERVICE_H_
