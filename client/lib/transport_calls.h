#ifndef MANSIO_CLIENT_LIB_TRANSPORT_CALLS_H_
#define MANSIO_CLIENT_LIB_TRANSPORT_CALLS_H_

// The calls behind transport.h, each a small state machine driven by completion-queue events. Only
// transport.cc includes this header.

#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "client/lib/transport.h"
#include "common/sync/sync.h"

namespace mansio::client::internal {

// What a completion-queue tag points to.
class Event {
 public:
  virtual ~Event() = default;
  // The operation has ended, on the rpc thread. Deletes the event when it was the last one.
  virtual void Complete(bool ok) = 0;
  // Asks for an early end. Called with the registry's lock held: must not call back.
  virtual void Cancel() = 0;
};

// All events that are under way, so that Shutdown can cancel them and wait for their end: an
// operation must never start on a completion queue that was shut down. Thread-safe.
class Registry {
 public:
  // False when closed: then the event must not start.
  bool Add(Event* event);
  void Remove(Event* event);
  // Refuses new events, cancels the present ones and returns when all have ended.
  void CloseAndDrain();

 private:
  Mutex mutex_;
  CondVar empty_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Event*> events_ ABSL_GUARDED_BY(mutex_);
};

// Hands `event` to gRPC as a tag. ThreadSanitizer does not see the order that the completion queue
// establishes (Debian's gRPC is not instrumented), hence the note.
void* Tag(Event* event);

// What a call needs to know of its connection; copied into each call, so that the channel lives as
// long as its last call.
struct Target {
  std::shared_ptr<grpc::Channel> channel;
  grpc::CompletionQueue* queue;
  Registry* registry;
  std::string endpoint;
};

// Marks an error of the transport; see IsTransportError.
inline constexpr char kTransportPayload[] = "mansio/transport";

// A gRPC status as ours; the text names the endpoint and says what to check.
absl::Status FromGrpc(const grpc::Status& status, const std::string& endpoint);

grpc::ByteBuffer ToBuffer(std::string_view bytes);
// The bytes of `buffer`: a view into it when they are in one piece, else into `*storage`.
std::string_view BytesOf(grpc::ByteBuffer& buffer, grpc::Slice* slice, std::string* storage);

class UnaryEvent : public Event {
 public:
  UnaryEvent(const Target& target, Connection::UnaryDone done)
      : registry_(target.registry), endpoint_(target.endpoint), done_(std::move(done)) {}
  void Start(const Target& target, const std::string& method, std::string_view request);
  void Refuse();  // instead of Start: tells the caller that the transport is shut down
  void Complete(bool ok) override;
  void Cancel() override { context.TryCancel(); }

  grpc::ClientContext context;

 private:
  Registry* const registry_;
  const std::string endpoint_;
  Connection::UnaryDone done_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
};

class StreamEvent : public Event {
 public:
  StreamEvent(const Target& target, Connection::StreamDone done)
      : registry_(target.registry), endpoint_(target.endpoint), done_(std::move(done)) {}
  void Start(const Target& target, const std::string& method, std::string_view request);
  void Refuse();  // instead of Start: tells the caller that the transport is shut down
  void Complete(bool ok) override;
  void Cancel() override { context.TryCancel(); }

  grpc::ClientContext context;

 private:
  enum class Step { kWriting, kReading, kFinishing };

  Registry* const registry_;
  const std::string endpoint_;
  Connection::StreamDone done_;
  Step step_ = Step::kWriting;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  grpc::ByteBuffer element_;
  std::vector<std::string> elements_;
  grpc::Status status_;
};

// Reads and writes of one stream go on side by side, so each kind of operation has its own event;
// the stream keeps itself alive until the last of them has ended.
class Bidi final : public BidiStream, public std::enable_shared_from_this<Bidi> {
 public:
  Bidi(const Target& target, std::shared_ptr<BidiEvents> events);
  // Needs a shared pointer to this stream to exist.
  void Start(const Target& target, const std::string& method);
  bool Write(std::string element) override;
  void Cancel() override { context.TryCancel(); }

  grpc::ClientContext context;

 private:
  class Operation : public Event {
   public:
    Operation(Bidi* stream, void (Bidi::*handler)(bool)) : stream_(stream), handler_(handler) {}
    void Complete(bool ok) override { (stream_->*handler_)(ok); }
    void Cancel() override { stream_->context.TryCancel(); }

   private:
    Bidi* const stream_;
    void (Bidi::*const handler_)(bool);
  };

  void OnStarted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishWhenQuiet() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Registry* const registry_;
  const std::string endpoint_;
  std::shared_ptr<BidiEvents> events_;  // until OnClosed
  Operation start_{this, &Bidi::OnStarted};
  Operation read_{this, &Bidi::OnRead};
  Operation write_{this, &Bidi::OnWritten};
  Operation finish_{this, &Bidi::OnFinished};
  std::unique_ptr<grpc::ClientAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  grpc::ByteBuffer element_;
  grpc::Status status_;
  std::shared_ptr<Bidi> self_;  // set while operations are under way

  Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
};

class TimerEvent : public Event {
 public:
  TimerEvent(Registry* registry, absl::AnyInvocable<void()> fn)
      : registry_(registry), fn_(std::move(fn)) {}
  // Deletes the timer at once when the transport is shut down.
  void Start(grpc::CompletionQueue* queue, absl::Duration delay);
  void Complete(bool ok) override;
  void Cancel() override;

 private:
  Registry* const registry_;
  absl::AnyInvocable<void()> fn_;
  Mutex mutex_;  // Cancel may come before Start has set the alarm.
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::client::internal

#endif  // MANSIO_CLIENT_LIB_TRANSPORT_CALLS_H_
