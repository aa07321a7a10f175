#include "common/rpc/client_call.h"

#include <utility>

namespace mansio::rpc {
namespace {

constexpr char kStopped[] = "this node is shutting down";

// A received message without a copy of its large parts.
Payload FromByteBuffer(const grpc::ByteBuffer& buffer) {
  auto bytes = std::make_shared<ReceivedBytes>();
  const std::string_view view = bytes->Load(buffer);
  Payload payload;
  payload.AppendShared(std::move(bytes), view);
  return payload;
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

bool ClientCalls::Add(grpc::ClientContext* call) {
  MutexLock lock(&mutex_);
  if (stopped_) return false;
  calls_.insert(call);
  return true;
}

void ClientCalls::Remove(grpc::ClientContext* call) {
  MutexLock lock(&mutex_);
  calls_.erase(call);
}

void ClientCalls::CancelAll() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

ClientCallBase::ClientCallBase(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                               RpcThread* thread)
    : call_(std::move(call)), channels_(channels), calls_(calls), thread_(thread) {}

bool ClientCallBase::Begin() {
  if (!calls_->Add(&context_)) return false;
  for (const auto& [key, value] : call_.headers) context_.AddMetadata(key, value);
  if (call_.deadline != absl::InfiniteFuture()) {
    context_.set_deadline(absl::ToChronoTime(call_.deadline));
  }
  channel_ = channels_->Take(call_.address);
  thread_->CallPosted();
  return true;
}

void ClientCallBase::End() {
  ClientChannels::GiveBack(*channel_);
  calls_->Remove(&context_);
  thread_->CallEnded();
}

UnaryClientCall::UnaryClientCall(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                                 RpcThread* thread, Payload request, Client::UnaryDone done)
    : ClientCallBase(std::move(call), channels, calls, thread),
      request_(std::move(request)),
      done_(std::move(done)) {}

void UnaryClientCall::Start() {
  if (!Begin()) {
    thread_->Post([done = std::move(done_)]() mutable { done(absl::UnavailableError(kStopped)); });
    delete this;
    return;
  }
  reader_ = channel_->stub.PrepareUnaryCall(&context_, call_.path,
                                            ToByteBuffer(std::move(request_)), thread_->queue());
  reader_->StartCall();
  reader_->Finish(&response_, &status_, RpcThread::Tag(this));
}

void UnaryClientCall::OnEvent(bool) {
  const std::unique_ptr<UnaryClientCall> self(this);
  Client::UnaryDone done = std::move(done_);
  if (status_.ok()) {
    done(FromByteBuffer(response_));
  } else {
    done(FromGrpcStatus(status_));
  }
  End();
}

StreamClientCall::StreamClientCall(OutgoingCall call, ClientChannels* channels, ClientCalls* calls,
                                   RpcThread* thread, std::optional<Payload> request,
                                   int64_t max_unsent_bytes,
                                   std::unique_ptr<ClientStreamEvents> events)
    : ClientCallBase(std::move(call), channels, calls, thread),
      request_(std::move(request)),
      events_(std::move(events)),
      max_unsent_bytes_(max_unsent_bytes) {}

void StreamClientCall::Start() {
  if (!Begin()) {
    {
      MutexLock lock(&mutex_);
      closed_ = true;
    }
    thread_->Post([self = shared_from_this()] {
      std::exchange(self->events_, nullptr)->OnEnd(absl::UnavailableError(kStopped));
    });
    return;
  }
  self_ = shared_from_this();
  stream_ = channel_->stub.PrepareCall(&context_, call_.path, thread_->queue());
  stream_->StartCall(RpcThread::Tag(&started_event_));
}

void StreamClientCall::OnStarted(bool ok) {
  started_ = true;
  if (!ok) return StartFinish();
  Read();
  if (!request_) return SendNext();
  writing_ = true;
  stream_->WriteLast(ToByteBuffer(*std::exchange(request_, std::nullopt)), grpc::WriteOptions(),
                     RpcThread::Tag(&written_event_));
}

void StreamClientCall::Read() {
  if (reading_ || finish_started_) return;
  reading_ = true;
  stream_->Read(&incoming_, RpcThread::Tag(&read_event_));
}

void StreamClientCall::OnRead(bool ok) {
  reading_ = false;
  if (!ok) {
    StartFinish();
    return EndIfOver();
  }
  Payload element = FromByteBuffer(incoming_);
  incoming_.Clear();
  events_->OnElement(std::move(element));
  EndIfOver();
}

bool StreamClientCall::Write(Payload element) {
  const auto size = static_cast<int64_t>(element.size());
  {
    MutexLock lock(&mutex_);
    // One element goes whatever its size, or it never would.
    if (closed_ || (unsent_bytes_ > 0 && unsent_bytes_ + size > max_unsent_bytes_)) return false;
    unsent_bytes_ += size;
    queued_.push_back(std::move(element));
    if (std::exchange(send_posted_, true)) return true;
  }
  thread_->Post([self = shared_from_this()] {
    {
      MutexLock lock(&self->mutex_);
      self->send_posted_ = false;
    }
    self->SendNext();
  });
  return true;
}

void StreamClientCall::SendNext() {
  if (!started_ || writing_ || finish_started_) return;
  Payload element;
  {
    MutexLock lock(&mutex_);
    if (queued_.empty()) return;
    element = std::move(queued_.front());
    queued_.pop_front();
    writing_bytes_ = static_cast<int64_t>(element.size());
  }
  writing_ = true;
  stream_->Write(ToByteBuffer(std::move(element)), RpcThread::Tag(&written_event_));
}

void StreamClientCall::OnWritten(bool ok) {
  writing_ = false;
  {
    MutexLock lock(&mutex_);
    unsent_bytes_ -= std::exchange(writing_bytes_, 0);
  }
  if (ok) SendNext();  // else the stream is over, which the read says
  EndIfOver();
}

void StreamClientCall::Cancel() {
  context_.TryCancel();
  // Nothing may be reading at the moment.
  thread_->Post([self = shared_from_this()] {
    if (self->started_) self->StartFinish();
  });
}

void StreamClientCall::StartFinish() {
  if (finish_started_) return;
  finish_started_ = true;
  stream_->Finish(&status_, RpcThread::Tag(&finished_event_));
}

void StreamClientCall::OnFinished(bool) {
  finished_ = true;
  EndIfOver();
}

void StreamClientCall::EndIfOver() {
  if (!finished_ || reading_ || writing_ || self_ == nullptr) return;
  const std::shared_ptr<StreamClientCall> self = std::move(self_);
  std::deque<Payload> dropped;
  {
    MutexLock lock(&mutex_);
    closed_ = true;
    queued_.swap(dropped);
  }
  events_->OnEnd(FromGrpcStatus(status_));
  events_.reset();
  End();
}

}  // namespace mansio::rpc
