#ifndef MANSIO_COMMON_RPC_SERVER_STREAM_CALL_H_
#define MANSIO_COMMON_RPC_SERVER_STREAM_CALL_H_

#include <grpcpp/support/async_stream.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "common/rpc/call_base.h"
#include "common/rpc/call_gate.h"
#include "common/rpc/call_stats.h"
#include "common/rpc/slices.h"
#include "common/sync/sync.h"

namespace mansio::rpc {

// A server-streaming call. It may be held for long (a parked receive), so gRPC is asked to tell
// when the client goes away.
class ServerStreamCallImpl final : public ServerStreamCall, private Posted, private GatedCall {
 public:
  struct Method {
    RawService* service;
    int index;
    const MethodTable::ServerStream* entry;
    MethodStats* stats;  // or null: not counted
    RequestBudget* budget;
  };

  ServerStreamCallImpl(RpcThread* thread, CallPool<ServerStreamCallImpl>* pool)
      : thread_(thread), pool_(pool) {}

  // Posts one more call of `method` to be accepted, unless the thread is ending.
  static void Accept(RpcThread* thread, CallPool<ServerStreamCallImpl>* pool, const Method* method);

  std::string_view Metadata(std::string_view key) const override { return context_.Metadata(key); }
  std::string_view Peer() const override { return context_.Peer(); }
  absl::Time Deadline() const override { return context_.Deadline(); }
  bool Cancelled() const override { return cancelled_.load(); }
  void OnCancel(absl::AnyInvocable<void()> fn) override;
  void Post(absl::AnyInvocable<void()> fn) override { thread_->Post(std::move(fn)); }
  std::string_view Request() const override { return request_.view(); }
  void Write(Payload element, absl::AnyInvocable<void(bool)> done) override;
  void ForgetRequest() override { request_.Clear(); }
  void Finish(std::vector<Payload> elements, absl::AnyInvocable<void(bool)> done) override;
  void Abort(absl::Status status) override;

 private:
  // The two tags of a call: its own operations, one at a time, and its end.
  class OperationEvent final : public Event {
   public:
    explicit OperationEvent(ServerStreamCallImpl* call) : call_(call) {}
    void OnEvent(bool ok) override { call_->OnOperation(ok); }

   private:
    ServerStreamCallImpl* const call_;
  };
  class GoneEvent final : public Event {
   public:
    explicit GoneEvent(ServerStreamCallImpl* call) : call_(call) {}
    void OnEvent(bool) override { call_->OnGone(); }

   private:
    ServerStreamCallImpl* const call_;
  };

  void Release(bool refused) override;
  void Cancel() override { context_.get()->TryCancel(); }
  void ForgetOnCancel();
  void OnOperation(bool ok);
  void OnGone();
  void RunPosted() override;  // starts the answer
  void DropPosted() override { delete this; }
  void WriteNext();
  void Answered(bool written);
  void EndIfOver();
  void End();

  RpcThread* const thread_;
  CallPool<ServerStreamCallImpl>* const pool_;
  OperationEvent operation_event_{this};
  GoneEvent gone_event_{this};

  const Method* method_ = nullptr;
  CallContext context_;
  std::optional<grpc::ServerAsyncWriter<Outgoing>> writer_;
  grpc::ByteBuffer buffer_;
  ReceivedBytes request_;

  bool accepted_ = false;
  bool handled_ = false;       // a handler has it
  int64_t began_ = 0;          // metrics::NowNanos; only when it is counted
  int outcome_ = kNoCode;      // of elements written so far
  bool last_started_ = false;  // the operation under way ends the stream
  bool answered_ = false;      // nothing more will be sent
  bool gone_ = false;          // gRPC has said that the call is over

  std::vector<Payload> elements_;
  size_t next_ = 0;
  absl::Status status_;
  absl::AnyInvocable<void(bool)> done_;
  absl::AnyInvocable<void(bool)> element_done_;  // of a Write under way

  std::atomic<bool> cancelled_{false};
  Mutex mutex_;
  absl::AnyInvocable<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_SERVER_STREAM_CALL_H_
