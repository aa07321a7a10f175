#include "common/rpc/client.h"

#include <optional>

#include "common/rpc/client_call.h"
#include "common/rpc/client_channels.h"
#include "common/rpc/rpc_thread.h"

namespace mansio::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);  // with calls that were cancelled

class GrpcClient final : public Client {
 public:
  explicit GrpcClient(ClientOptions options)
      : options_(options),
        own_(std::make_unique<RpcThread>(std::make_unique<grpc::CompletionQueue>(), "rpc-peers")) {
    own_->Start([] {});
  }
  ~GrpcClient() override {
    Stop();
    own_->Stop();
  }

  void CallUnary(OutgoingCall call, Payload request, UnaryDone done) override {
    RpcThread* const thread = Thread();
    auto* const unary = new UnaryClientCall(std::move(call), &channels_, &calls_, thread,
                                            std::move(request), std::move(done));
    RunOn(thread, [unary] { unary->Start(); });
  }

  std::shared_ptr<ClientStream> CallServerStream(
      OutgoingCall call, Payload request, std::unique_ptr<ClientStreamEvents> events) override {
    return Open(std::move(call), std::move(request), std::move(events));
  }
  std::shared_ptr<ClientStream> OpenBidi(OutgoingCall call,
                                         std::unique_ptr<ClientStreamEvents> events) override {
    return Open(std::move(call), std::nullopt, std::move(events));
  }

  void Stop() override {
    calls_.CancelAll();
    own_->WaitUntilIdle(kPatience);
  }

 private:
  RpcThread* Thread() {
    RpcThread* const current = RpcThread::Current();
    return current != nullptr ? current : own_.get();
  }

  static void RunOn(RpcThread* thread, absl::AnyInvocable<void()> fn) {
    if (thread->OnThread()) {
      fn();
    } else {
      thread->Post(std::move(fn));
    }
  }

  std::shared_ptr<ClientStream> Open(OutgoingCall call, std::optional<Payload> request,
                                     std::unique_ptr<ClientStreamEvents> events) {
    RpcThread* const thread = Thread();
    auto stream = std::make_shared<StreamClientCall>(std::move(call), &channels_, &calls_, thread,
                                                     std::move(request), options_.max_unsent_bytes,
                                                     std::move(events));
    RunOn(thread, [stream] { stream->Start(); });
    return stream;
  }

  const ClientOptions options_;
  ClientChannels channels_;
  ClientCalls calls_;
  const std::unique_ptr<RpcThread> own_;
};

}  // namespace

std::unique_ptr<Client> Client::Create(ClientOptions options) {
  return std::make_unique<GrpcClient>(options);
}

}  // namespace mansio::rpc
