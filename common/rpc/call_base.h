#ifndef MANSIO_COMMON_RPC_CALL_BASE_H_
#define MANSIO_COMMON_RPC_CALL_BASE_H_

#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/rpc/rpc_thread.h"

// What the three kinds of call share. Internal to common/rpc.
namespace mansio::rpc {

// All methods of all services as one gRPC service whose requests arrive as raw bytes.
class RawService final : public grpc::Service {
 public:
  using Shape = grpc::internal::RpcMethod::RpcType;
  // `path` must outlive the service. Returns the index for the Request… functions.
  int Add(const char* path, Shape shape) {
    AddMethod(new grpc::internal::RpcServiceMethod(path, shape, nullptr));
    MarkMethodAsync(count_);
    return count_++;
  }
  using grpc::Service::RequestAsyncBidiStreaming;
  using grpc::Service::RequestAsyncServerStreaming;
  using grpc::Service::RequestAsyncUnary;

 private:
  int count_ = 0;
};

// gRPC's peer text (`ipv4:1.2.3.4:5`, `ipv6:%5B::1%5D:5`) as `1.2.3.4:5`, `[::1]:5`.
std::string PeerText(std::string peer);

grpc::Status ToGrpcStatus(const absl::Status& status);

// Of a call that has waited in vain while there were no handlers.
absl::Status NotServed();

// A ServerContext that is made anew for each call, with what handlers ask of it.
class CallContext {
 public:
  void Reset() {
    peer_.clear();
    context_.reset();
  }
  grpc::ServerContext& Emplace() { return context_.emplace(); }
  grpc::ServerContext* get() { return &*context_; }

  std::string_view Metadata(std::string_view key) const {
    const auto& metadata = context_->client_metadata();
    const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
    if (found == metadata.end()) return {};
    return {found->second.data(), found->second.size()};
  }
  std::string_view Peer() const {
    if (peer_.empty()) peer_ = PeerText(context_->peer());
    return peer_;
  }
  absl::Time Deadline() const {
    const auto deadline = context_->deadline();
    if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
    return absl::FromChrono(deadline);
  }

 private:
  std::optional<grpc::ServerContext> context_;
  mutable std::string peer_;
};

// Calls for one kind of method on one rpc thread; ended ones are used again. On the rpc thread
// only.
template <typename CallImpl>
class CallPool {
 public:
  std::unique_ptr<CallImpl> Take(RpcThread* thread) {
    if (free_.empty()) return std::make_unique<CallImpl>(thread, this);
    std::unique_ptr<CallImpl> call = std::move(free_.back());
    free_.pop_back();
    return call;
  }
  void GiveBack(std::unique_ptr<CallImpl> call) {
    if (free_.size() < kKept) free_.push_back(std::move(call));
  }

 private:
  static constexpr size_t kKept = 1024;
  std::vector<std::unique_ptr<CallImpl>> free_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CALL_BASE_H_
