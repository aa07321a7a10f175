#include "broker/server/reign_gate.h"

#include <string>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/server/slave_gate.h"
#include "common/gateway/call_target.h"
#include "common/gateway/refusal.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

absl::Status ReignGate::CheckReign() {
  absl::Status reigns = check_reign_();
  if (!reigns.ok()) {
    interrupted_.store(true, std::memory_order_relaxed);
  } else if (interrupted_.load(std::memory_order_relaxed) && interrupted_.exchange(false)) {
    held_->ReleaseAll();
  }
  return reigns;
}

absl::Status ReignGate::Check(bool is_send) {
  if (const absl::Status reigns = CheckReign(); !reigns.ok()) {
    return WireError(v2::HA_NOT_AVAILABLE, std::string(reigns.message()));
  }
  if (is_send) {
    const absl::Status enough = check_sends_();
    if (!enough.ok()) return WireError(v2::HA_NOT_AVAILABLE, std::string(enough.message()));
  }
  if (open_.load(std::memory_order_acquire)) return absl::OkStatus();
  return WireError(v2::HA_NOT_AVAILABLE, WhyClosed());
}

std::string ReignGate::WhyClosed() const {
  const MutexLock lock(&mutex_);
  return superseded_.empty() ? why_ : superseded_;
}

void ReignGate::Protect(rpc::MethodTable& methods) {
  for (const gateway::OwnedMethod& method : gateway::kOwnedMethods) {
    if (IsReadByOffset(method.name)) continue;
    const std::string path = gateway::MessagingPath(method.name);
    const bool is_send = method.name == "SendMessage";
    for (auto& entry : methods.unary) {
      if (entry.path != path) continue;
      entry.handler = [this, &method, is_send,
                       local = std::move(entry.handler)](rpc::UnaryCall& call) {
        const absl::Status check = Check(is_send);
        if (check.ok()) return local(call);
        call.Finish(gateway::RefusalOf(method, call.Request(), check));
      };
    }
    for (auto& entry : methods.server_stream) {
      if (entry.path != path) continue;
      entry.handler = [this, local = std::move(entry.handler)](rpc::ServerStreamCall& call) {
        MayDecide() ? local(call) : held_->Hold(call);
      };
    }
  }
}

void ReignGate::Update() { open_.store(reigns_ && superseded_.empty(), std::memory_order_release); }

void ReignGate::Open() {
  {
    const MutexLock lock(&mutex_);
    reigns_ = true;
    Update();
  }
  if (open_.load(std::memory_order_acquire)) held_->ReleaseAll();
}

void ReignGate::Close(std::string why) {
  const MutexLock lock(&mutex_);
  why_ = std::move(why);
  reigns_ = false;
  Update();
}

void ReignGate::SetSuperseded(std::string why) {
  {
    const MutexLock lock(&mutex_);
    superseded_ = std::move(why);
    Update();
  }
  if (open_.load(std::memory_order_acquire)) held_->ReleaseAll();
}

}  // namespace mansio::broker
