#ifndef MANSIO_COMMON_RPC_CLIENT_CALL_H_
#define MANSIO_COMMON_RPC_CLIENT_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "common/rpc/client.h"
#include "common/rpc/client_channels.h"
#include "common/rpc/rpc_thread.h"
#include "common/rpc/slices.h"
#include "common/sync/sync.h"

// The two kinds of outgoing call. Internal to common/rpc.
namespace mansio::rpc {

// The calls under way, so that all can be cancelled. Thread-safe.
class ClientCalls {
 public:
  // False when calls have been stopped.
  bool Add(grpc::ClientContext* call);
  void Remove(grpc::ClientContext* call);
  void CancelAll();

 private:
  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

// What both have: the connection, gRPC's context, the thread.
class ClientCallBase {
 protected:
  ClientCallBase(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                 RpcThread* thread);
  ~ClientCallBase() = default;

  // On the thread: counts the call there. False when calls have been stopped.
  bool Begin();
  void End();

  const OutgoingCall call_;
  ClientChannels* const channels_;
  ClientCalls* const calls_;
  RpcThread* const thread_;
  std::shared_ptr<ClientChannel> channel_;
  grpc::ClientContext context_;
};

// Owns itself from Start to its end.
class UnaryClientCall final : private ClientCallBase, private Event {
 public:
  UnaryClientCall(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                  RpcThread* thread, Payload request, Client::UnaryDone done);
  void Start();

 private:
  void OnEvent(bool ok) override;

  Payload request_;
  Client::UnaryDone done_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
};

// A server-streaming call, which has a `request`, or a bidirectional one. Holds itself from Start
// to its end.
class StreamClientCall final : public ClientStream,
                               private ClientCallBase,
                               public std::enable_shared_from_this<StreamClientCall> {
 public:
  StreamClientCall(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                   RpcThread* thread, std::optional<Payload> request, int64_t max_unsent_bytes,
                   std::unique_ptr<ClientStreamEvents> events);
  void Start();  // on the thread

  void Read() override;
  bool Write(Payload element) override;
  void Cancel() override;

 private:
  template <void (StreamClientCall::*kMember)(bool)>
  class MemberEvent final : public Event {
   public:
    explicit MemberEvent(StreamClientCall* call) : call_(call) {}
    void OnEvent(bool ok) override { (call_->*kMember)(ok); }

   private:
    StreamClientCall* const call_;
  };

  void OnStarted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void SendNext();
  void StartFinish();
  void EndIfOver();

  // Of the thread.
  std::shared_ptr<StreamClientCall> self_;
  std::optional<Payload> request_;
  std::unique_ptr<ClientStreamEvents> events_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer incoming_;
  grpc::Status status_;
  bool started_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finish_started_ = false;
  bool finished_ = false;
  int64_t writing_bytes_ = 0;
  MemberEvent<&StreamClientCall::OnStarted> started_event_{this};
  MemberEvent<&StreamClientCall::OnRead> read_event_{this};
  MemberEvent<&StreamClientCall::OnWritten> written_event_{this};
  MemberEvent<&StreamClientCall::OnFinished> finished_event_{this};

  const int64_t max_unsent_bytes_;
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool send_posted_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Payload> queued_ ABSL_GUARDED_BY(mutex_);
  int64_t unsent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CLIENT_CALL_H_
