#ifndef MANSIO_COMMON_RPC_RPC_THREAD_H_
#define MANSIO_COMMON_RPC_RPC_THREAD_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/sync/annotations.h"
#include "common/sync/sync.h"

// One completion queue with the thread that serves it, and the queue by which other threads hand it
// work. Internal to common/rpc.
namespace mansio::rpc {

// The completion of one asynchronous gRPC operation; its address is the operation's tag.
class Event {
 public:
  // On the rpc thread. `ok` as gRPC defines it for the operation.
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~Event() = default;
};

// Something that another thread wants done on the rpc thread; linked into the queue without an
// allocation. In at most one queue at a time.
class Posted {
 public:
  virtual void RunPosted() = 0;
  // Instead of RunPosted, when the thread has ended.
  virtual void DropPosted() = 0;
  // For the queue that it is in.
  Posted* next_posted = nullptr;

 protected:
  ~Posted() = default;
};

class CallGate;

class RpcThread {
 public:
  // `queue` is a ServerCompletionQueue where calls are accepted on it.
  RpcThread(std::unique_ptr<grpc::CompletionQueue> queue, std::string name);
  ~RpcThread();
  RpcThread(const RpcThread&) = delete;
  RpcThread& operator=(const RpcThread&) = delete;

  grpc::CompletionQueue* queue() { return queue_.get(); }
  // Where calls are accepted.
  grpc::ServerCompletionQueue* server_queue() {
    return static_cast<grpc::ServerCompletionQueue*>(queue_.get());
  }
  bool OnThread() const;
  // Between the calls that are accepted on it and their handlers; set before Start, borrowed.
  void SetGate(CallGate* gate) { gate_ = gate; }
  CallGate& gate() { return *gate_; }
  // The one that the caller runs on; null on other threads.
  static RpcThread* Current();

  // `first` runs on the thread before the first event.
  void Start(absl::AnyInvocable<void()> first);

  // Runs `posted` soon on the thread, in order of posting. From any thread. Inside a
  // CompletionScope it is kept until the scope ends.
  void Post(Posted* posted);
  void Post(absl::AnyInvocable<void()> fn);
  // Runs `posted` at once when called on the thread itself, otherwise posts it.
  void Submit(Posted* posted);

  // The tag for an operation that ends in `event`.
  static void* Tag(Event* event) {
    TsanRelease(event);
    return event;
  }

  // Counts the calls that are posted to be accepted, held by a handler, or being answered: what
  // must end before the completion queue may be shut down. On the thread only.
  void CallPosted() { SetLive(live_.load(std::memory_order_relaxed) + 1); }
  void CallEnded() { SetLive(live_.load(std::memory_order_relaxed) - 1); }

  // From now on no new call is posted to be accepted. From any thread.
  void StopAccepting() { accepting_.store(false); }
  bool accepting() const { return accepting_.load(std::memory_order_relaxed); }

  // Waits until no call is left, at most `timeout`; false when some are. From another thread, after
  // StopAccepting.
  bool WaitUntilIdle(absl::Duration timeout);

  // Shuts the completion queue down, serves what is left in it, joins. The server must have been
  // shut down before.
  void Stop();

 private:
  friend class PostedBatch;

  class WakeEvent final : public Event {
   public:
    explicit WakeEvent(RpcThread* thread) : thread_(thread) {}
    void OnEvent(bool ok) override;

   private:
    RpcThread* const thread_;
  };

  void Run(absl::AnyInvocable<void()> first);
  // Handles one event that is at hand; false when there is none.
  bool PollEvent();
  static void Dispatch(void* tag, bool ok);
  void RunPostedWork();
  void DropPostedWork();
  void PushChain(Posted* newest, Posted* oldest);
  void Wake();
  void SetLive(int64_t live);

  const std::unique_ptr<grpc::CompletionQueue> queue_;
  const std::string name_;
  CallGate* gate_ = nullptr;
  std::thread thread_;

  // Posted work, newest first; taken as a whole by the thread.
  std::atomic<Posted*> posted_{nullptr};
  // True while the thread is, or is about to be, blocked in its completion queue: only then does
  // posted work need a wake-up.
  std::atomic<bool> waiting_{false};
  std::atomic<bool> wake_under_way_{false};
  std::atomic<bool> ended_{false};
  // Threads that are inside PushChain. What they pushed may be done, and this object no longer
  // needed, before they are through: Stop waits for them.
  std::atomic<int> pushing_{0};
  WakeEvent wake_event_{this};

  Mutex alarm_mutex_;
  grpc::Alarm alarm_ ABSL_GUARDED_BY(alarm_mutex_);
  bool stopped_ ABSL_GUARDED_BY(alarm_mutex_) = false;

  std::atomic<bool> accepting_{true};
  std::atomic<int64_t> live_{0};
  std::atomic<bool> idle_wanted_{false};
  Mutex idle_mutex_;
  CondVar idle_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_RPC_THREAD_H_
