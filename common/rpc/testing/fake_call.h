#ifndef MANSIO_COMMON_RPC_TESTING_FAKE_CALL_H_
#define MANSIO_COMMON_RPC_TESTING_FAKE_CALL_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

// Calls without a transport, for unit tests of handlers. What a handler answers is kept and can be
// looked at. The "rpc thread" is whoever calls: Post runs its function at once. Thread-safe, so
// that a handler may finish on another thread while the test waits.
namespace mansio::rpc::testing {

using Headers = std::map<std::string, std::string, std::less<>>;

// What all shapes have in common; `Base` is one of the call interfaces.
template <typename Base>
class FakeCallBase : public Base {
 public:
  explicit FakeCallBase(Headers headers) : headers_(std::move(headers)) {}

  std::string_view Metadata(std::string_view key) const override {
    const auto it = headers_.find(key);
    return it == headers_.end() ? std::string_view() : it->second;
  }
  std::string_view Peer() const override { return peer_; }
  absl::Time Deadline() const override { return deadline_; }
  bool Cancelled() const override {
    MutexLock lock(&mutex_);
    return cancelled_;
  }
  void OnCancel(absl::AnyInvocable<void()> fn) override {
    {
      MutexLock lock(&mutex_);
      if (!cancelled_) {
        on_cancel_ = std::move(fn);
        return;
      }
    }
    fn();
  }
  void Post(absl::AnyInvocable<void()> fn) override { fn(); }

  void SetDeadline(absl::Time deadline) { deadline_ = deadline; }
  void SetPeer(std::string peer) { peer_ = std::move(peer); }
  // The client goes away.
  void Cancel() {
    absl::AnyInvocable<void()> fn;
    {
      MutexLock lock(&mutex_);
      if (std::exchange(cancelled_, true) || finished_) return;
      fn = std::exchange(on_cancel_, nullptr);
    }
    if (fn) fn();
  }

  bool finished() const {
    MutexLock lock(&mutex_);
    return finished_;
  }
  // How often a handler ended the call: anything but 1 is a mistake of the handler of a call that
  // is not a stream.
  int times_finished() const {
    MutexLock lock(&mutex_);
    return times_finished_;
  }
  // The gRPC status: OK unless the call was aborted or finished with another one.
  absl::Status status() const {
    MutexLock lock(&mutex_);
    return status_;
  }
  // Waits until the handler ends the call; false when it does not within `timeout`.
  bool WaitUntilFinished(absl::Duration timeout = absl::Seconds(30)) const {
    MutexLock lock(&mutex_);
    const absl::Time end = absl::Now() + timeout;
    while (!finished_) {
      if (changed_.WaitUntil(&mutex_, end)) return finished_;
    }
    return true;
  }

 protected:
  void End(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++times_finished_;
    if (!std::exchange(finished_, true)) status_ = std::move(status);
    changed_.SignalAll();
  }

  mutable Mutex mutex_;
  mutable CondVar changed_;

 private:
  const Headers headers_;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::string peer_ = "192.0.2.7:4711";
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int times_finished_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void()> on_cancel_ ABSL_GUARDED_BY(mutex_);
};

// A unary call; Response<T>() parses what it was finished with.
class FakeUnaryCall : public FakeCallBase<UnaryCall> {
 public:
  explicit FakeUnaryCall(std::string request, Headers headers = {})
      : FakeCallBase(std::move(headers)), request_(std::move(request)) {}

  std::string_view Request() const override { return request_; }
  void Finish(Payload response) override {
    MutexLock lock(&mutex_);
    response_ = response.Flatten();
    End(absl::OkStatus());
  }
  void Abort(absl::Status status) override {
    MutexLock lock(&mutex_);
    End(std::move(status));
  }

  std::string response_bytes() const {
    MutexLock lock(&mutex_);
    return response_;
  }
  template <typename Message>
  Message Response() const {
    Message message;
    message.ParseFromString(response_bytes());
    return message;
  }

 private:
  const std::string request_;
  std::string response_ ABSL_GUARDED_BY(mutex_);
};

// A server-streaming call; Elements<T>() parses what it was finished with.
class FakeServerStreamCall : public FakeCallBase<ServerStreamCall> {
 public:
  explicit FakeServerStreamCall(std::string request, Headers headers = {})
      : FakeCallBase(std::move(headers)), request_(std::move(request)) {}

  std::string_view Request() const override { return request_; }
  // Kept until the test calls TakeWrite when `hold_writes` is set, else taken at once.
  void Write(Payload element, absl::AnyInvocable<void(bool written)> done) override {
    {
      MutexLock lock(&mutex_);
      elements_.push_back(element.Flatten());
    }
    if (hold_writes) {
      held_write_ = std::move(done);
    } else {
      done(!Cancelled());
    }
  }
  // The client reads on.
  void TakeWrite() { std::exchange(held_write_, nullptr)(!Cancelled()); }
  bool write_is_held() const { return held_write_ != nullptr; }
  bool hold_writes = false;  // set before the call
  void ForgetRequest() override { request_.clear(); }
  // Tells `done` at once whether the client was still there.
  void Finish(std::vector<Payload> elements, absl::AnyInvocable<void(bool written)> done) override {
    const bool written = !Cancelled();
    {
      MutexLock lock(&mutex_);
      for (const Payload& element : elements) elements_.push_back(element.Flatten());
      End(absl::OkStatus());
    }
    if (done) done(written);
  }
  void Abort(absl::Status status) override {
    MutexLock lock(&mutex_);
    End(std::move(status));
  }

  template <typename Message>
  std::vector<Message> Elements() const {
    MutexLock lock(&mutex_);
    std::vector<Message> messages(elements_.size());
    for (size_t i = 0; i < elements_.size(); ++i) messages[i].ParseFromString(elements_[i]);
    return messages;
  }

 private:
  std::string request_;
  absl::AnyInvocable<void(bool written)> held_write_;  // of the test's thread
  std::vector<std::string> elements_ ABSL_GUARDED_BY(mutex_);
};

// A bidirectional stream. The test plays the client: it calls the BidiEvents that the handler
// returned, and takes what was written with Written<T>().
class FakeBidiCall : public FakeCallBase<BidiCall> {
 public:
  explicit FakeBidiCall(Headers headers = {}) : FakeCallBase(std::move(headers)) {}

  bool Write(Payload element) override {
    if (finished() || Cancelled()) return false;
    MutexLock lock(&mutex_);
    if (refuse_writes_ || element.size() > takes_) return false;
    written_.push_back(element.Flatten());
    return true;
  }
  void Finish(absl::Status status) override {
    MutexLock lock(&mutex_);
    End(std::move(status));
  }

  // As when the peer takes nothing and what is unsent has reached its limit.
  void RefuseWrites(bool refuse) {
    MutexLock lock(&mutex_);
    refuse_writes_ = refuse;
  }

  // As when there is room for so many bytes of one element.
  void RefuseWritesOver(size_t bytes) {
    MutexLock lock(&mutex_);
    takes_ = bytes;
  }

  template <typename Message>
  std::vector<Message> Written() const {
    MutexLock lock(&mutex_);
    std::vector<Message> messages(written_.size());
    for (size_t i = 0; i < written_.size(); ++i) messages[i].ParseFromString(written_[i]);
    return messages;
  }

 private:
  std::vector<std::string> written_ ABSL_GUARDED_BY(mutex_);
  bool refuse_writes_ ABSL_GUARDED_BY(mutex_) = false;
  size_t takes_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
};

}  // namespace mansio::rpc::testing

#endif  // MANSIO_COMMON_RPC_TESTING_FAKE_CALL_H_
