#ifndef MANSIO_BROKER_PROMOTION_PROMOTION_H_
#define MANSIO_BROKER_PROMOTION_PROMOTION_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/promotion/kept_role.h"
#include "broker/promotion/promotion_rules.h"
#include "common/rpc/client.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// What promotions need of the broker that they run on. All functions may be called from any thread
// until the server has shut down.
struct PromotionEnvironment {
  std::string cluster;
  std::string broker;  // the group's name
  HostPort self;       // where the others reach this member
  store::Durability durability = store::Durability::kReplica;
  size_t min_in_sync = 1;
  std::string cluster_secret;  // empty: none
  KeptRole* roles = nullptr;   // borrowed, as the next; null: roles are not given by command
  rpc::Client* peers = nullptr;

  std::function<MemberState()> state;  // of this member
  // The last in-sync set in its log. Reads files.
  std::function<absl::StatusOr<std::set<BrokerId>>()> in_sync;
  // The members that it has heard of, with their addresses; itself may be one of them.
  std::function<std::vector<v1::BrokerIdentity>()> members;
  // Its configured master, or empty.
  HostPort master;
  // A slave gets no more from its master; a master does nothing. Blocks.
  std::function<void()> leave_master;
  // A master takes no more, and calls back when the slave `heir` has all of its log; with an error,
  // and as before, when that does not come.
  std::function<void(BrokerId heir, std::function<void(const absl::Status&)> done)> hand_over;
  // Takes calls again after that.
  std::function<void()> resume;
  // Where the members elect their master, or null: gives up being master in favour of `heir`, which
  // has all of the log; waits for etcd. FailedPrecondition or Unavailable when that cannot be; else
  // this member ceases to be master soon, and nothing is acknowledged any more.
  std::function<absl::Status(BrokerId heir)> elect;
  // Runs a job that may block; false when there are too many.
  std::function<bool(absl::AnyInvocable<void()>)> run_cold;
  // This member is about to become the master, and these members of its set have not answered.
  std::function<void(std::set<BrokerId> silent)> promoted;
  std::function<void()> reopen;  // as Broker::Environment
};

// One run of PromoteBroker: asks the other members how far their logs are, has the master hand over
// where that is wanted, tells the others to follow, and keeps the new role. What could lose
// messages is judged twice: by what the members say, and by what those have who get no more from
// the old master. `done` is called once, on any thread; with OK and the role of a slave until then,
// the broker must be opened again. `environment` is borrowed until then.
void Promote(const PromotionEnvironment& environment, const v1::PromoteBrokerRequest& request,
             absl::AnyInvocable<void(absl::Status, v1::PromoteBrokerResponse)> done);

// Sends that request to `member`, which is to become the master. `done` on any thread, with what it
// has answered.
void AskToPromote(const PromotionEnvironment& environment, const v1::BrokerIdentity& member,
                  const v1::PromoteBrokerRequest& request,
                  std::function<void(const absl::Status&)> done);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PROMOTION_PROMOTION_H_
