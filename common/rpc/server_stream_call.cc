#include "common/rpc/server_stream_call.h"

#include <utility>

namespace mansio::rpc {

void ServerStreamCallImpl::Accept(RpcThread* thread, CallPool<ServerStreamCallImpl>* pool,
                                  const Method* method) {
  if (!thread->accepting()) return;
  thread->CallPosted();
  ServerStreamCallImpl* const call = pool->Take(thread).release();  // its events own it from here
  call->method_ = method;
  grpc::ServerContext& context = call->context_.Emplace();
  context.AsyncNotifyWhenDone(RpcThread::Tag(&call->gone_event_));
  call->writer_.emplace(&context);
  method->service->RequestAsyncServerStreaming(
      method->index, &context, &call->buffer_, &*call->writer_, thread->queue(),
      thread->server_queue(), RpcThread::Tag(&call->operation_event_));
}

void ServerStreamCallImpl::OnOperation(bool ok) {
  if (accepted_) {
    if (element_done_ != nullptr) {
      std::exchange(element_done_, nullptr)(ok);
    } else if (!ok || last_started_) {
      Answered(ok);
    } else {
      WriteNext();
    }
    return;
  }
  if (!ok) {  // the server ends; for a call that never came there is no second event
    End();
    return;
  }
  Accept(thread_, pool_, method_);
  accepted_ = true;
  if (method_->stats != nullptr) began_ = metrics::NowNanos();
  const bool loaded = request_.LoadWithin(method_->budget, buffer_);
  buffer_.Clear();
  if (!loaded) return Abort(method_->budget->Exhausted());
  if (thread_->gate().Passes(/*decides=*/false)) return Release(/*refused=*/false);
  thread_->gate().Hold(this, /*decides=*/false, Deadline());
}

void ServerStreamCallImpl::Release(bool refused) {
  if (refused) return Abort(NotServed());
  handled_ = true;
  thread_->gate().Began(this);
  method_->entry->handler(*this);
}

void ServerStreamCallImpl::OnGone() {
  if (context_.get()->IsCancelled()) {
    absl::AnyInvocable<void()> fn;
    {
      MutexLock lock(&mutex_);
      cancelled_.store(true);
      fn = std::move(on_cancel_);
      on_cancel_ = nullptr;
    }
    if (fn != nullptr) fn();
  }
  gone_ = true;
  EndIfOver();
}

void ServerStreamCallImpl::OnCancel(absl::AnyInvocable<void()> fn) {
  {
    MutexLock lock(&mutex_);
    if (!cancelled_.load()) {
      on_cancel_ = std::move(fn);
      return;
    }
  }
  thread_->Post(std::move(fn));
}

void ServerStreamCallImpl::ForgetOnCancel() {
  absl::AnyInvocable<void()> forgotten;  // destroyed after the lock was released
  MutexLock lock(&mutex_);
  std::swap(forgotten, on_cancel_);
}

void ServerStreamCallImpl::Write(Payload element, absl::AnyInvocable<void(bool)> done) {
  if (cancelled_.load()) {
    thread_->Post([done = std::move(done)]() mutable { done(false); });
    return;
  }
  if (method_->stats != nullptr && outcome_ == kNoCode) outcome_ = OutcomeOf(element);
  element_done_ = std::move(done);
  writer_->Write(Outgoing{std::move(element)}, RpcThread::Tag(&operation_event_));
}

void ServerStreamCallImpl::Finish(std::vector<Payload> elements,
                                  absl::AnyInvocable<void(bool)> done) {
  ForgetOnCancel();
  if (method_->stats != nullptr) {
    if (outcome_ == kNoCode && !elements.empty()) outcome_ = OutcomeOf(elements.front());
    method_->stats->Record(outcome_, metrics::NowNanos() - began_);
  }
  elements_ = std::move(elements);
  done_ = std::move(done);
  thread_->Submit(this);
}

void ServerStreamCallImpl::Abort(absl::Status status) {
  ForgetOnCancel();
  if (method_->stats != nullptr) {
    method_->stats->Record(OutcomeOf(status), metrics::NowNanos() - began_);
  }
  status_ = std::move(status);
  thread_->Submit(this);
}

void ServerStreamCallImpl::RunPosted() {
  if (cancelled_.load()) {
    Answered(false);
  } else {
    WriteNext();
  }
}

void ServerStreamCallImpl::WriteNext() {
  void* const tag = RpcThread::Tag(&operation_event_);
  const size_t left = elements_.size() - next_;
  const bool first = next_ == 0;
  last_started_ = left <= 1;
  if (left == 0) {
    writer_->Finish(ToGrpcStatus(status_), tag);
    return;
  }
  const Outgoing element{std::move(elements_[next_++])};
  if (left == 1) {
    writer_->WriteAndFinish(element, grpc::WriteOptions(), grpc::Status::OK, tag);
  } else if (first) {
    // The initial metadata goes with it, and their write only ends when they are sent: with the
    // hint they would wait for something else to be sent on the connection, for ever on an idle
    // one.
    writer_->Write(element, tag);
  } else {
    // The hint lets the other elements of one answer share a packet.
    writer_->Write(element, grpc::WriteOptions().set_buffer_hint(), tag);
  }
}

void ServerStreamCallImpl::Answered(bool written) {
  answered_ = true;
  if (done_ != nullptr) std::exchange(done_, nullptr)(written);
  EndIfOver();
}

void ServerStreamCallImpl::EndIfOver() {
  if (answered_ && gone_) End();
}

void ServerStreamCallImpl::End() {
  if (std::exchange(handled_, false)) thread_->gate().Handled(this);
  request_.Clear();
  buffer_.Clear();
  elements_.clear();
  next_ = 0;
  outcome_ = kNoCode;
  status_ = absl::OkStatus();
  cancelled_.store(false);
  accepted_ = last_started_ = answered_ = gone_ = false;
  writer_.reset();
  context_.Reset();
  thread_->CallEnded();
  pool_->GiveBack(std::unique_ptr<ServerStreamCallImpl>(this));
}

}  // namespace mansio::rpc
