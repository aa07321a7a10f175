#include "broker/server/slave_gate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/gateway/public_service.h"

namespace mansio::broker {
namespace {

constexpr std::array<std::string_view, 3> kReads = {"PullMessage", "GetOffset", "QueryOffset"};

}  // namespace

bool IsReadByOffset(std::string_view method) {
  return std::find(kReads.begin(), kReads.end(), method) != kReads.end();
}

SlaveGate::SlaveGate(std::string broker, HeldReceives* held, std::function<bool()> has_master)
    : broker_(std::move(broker)), held_(held), has_master_(std::move(has_master)) {}

void SlaveGate::KeepReads(const rpc::MethodTable& methods) {
  for (const std::string_view name : kReads) {
    const std::string path = gateway::MessagingPath(name);
    for (const auto& method : methods.unary) {
      if (method.path == path) unary_reads_[path] = method.handler;
    }
    for (const auto& method : methods.server_stream) {
      if (method.path == path) stream_reads_[path] = method.handler;
    }
  }
}

bool SlaveGate::IsAlone(const gateway::OwnedMethod& method, std::string_view request) const {
  if (has_master_()) return false;
  const std::string broker = gateway::TargetOf(method, request).broker;
  return broker.empty() || broker == broker_;
}

void SlaveGate::Install(rpc::MethodTable& methods) {
  for (const gateway::OwnedMethod& method : gateway::kOwnedMethods) {
    const std::string path = gateway::MessagingPath(method.name);
    for (auto& entry : methods.unary) {
      if (entry.path != path || !IsReadByOffset(method.name)) continue;
      entry.handler = [this, &method, own = unary_reads_[path],
                       forward = std::move(entry.handler)](rpc::UnaryCall& call) {
        IsAlone(method, call.Request()) ? own(call) : forward(call);
      };
    }
    for (auto& entry : methods.server_stream) {
      if (entry.path != path) continue;
      rpc::ServerStreamHandler own = [this](rpc::ServerStreamCall& call) { held_->Hold(call); };
      if (IsReadByOffset(method.name)) own = stream_reads_[path];
      entry.handler = [this, &method, own = std::move(own),
                       forward = std::move(entry.handler)](rpc::ServerStreamCall& call) {
        IsAlone(method, call.Request()) ? own(call) : forward(call);
      };
    }
  }
}

}  // namespace mansio::broker
