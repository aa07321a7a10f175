#include "broker/promotion/promotion_service.h"

#include <fmt/format.h>

#include <utility>

#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

absl::Status Busy() {
  return absl::FailedPreconditionError(
      "the member is changing its role already; look with mansio broker list, and try again");
}

template <typename Response>
void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) {
  ToWire(status, response.mutable_status());
  rpc::Reply(call, response);
}

}  // namespace

void PromotionService::Register(rpc::MethodTable& methods) {
  methods.unary.push_back(
      {"/mansio.v1.Admin/PromoteBroker",
       rpc::ParsedUnary<v1::PromoteBrokerRequest>(
           [this](rpc::UnaryCall& call, const v1::PromoteBrokerRequest& request) {
             Promote(call, request);
           })});
  methods.unary.push_back(
      {"/mansio.v1.Admin/FollowMaster",
       rpc::ParsedUnary<v1::FollowMasterRequest>(
           [this](rpc::UnaryCall& call, const v1::FollowMasterRequest& request) {
             Follow(call, request);
           })});
  methods.unary.push_back({"/mansio.v1.Admin/HandOver",
                           rpc::ParsedUnary<v1::HandOverRequest>(
                               [this](rpc::UnaryCall& call, const v1::HandOverRequest& request) {
                                 HandOver(call, request);
                               })});
}

absl::Status PromotionService::CheckMember(const std::string& broker, int32_t member) const {
  const BrokerId self = environment_.state().id;
  if (broker != environment_.broker || member != self) {
    return absl::NotFoundError(fmt::format("this is member {} of {}, and not member {} of {}", self,
                                           environment_.broker, member, broker));
  }
  if (self != 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is alone: a broker group has members with a broker.id each", broker));
}

absl::Status PromotionService::Check(const std::string& broker, int32_t member) const {
  if (absl::Status status = CheckMember(broker, member); !status.ok()) return status;
  if (environment_.roles != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the members of {} elect their master: mansio broker switchover {} gives it to "
                  "another one",
                  broker, broker));
}

absl::Status PromotionService::CheckHandOver(const v1::HandOverRequest& request) const {
  if (absl::Status status = CheckMember(request.broker(), request.member()); !status.ok()) {
    return status;
  }
  if (environment_.elect == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("the roles of {} are static: mansio broker promote {} {} --demote",
                    request.broker(), request.broker(), request.heir()));
  }
  if (environment_.state().role == store::Role::kMaster) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this member is not the master; mansio broker list shows which one is");
}

void PromotionService::Promote(rpc::UnaryCall& call, const v1::PromoteBrokerRequest& request) {
  absl::Status check = Check(request.broker(), request.member());
  if (check.ok() && busy_.exchange(true)) check = Busy();
  if (!check.ok()) {
    v1::PromoteBrokerResponse response;
    ToWire(check, response.mutable_status());
    return rpc::Reply(call, response);
  }
  const bool was_slave = environment_.state().role == store::Role::kSlave;
  broker::Promote(
      environment_, request,
      [this, &call, was_slave](const absl::Status& status, v1::PromoteBrokerResponse response) {
        ToWire(status, response.mutable_status());
        rpc::Reply(call, response);
        if (status.ok() && was_slave) {
          LOG_WARNING("Becomes the master of {} by command", environment_.broker);
          return environment_.reopen();
        }
        busy_ = false;
      });
}

void PromotionService::Follow(rpc::UnaryCall& call, const v1::FollowMasterRequest& request) {
  absl::Status check = Check(request.broker(), request.member());
  if (check.ok() && request.master().host().empty()) {
    check = absl::InvalidArgumentError("the address of the new master is missing");
  }
  if (check.ok() && busy_.exchange(true)) check = Busy();
  if (!check.ok()) return Answer(call, check, v1::FollowMasterResponse());
  const HostPort master{request.master().host(), static_cast<uint16_t>(request.master().port())};
  const MemberState state = environment_.state();
  const bool hands_over =
      (state.role == store::Role::kMaster || state.returning) && request.hand_over();
  const auto step = [this, &call, master, hands_over] {
    if (environment_.run_cold([this, &call, master] { Step(call, master); })) return;
    if (hands_over) environment_.resume();
    busy_ = false;
    Answer(call, absl::ResourceExhaustedError("the broker is busy; try again soon"),
           v1::FollowMasterResponse());
  };
  if (!hands_over) return step();
  environment_.hand_over(request.master_member(), [this, &call, step](const absl::Status& status) {
    if (status.ok()) return step();
    busy_ = false;
    Answer(call, status, v1::FollowMasterResponse());
  });
}

void PromotionService::HandOver(rpc::UnaryCall& call, const v1::HandOverRequest& request) {
  absl::Status check = CheckHandOver(request);
  if (check.ok() && busy_.exchange(true)) check = Busy();
  if (!check.ok()) return Answer(call, check, v1::HandOverResponse());
  const BrokerId heir = request.heir();
  // Where it has succeeded, it is another broker's turn to be asked, when this one has begun anew.
  const auto refuse = [this, &call](const absl::Status& why) {
    busy_ = false;
    Answer(call, why, v1::HandOverResponse());
  };
  environment_.hand_over(heir, [this, &call, heir, refuse](const absl::Status& status) {
    if (!status.ok()) return refuse(status);
    const auto step = [this, &call, heir, refuse] {
      const absl::Status elected = environment_.elect(heir);
      if (elected.ok()) return Answer(call, elected, v1::HandOverResponse());
      environment_.resume();
      refuse(elected);
    };
    if (environment_.run_cold(step)) return;
    environment_.resume();
    refuse(absl::ResourceExhaustedError("the broker is busy; try again soon"));
  });
}

void PromotionService::Step(rpc::UnaryCall& call, const HostPort& master) {
  environment_.leave_master();
  const MemberState state = environment_.state();
  const bool is_new = state.role == store::Role::kMaster || master != environment_.master;
  absl::Status kept;
  if (is_new) kept = environment_.roles->Keep({store::Role::kSlave, master});
  if (is_new && kept.ok()) {
    LOG_WARNING("Becomes a slave of {} by command", master.ToString());
  }
  v1::FollowMasterResponse response;
  response.set_epoch(static_cast<int64_t>(state.epoch));
  response.set_log_end(static_cast<int64_t>(state.end));
  Answer(call, kept, std::move(response));
  // Also where nothing has changed: it has left its master.
  environment_.reopen();
}

}  // namespace mansio::broker
