#include "common/rpc/unary_call.h"

#include <utility>

namespace mansio::rpc {

void UnaryCallImpl::Accept(RpcThread* thread, CallPool<UnaryCallImpl>* pool, const Method* method) {
  if (!thread->accepting()) return;
  thread->CallPosted();
  UnaryCallImpl* const call = pool->Take(thread).release();  // its event owns it from here
  call->method_ = method;
  call->accepted_ = false;
  grpc::ServerContext& context = call->context_.Emplace();
  call->writer_.emplace(&context);
  method->service->RequestAsyncUnary(method->index, &context, &call->buffer_, &*call->writer_,
                                     thread->queue(), thread->server_queue(), RpcThread::Tag(call));
}

void UnaryCallImpl::OnEvent(bool ok) {
  if (accepted_ || !ok) {
    End();
    return;
  }
  Accept(thread_, pool_, method_);
  accepted_ = true;
  if (method_->stats != nullptr) began_ = metrics::NowNanos();
  const bool loaded = request_.LoadWithin(method_->budget, buffer_);
  buffer_.Clear();
  if (!loaded) return Abort(method_->budget->Exhausted());
  if (thread_->gate().Passes(method_->entry->decides)) return Release(/*refused=*/false);
  thread_->gate().Hold(this, method_->entry->decides, Deadline());
}

void UnaryCallImpl::Release(bool refused) {
  if (!refused) {
    handled_ = true;
    thread_->gate().Began(this);
    method_->entry->handler(*this);
  } else if (method_->entry->refuse != nullptr) {
    method_->entry->refuse(*this);
  } else {
    Abort(NotServed());
  }
}

void UnaryCallImpl::Finish(Payload response) {
  if (method_->stats != nullptr) {
    method_->stats->Record(OutcomeOf(response), metrics::NowNanos() - began_);
  }
  response_.payload = std::move(response);
  thread_->Submit(this);
}

void UnaryCallImpl::Abort(absl::Status status) {
  if (method_->stats != nullptr) {
    method_->stats->Record(OutcomeOf(status), metrics::NowNanos() - began_);
  }
  status_ = std::move(status);
  thread_->Submit(this);
}

void UnaryCallImpl::RunPosted() {
  if (std::exchange(handled_, false)) thread_->gate().Handled(this);
  if (status_.ok()) {
    writer_->Finish(response_, grpc::Status::OK, RpcThread::Tag(this));
  } else {
    writer_->FinishWithError(ToGrpcStatus(status_), RpcThread::Tag(this));
  }
}

void UnaryCallImpl::End() {
  request_.Clear();
  buffer_.Clear();
  response_.payload = Payload();
  status_ = absl::OkStatus();
  writer_.reset();
  context_.Reset();
  thread_->CallEnded();
  pool_->GiveBack(std::unique_ptr<UnaryCallImpl>(this));
}

}  // namespace mansio::rpc
