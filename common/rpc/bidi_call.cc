#include "common/rpc/bidi_call.h"

#include <algorithm>
#include <utility>

namespace mansio::rpc {

void BidiRegistry::Add(BidiCallImpl* call) {
  calls_.push_back(call);
  if (ending_) call->Finish(*ending_);
}

void BidiRegistry::Remove(BidiCallImpl* call) {
  const auto found = std::find(calls_.begin(), calls_.end(), call);
  if (found == calls_.end()) return;
  *found = calls_.back();
  calls_.pop_back();
}

void BidiRegistry::FinishAll(absl::Status status) {
  ending_ = std::move(status);
  for (BidiCallImpl* call : calls_) call->Finish(*ending_);
}

void BidiCallImpl::Accept(std::shared_ptr<RpcThread> thread, BidiRegistry* registry,
                          const Method* method) {
  if (!thread->accepting()) return;
  thread->CallPosted();
  auto call = std::make_shared<BidiCallImpl>(thread, registry, method);
  call->self_ = call;
  grpc::ServerContext& context = call->context_.emplace();
  context.AsyncNotifyWhenDone(RpcThread::Tag(&call->gone_event_));
  call->stream_.emplace(&context);
  method->service->RequestAsyncBidiStreaming(method->index, &context, &*call->stream_,
                                             thread->queue(), thread->server_queue(),
                                             RpcThread::Tag(&call->accepted_event_));
}

void BidiCallImpl::OnAccepted(bool ok) {
  if (!ok) {  // the server ends; for a stream that never came there is no second event
    thread_->CallEnded();
    stream_.reset();
    context_.reset();
    self_.reset();
    return;
  }
  Accept(thread_, registry_, method_);
  CopyFromContext();
  // At once: some clients wait for the response headers before they send anything (contract,
  // pitfall 2).
  writing_ = true;
  stream_->SendInitialMetadata(RpcThread::Tag(&written_event_));
  if (thread_->gate().Passes(/*decides=*/false)) return Release(/*refused=*/false);
  held_ = true;
  thread_->gate().Hold(this, /*decides=*/false, deadline_);
}

void BidiCallImpl::Release(bool refused) {
  held_ = false;
  if (gone_) return CloseIfOver();
  if (refused) {
    Finish(NotServed());
  } else {
    handled_ = true;
    thread_->gate().Began(this);
    events_ = method_->entry->handler(shared_from_this());
    registry_->Add(this);
  }
  StartRead();
}

void BidiCallImpl::CopyFromContext() {
  for (const auto& [key, value] : context_->client_metadata()) {
    metadata_.emplace_back(std::string(key.data(), key.size()),
                           std::string(value.data(), value.size()));
  }
  peer_ = PeerText(context_->peer());
  const auto deadline = context_->deadline();
  if (deadline != std::chrono::system_clock::time_point::max()) {
    deadline_ = absl::FromChrono(deadline);
  }
}

std::string_view BidiCallImpl::Metadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return value;
  }
  return {};
}

void BidiCallImpl::StartRead() {
  reading_ = true;
  stream_->Read(&buffer_, RpcThread::Tag(&read_event_));
}

void BidiCallImpl::OnRead(bool ok) {
  reading_ = false;
  if (!ok) {
    if (!gone_ && !finish_started_ && events_ != nullptr) events_->OnHalfClose();
    CloseIfOver();
    return;
  }
  const std::string_view bytes = received_.Load(buffer_);
  buffer_.Clear();
  if (events_ != nullptr) events_->OnMessage(bytes);
  received_.Clear();
  if (gone_) {
    CloseIfOver();
  } else {
    StartRead();
  }
}

bool BidiCallImpl::Write(Payload element) {
  const auto size = static_cast<int64_t>(element.size());
  bool post = false;
  {
    MutexLock lock(&mutex_);
    if (closed_ || undelivered_bytes_ + size > method_->max_undelivered_bytes) return false;
    undelivered_bytes_ += size;
    queued_.push_back(std::move(element));
    post = MarkPosted();
  }
  PostIf(post);
  return true;
}

void BidiCallImpl::Finish(absl::Status status) {
  bool post = false;
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
    closed_ = true;
    final_status_ = std::move(status);
    post = MarkPosted();
  }
  PostIf(post);
}

bool BidiCallImpl::MarkPosted() {
  if (posted_self_ != nullptr) return false;
  posted_self_ = shared_from_this();
  return true;
}

// Always through the queue, also on the rpc thread itself: a handler may write while it is called
// from the middle of one of the functions here.
void BidiCallImpl::PostIf(bool needed) {
  if (needed) thread_->Post(static_cast<Posted*>(this));
}

std::shared_ptr<BidiCallImpl> BidiCallImpl::TakePostedSelf() {
  MutexLock lock(&mutex_);
  return std::exchange(posted_self_, nullptr);
}

void BidiCallImpl::RunPosted() {
  const std::shared_ptr<BidiCallImpl> self = TakePostedSelf();
  SendNext();
}

void BidiCallImpl::SendNext() {
  if (writing_ || gone_ || finish_started_) return;
  std::optional<Outgoing> element;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    if (!queued_.empty()) {
      element.emplace(Outgoing{std::move(queued_.front())});
      queued_.pop_front();
      writing_bytes_ = element->payload.size();
    } else if (final_status_) {
      status = *final_status_;
      finish_started_ = true;
    } else {
      return;
    }
  }
  writing_ = true;
  if (element) {
    stream_->Write(*element, RpcThread::Tag(&written_event_));
  } else {
    stream_->Finish(ToGrpcStatus(status), RpcThread::Tag(&written_event_));
  }
}

void BidiCallImpl::OnWritten(bool ok) {
  writing_ = false;
  std::deque<Payload> dropped;
  {
    MutexLock lock(&mutex_);
    undelivered_bytes_ -= static_cast<int64_t>(std::exchange(writing_bytes_, 0));
    if (!ok) {  // the client is gone, which OnGone will say
      closed_ = true;
      queued_.swap(dropped);
      undelivered_bytes_ = 0;
    }
  }
  if (ok) SendNext();
  CloseIfOver();
}

void BidiCallImpl::OnCancel(absl::AnyInvocable<void()> fn) {
  {
    MutexLock lock(&mutex_);
    if (!cancelled_.load()) {
      on_cancel_ = std::move(fn);
      return;
    }
  }
  thread_->Post(std::move(fn));
}

void BidiCallImpl::OnGone(bool) {
  const bool cancelled = context_->IsCancelled();
  absl::AnyInvocable<void()> fn;
  std::deque<Payload> dropped;
  {
    MutexLock lock(&mutex_);
    closed_ = true;
    queued_.swap(dropped);
    undelivered_bytes_ = static_cast<int64_t>(writing_bytes_);
    cancelled_.store(cancelled);
    std::swap(fn, on_cancel_);
  }
  if (cancelled && fn != nullptr) fn();
  gone_ = true;
  CloseIfOver();
}

void BidiCallImpl::CloseIfOver() {
  if (!gone_ || reading_ || writing_ || held_) return;
  if (handled_) {
    registry_->Remove(this);
    if (events_ != nullptr) events_->OnClosed();
    events_.reset();
    thread_->gate().Handled(this);
  }
  received_.Clear();
  stream_.reset();
  context_.reset();
  thread_->CallEnded();
  self_.reset();  // may delete this
}

}  // namespace mansio::rpc
