#ifndef MANSIO_BROKER_ELECTION_ELECTOR_H_
#define MANSIO_BROKER_ELECTION_ELECTOR_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "broker/election/election.h"
#include "broker/election/etcd.h"
#include "common/clock/clock.h"

namespace mansio::broker {

// Who is told what comes of the election. On the elector's thread, one call at a time and in order:
// must only queue, since the lease is renewed on that thread.
class ElectionListener {
 public:
  virtual ~ElectionListener() = default;

  // This broker is the master now. The log is to begin `reign->epoch()`, and whatever acknowledges
  // or shows something asks `reign` first. `in_sync` is the set that is recorded,
  // and `stores` what is known of its members'.
  virtual void OnElected(std::shared_ptr<const Reign> reign, std::set<BrokerId> in_sync,
                         StoreIds stores) = 0;
  // It is not any more; the reign has ended before this call.
  virtual void OnDeposed(store::Epoch epoch, const std::string& why) = 0;
  // Another member has become master, or nobody is. Not told of this broker's own reign.
  virtual void OnMaster(const std::optional<MasterRecord>& master) = 0;
  // What was proposed, or a part of it that was proposed before, is in force: the master need not
  // wait for members that are not in this set any more.
  virtual void OnInSyncRecorded(std::set<BrokerId> in_sync) = 0;
  // The log is to be opened again, and SetStanding to tell where it ends.
  virtual void OnLogEndWanted() = 0;
  // The master's stream to this slave, if there is one, is to carry the request.
  virtual void AskForPromise(BrokerId slave, const PromiseRequest& request) = 0;
};

// Runs an Election on a thread of its own: sends its requests to etcd, watches the group's keys,
// and tells the listener what has come to be. Thread-safe; nothing here waits for etcd but Stop and
// HandOver.
class Elector {
 public:
  // Borrowed, and must outlive this object: `clock` is the machine's.
  Elector(ElectionOptions options, Etcd* etcd, const Clock* clock, ElectionListener* listener);
  ~Elector();

  // Once. Before, and after Stop, this member stands for nothing, but PromiseAsked may be called.
  void Start();
  // Gives up being master, so that another one can be elected at once; waits for etcd a second at
  // most. What the broker had to acknowledge must be over. Idempotent.
  void Stop();

  // As Election's, with the time read inside.
  void SetStanding(const Standing& standing);
  std::optional<Promise> PromiseAsked(const PromiseRequest& request);
  void Promised(BrokerId from, const Promise& promise);
  bool AcceptsFrames(store::Epoch epoch);
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores = {});
  absl::Status CheckHandOver(BrokerId heir) const;
  // Reads from etcd first, and waits for that: Unavailable, and nothing is given up, without an
  // answer.
  absl::Status HandOver(BrokerId heir, bool leaves);
  void StepDown(std::string why);
  ElectionState State() const;

 private:
  struct Shared;  // with etcd's answers, which may come after the end

  void Run();
  // One turn; false when it was the last.
  bool Turn();
  void Execute(EtcdRequest request);
  void Tell(const ElectionEvent& event);
  void KeepWatch();
  void AwaitAnswers();
  // Whether etcd answers now; waits for that.
  absl::Status AwaitEtcd();

  Etcd* const etcd_;
  const Clock* const clock_;
  ElectionListener* const listener_;
  const std::string prefix_;
  const std::shared_ptr<Shared> shared_;
  std::unique_ptr<EtcdWatch> watch_;  // of the thread
  absl::Duration watch_at_;           // when to begin one, if there is none
  std::thread thread_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_ELECTOR_H_
