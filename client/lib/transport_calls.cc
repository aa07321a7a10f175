#include "client/lib/transport_calls.h"

#include <fmt/format.h>

#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "common/sync/annotations.h"

namespace mansio::client::internal {
namespace {

absl::Status ShutDownError(const std::string& endpoint) {
  return absl::CancelledError(fmt::format("the client of {} is closed", endpoint));
}

}  // namespace

bool Registry::Add(Event* event) {
  MutexLock lock(&mutex_);
  if (closed_) return false;
  events_.insert(event);
  return true;
}

void Registry::Remove(Event* event) {
  MutexLock lock(&mutex_);
  events_.erase(event);
  if (closed_ && events_.empty()) empty_.SignalAll();
}

void Registry::CloseAndDrain() {
  MutexLock lock(&mutex_);
  closed_ = true;
  for (Event* event : events_) event->Cancel();
  while (!events_.empty()) empty_.Wait(&mutex_);
}

void* Tag(Event* event) {
  TsanRelease(event);
  return event;
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& endpoint) {
  if (status.ok()) return absl::OkStatus();
  const std::string& text = status.error_message();
  std::string message;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      message = fmt::format("cannot reach {}: {}", endpoint, text);
      break;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      message = fmt::format("{} did not answer in time", endpoint);
      break;
    case grpc::StatusCode::CANCELLED:
      message = fmt::format("the call to {} was cancelled", endpoint);
      break;
    case grpc::StatusCode::UNIMPLEMENTED:
      message = fmt::format("{} does not serve this request: {}", endpoint, text);
      break;
    default:
      message = fmt::format("{}: {}", endpoint, text);
  }
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), message);
  result.SetPayload(kTransportPayload, absl::Cord());
  return result;
}

grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string_view BytesOf(grpc::ByteBuffer& buffer, grpc::Slice* slice, std::string* storage) {
  if (!buffer.Valid()) return {};
  if (buffer.TrySingleSlice(slice).ok()) {
    return {reinterpret_cast<const char*>(slice->begin()), slice->size()};
  }
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  storage->reserve(buffer.Length());
  for (const grpc::Slice& piece : slices) {
    storage->append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  }
  return *storage;
}

void UnaryEvent::Start(const Target& target, const std::string& method, std::string_view request) {
  grpc::GenericStub stub(target.channel);
  reader_ = stub.PrepareUnaryCall(&context, method, ToBuffer(request), target.queue);
  reader_->StartCall();
  reader_->Finish(&response_, &status_, Tag(this));
}

void UnaryEvent::Refuse() {
  done_(ShutDownError(endpoint_), {});
  delete this;
}

void UnaryEvent::Complete(bool /*ok*/) {
  grpc::Slice slice;
  std::string storage;
  if (status_.ok()) {
    done_(absl::OkStatus(), BytesOf(response_, &slice, &storage));
  } else {
    done_(FromGrpc(status_, endpoint_), {});
  }
  registry_->Remove(this);
  delete this;
}

void StreamEvent::Start(const Target& target, const std::string& method, std::string_view request) {
  context.set_initial_metadata_corked(true);  // Headers and request leave in one piece.
  grpc::GenericStub stub(target.channel);
  stream_ = stub.PrepareCall(&context, method, target.queue);
  stream_->StartCall(nullptr);
  stream_->Write(ToBuffer(request), grpc::WriteOptions().set_last_message(), Tag(this));
}

void StreamEvent::Refuse() {
  done_(ShutDownError(endpoint_), {});
  delete this;
}

void StreamEvent::Complete(bool ok) {
  switch (step_) {
    case Step::kWriting:
      step_ = ok ? Step::kReading : Step::kFinishing;
      break;
    case Step::kReading:
      if (ok) {
        grpc::Slice slice;
        std::string storage;
        elements_.emplace_back(BytesOf(element_, &slice, &storage));
        element_.Clear();
      } else {
        step_ = Step::kFinishing;
      }
      break;
    case Step::kFinishing:
      done_(FromGrpc(status_, endpoint_), std::move(elements_));
      registry_->Remove(this);
      delete this;
      return;
  }
  if (step_ == Step::kReading) {
    stream_->Read(&element_, Tag(this));
  } else {
    stream_->Finish(&status_, Tag(this));
  }
}

Bidi::Bidi(const Target& target, std::shared_ptr<BidiEvents> events)
    : registry_(target.registry), endpoint_(target.endpoint), events_(std::move(events)) {}

void Bidi::Start(const Target& target, const std::string& method) {
  if (!registry_->Add(&start_)) {
    events_->OnClosed(ShutDownError(endpoint_));
    events_.reset();
    return;
  }
  self_ = shared_from_this();
  grpc::GenericStub stub(target.channel);
  stream_ = stub.PrepareCall(&context, method, target.queue);
  stream_->StartCall(Tag(&start_));
}

bool Bidi::Write(std::string element) {
  MutexLock lock(&mutex_);
  if (reading_ended_) return false;
  queue_.push_back(std::move(element));
  WriteNext();
  return true;
}

void Bidi::WriteNext() {
  if (!started_ || writing_ || queue_.empty() || reading_ended_) return;
  writing_ = true;
  const grpc::ByteBuffer buffer = ToBuffer(queue_.front());
  queue_.pop_front();
  stream_->Write(buffer, Tag(&write_));
}

void Bidi::FinishWhenQuiet() {
  if (reading_ended_ && !writing_) stream_->Finish(&status_, Tag(&finish_));
}

void Bidi::OnStarted(bool ok) {
  MutexLock lock(&mutex_);
  started_ = true;
  if (ok) {
    stream_->Read(&element_, Tag(&read_));
    WriteNext();
  } else {
    reading_ended_ = true;
    FinishWhenQuiet();
  }
}

void Bidi::OnRead(bool ok) {
  if (ok) {
    grpc::Slice slice;
    std::string storage;
    events_->OnMessage(BytesOf(element_, &slice, &storage));
    element_.Clear();
    stream_->Read(&element_, Tag(&read_));
    return;
  }
  MutexLock lock(&mutex_);
  reading_ended_ = true;
  FinishWhenQuiet();
}

void Bidi::OnWritten(bool ok) {
  MutexLock lock(&mutex_);
  writing_ = false;
  if (reading_ended_) {
    FinishWhenQuiet();
  } else if (ok) {
    WriteNext();
  }  // A failed write is followed by a failed read.
}

void Bidi::OnFinished(bool /*ok*/) {
  events_->OnClosed(FromGrpc(status_, endpoint_));
  events_.reset();  // Its owner may hold this stream: no cycle may remain.
  registry_->Remove(&start_);
  const std::shared_ptr<Bidi> last = std::move(self_);  // May delete this at the end of the scope.
}

void TimerEvent::Start(grpc::CompletionQueue* queue, absl::Duration delay) {
  if (!registry_->Add(this)) {
    delete this;
    return;
  }
  MutexLock lock(&mutex_);
  if (cancelled_) delay = absl::ZeroDuration();
  alarm_.Set(queue, absl::ToChronoTime(absl::Now() + delay), Tag(this));
}

void TimerEvent::Complete(bool ok) {
  {
    MutexLock lock(&mutex_);
    ok = ok && !cancelled_;
  }
  if (ok) fn_();
  registry_->Remove(this);
  delete this;
}

void TimerEvent::Cancel() {
  MutexLock lock(&mutex_);
  cancelled_ = true;
  alarm_.Cancel();
}

}  // namespace mansio::client::internal
