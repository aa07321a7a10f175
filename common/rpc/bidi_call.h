#ifndef MANSIO_COMMON_RPC_BIDI_CALL_H_
#define MANSIO_COMMON_RPC_BIDI_CALL_H_

#include <grpcpp/support/async_stream.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rpc/call_base.h"
#include "common/rpc/call_gate.h"
#include "common/rpc/slices.h"
#include "common/sync/sync.h"

namespace mansio::rpc {

class BidiCallImpl;

// The bidirectional streams of one rpc thread, so that all can be ended when the server stops. On
// the rpc thread only.
class BidiRegistry {
 public:
  void Add(BidiCallImpl* call);
  void Remove(BidiCallImpl* call);
  // Ends every stream, also those that come later, with `status`.
  void FinishAll(absl::Status status);
  // Those that come later go on again.
  void Reopen() { ending_.reset(); }

 private:
  std::vector<BidiCallImpl*> calls_;
  std::optional<absl::Status> ending_;
};

// A bidirectional stream. Owned by itself while gRPC knows it, and shared with the handlers, which
// may keep it longer: then it is closed, and Write refuses.
class BidiCallImpl final : public BidiCall,
                           private Posted,
                           private GatedCall,
                           public std::enable_shared_from_this<BidiCallImpl> {
 public:
  struct Method {
    RawService* service;
    int index;
    const MethodTable::Bidi* entry;
    int64_t max_undelivered_bytes;
  };

  BidiCallImpl(std::shared_ptr<RpcThread> thread, BidiRegistry* registry, const Method* method)
      : thread_(std::move(thread)), registry_(registry), method_(method) {}

  // Posts one more stream of `method` to be accepted, unless the thread is ending.
  static void Accept(std::shared_ptr<RpcThread> thread, BidiRegistry* registry,
                     const Method* method);

  std::string_view Metadata(std::string_view key) const override;
  std::string_view Peer() const override { return peer_; }
  absl::Time Deadline() const override { return deadline_; }
  bool Cancelled() const override { return cancelled_.load(); }
  void OnCancel(absl::AnyInvocable<void()> fn) override;
  void Post(absl::AnyInvocable<void()> fn) override { thread_->Post(std::move(fn)); }
  bool Write(Payload element) override;
  void Finish(absl::Status status) override;

 private:
  friend class BidiRegistry;

  // The tags of a stream: at most one operation of each kind is under way.
  template <void (BidiCallImpl::*kMember)(bool)>
  class MemberEvent final : public Event {
   public:
    explicit MemberEvent(BidiCallImpl* call) : call_(call) {}
    void OnEvent(bool ok) override { (call_->*kMember)(ok); }

   private:
    BidiCallImpl* const call_;
  };

  void Release(bool refused) override;
  void Cancel() override { context_->TryCancel(); }
  void OnAccepted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);  // also of the initial metadata and of the final status
  void OnGone(bool);
  void RunPosted() override;  // sends what is queued
  void DropPosted() override { TakePostedSelf(); }

  void CopyFromContext();
  // True when the caller must post this to the rpc thread, after it has let go of the lock.
  bool MarkPosted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PostIf(bool needed);
  std::shared_ptr<BidiCallImpl> TakePostedSelf();
  void SendNext();
  void StartRead();
  void CloseIfOver();

  const std::shared_ptr<RpcThread> thread_;
  BidiRegistry* const registry_;
  const Method* const method_;

  // Of the rpc thread.
  std::shared_ptr<BidiCallImpl> self_;  // while gRPC can still deliver an event
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncReaderWriter<Outgoing, grpc::ByteBuffer>> stream_;
  std::unique_ptr<BidiEvents> events_;
  grpc::ByteBuffer buffer_;
  ReceivedBytes received_;
  bool held_ = false;     // by the gate
  bool handled_ = false;  // there is, or was, a handler
  bool reading_ = false;
  bool writing_ = false;
  bool finish_started_ = false;
  bool gone_ = false;
  size_t writing_bytes_ = 0;
  MemberEvent<&BidiCallImpl::OnAccepted> accepted_event_{this};
  MemberEvent<&BidiCallImpl::OnRead> read_event_{this};
  MemberEvent<&BidiCallImpl::OnWritten> written_event_{this};
  MemberEvent<&BidiCallImpl::OnGone> gone_event_{this};

  // Set once when the stream is accepted. Copies, because gRPC's may be gone before the last user
  // is.
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::string peer_;
  absl::Time deadline_ = absl::InfiniteFuture();

  std::atomic<bool> cancelled_{false};
  Mutex mutex_;
  std::shared_ptr<BidiCallImpl> posted_self_ ABSL_GUARDED_BY(mutex_);  // while posted to the thread
  std::deque<Payload> queued_ ABSL_GUARDED_BY(mutex_);
  int64_t undelivered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> final_status_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // no more writes: finished, failed or gone
  absl::AnyInvocable<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_BIDI_CALL_H_
