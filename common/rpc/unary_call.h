#ifndef MANSIO_COMMON_RPC_UNARY_CALL_H_
#define MANSIO_COMMON_RPC_UNARY_CALL_H_

#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <optional>

#include "common/rpc/call_base.h"
#include "common/rpc/call_gate.h"
#include "common/rpc/call_stats.h"
#include "common/rpc/slices.h"

namespace mansio::rpc {

// A unary call over gRPC's asynchronous API: two events, accepted and answered. It asks for no
// event about the client's going away, which would be a third one per message: a unary call is
// answered soon anyway, and so Cancelled() is always false and OnCancel never runs.
class UnaryCallImpl final : public UnaryCall, private Event, private Posted, private GatedCall {
 public:
  struct Method {
    RawService* service;
    int index;
    const MethodTable::Unary* entry;
    MethodStats* stats;  // or null: not counted
    RequestBudget* budget;
  };

  UnaryCallImpl(RpcThread* thread, CallPool<UnaryCallImpl>* pool) : thread_(thread), pool_(pool) {}

  // Posts one more call of `method` to be accepted, unless the thread is ending.
  static void Accept(RpcThread* thread, CallPool<UnaryCallImpl>* pool, const Method* method);

  std::string_view Metadata(std::string_view key) const override { return context_.Metadata(key); }
  std::string_view Peer() const override { return context_.Peer(); }
  absl::Time Deadline() const override { return context_.Deadline(); }
  bool Cancelled() const override { return false; }
  void OnCancel(absl::AnyInvocable<void()>) override {}
  void Post(absl::AnyInvocable<void()> fn) override { thread_->Post(std::move(fn)); }
  std::string_view Request() const override { return request_.view(); }
  void Finish(Payload response) override;
  void Abort(absl::Status status) override;

 private:
  void OnEvent(bool ok) override;
  void Release(bool refused) override;
  void Cancel() override {}
  void RunPosted() override;  // sends the answer
  void DropPosted() override { delete this; }
  void End();

  RpcThread* const thread_;
  CallPool<UnaryCallImpl>* const pool_;
  const Method* method_ = nullptr;
  CallContext context_;
  std::optional<grpc::ServerAsyncResponseWriter<Outgoing>> writer_;
  grpc::ByteBuffer buffer_;
  ReceivedBytes request_;
  bool accepted_ = false;
  bool handled_ = false;  // a handler has it
  int64_t began_ = 0;     // metrics::NowNanos; only when it is counted
  Outgoing response_;
  absl::Status status_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_UNARY_CALL_H_
