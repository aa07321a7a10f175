#ifndef MANSIO_BROKER_PROMOTION_PROMOTION_SERVICE_H_
#define MANSIO_BROKER_PROMOTION_PROMOTION_SERVICE_H_

#include <atomic>

#include "absl/status/status.h"
#include "broker/promotion/promotion.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// Roles by command. Where they are static: PromoteBroker, for operators, and FollowMaster, which
// the promoted member calls at the others; both write the new role down, answer, and have the
// broker opened again with it. Where the members elect their master: HandOver, for operators. One
// at a time. Thread-safe.
class PromotionService {
 public:
  explicit PromotionService(PromotionEnvironment environment)
      : environment_(std::move(environment)) {}

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  // Whether the call is for this member of this group.
  absl::Status CheckMember(const std::string& broker, int32_t member) const;
  // And whether roles are given by command here.
  absl::Status Check(const std::string& broker, int32_t member) const;
  absl::Status CheckHandOver(const v1::HandOverRequest& request) const;
  void Promote(rpc::UnaryCall& call, const v1::PromoteBrokerRequest& request);
  void Follow(rpc::UnaryCall& call, const v1::FollowMasterRequest& request);
  void HandOver(rpc::UnaryCall& call, const v1::HandOverRequest& request);
  // Writes down that this member is a slave of `master`, and answers.
  void Step(rpc::UnaryCall& call, const HostPort& master);

  const PromotionEnvironment environment_;
  std::atomic<bool> busy_{false};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PROMOTION_PROMOTION_SERVICE_H_
