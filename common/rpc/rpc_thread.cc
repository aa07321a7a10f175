#include "common/rpc/rpc_thread.h"

#include <pthread.h>

#include <utility>

#include "absl/container/inlined_vector.h"
#include "common/rpc/server.h"
#include "common/sync/burst.h"

namespace mansio::rpc {
namespace {

// So many events may come before work that waits for the end of their burst is done.
constexpr size_t kLongestBurst = 64;

thread_local RpcThread* current_thread = nullptr;

class PostedFunction final : public Posted {
 public:
  explicit PostedFunction(absl::AnyInvocable<void()> fn) : fn_(std::move(fn)) {}
  void RunPosted() override {
    fn_();
    delete this;
  }
  void DropPosted() override { delete this; }

 private:
  ~PostedFunction() = default;
  absl::AnyInvocable<void()> fn_;
};

// The chain in the order of posting.
Posted* Reversed(Posted* newest) {
  Posted* oldest = nullptr;
  while (newest != nullptr) {
    Posted* const following = newest->next_posted;
    newest->next_posted = oldest;
    oldest = newest;
    newest = following;
  }
  return oldest;
}

}  // namespace

// What one thread has posted inside its CompletionScope, one chain for each rpc thread concerned.
class PostedBatch {
 public:
  static PostedBatch& OfThisThread() {
    thread_local PostedBatch batch;
    return batch;
  }

  bool open() const { return depth_ > 0; }
  void Enter() { ++depth_; }
  void Leave() {
    if (--depth_ > 0) return;
    for (const Chain& chain : chains_) chain.thread->PushChain(chain.newest, chain.oldest);
    chains_.clear();
  }

  void Add(RpcThread* thread, Posted* posted) {
    for (Chain& chain : chains_) {
      if (chain.thread != thread) continue;
      posted->next_posted = chain.newest;
      chain.newest = posted;
      return;
    }
    posted->next_posted = nullptr;
    chains_.push_back({thread, posted, posted});
  }

 private:
  struct Chain {
    RpcThread* thread;
    Posted* newest;
    Posted* oldest;
  };
  int depth_ = 0;
  absl::InlinedVector<Chain, 4> chains_;
};

CompletionScope::CompletionScope() { PostedBatch::OfThisThread().Enter(); }
CompletionScope::~CompletionScope() { PostedBatch::OfThisThread().Leave(); }

RpcThread::RpcThread(std::unique_ptr<grpc::CompletionQueue> queue, std::string name)
    : queue_(std::move(queue)), name_(std::move(name)) {}

RpcThread::~RpcThread() { DropPostedWork(); }

bool RpcThread::OnThread() const { return current_thread == this; }

RpcThread* RpcThread::Current() { return current_thread; }

void RpcThread::Start(absl::AnyInvocable<void()> first) {
  thread_ = std::thread([this, first = std::move(first)]() mutable { Run(std::move(first)); });
  pthread_setname_np(thread_.native_handle(), name_.c_str());
}

void RpcThread::Run(absl::AnyInvocable<void()> first) {
  current_thread = this;
  first();
  void* tag = nullptr;
  bool ok = false;
  Burst burst;
  size_t events = 0;
  while (true) {
    RunPostedWork();
    if (burst.pending() && ++events < kLongestBurst && PollEvent()) continue;
    burst.End();
    events = 0;
    // Work posted between the two lines below and Next finds waiting_ set, and wakes us.
    waiting_.store(true);
    if (posted_.load() != nullptr) {
      waiting_.store(false);
      continue;
    }
    if (!queue_->Next(&tag, &ok)) break;
    waiting_.store(false, std::memory_order_relaxed);
    Dispatch(tag, ok);
  }
  current_thread = nullptr;
}

bool RpcThread::PollEvent() {
  void* tag = nullptr;
  bool ok = false;
  const auto now = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  if (queue_->AsyncNext(&tag, &ok, now) != grpc::CompletionQueue::GOT_EVENT) return false;
  Dispatch(tag, ok);
  return true;
}

void RpcThread::Dispatch(void* tag, bool ok) {
  TsanAcquire(tag);
  static_cast<Event*>(tag)->OnEvent(ok);
}

void RpcThread::RunPostedWork() {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return;
  Posted* posted = Reversed(posted_.exchange(nullptr));
  while (posted != nullptr) {
    // Read before the call: it may end the object.
    std::exchange(posted, posted->next_posted)->RunPosted();
  }
}

void RpcThread::DropPostedWork() {
  Posted* posted = Reversed(posted_.exchange(nullptr));
  while (posted != nullptr) std::exchange(posted, posted->next_posted)->DropPosted();
}

void RpcThread::Post(Posted* posted) {
  PostedBatch& batch = PostedBatch::OfThisThread();
  if (batch.open()) {
    batch.Add(this, posted);
  } else {
    PushChain(posted, posted);
  }
}

void RpcThread::Post(absl::AnyInvocable<void()> fn) { Post(new PostedFunction(std::move(fn))); }

void RpcThread::Submit(Posted* posted) {
  if (OnThread()) {
    posted->RunPosted();
  } else {
    Post(posted);
  }
}

void RpcThread::PushChain(Posted* newest, Posted* oldest) {
  pushing_.fetch_add(1);
  oldest->next_posted = posted_.load(std::memory_order_relaxed);
  while (!posted_.compare_exchange_weak(oldest->next_posted, newest)) {
  }
  if (waiting_.load()) Wake();
  // Dropped as soon as nobody will run it: it may hold what holds this thread.
  if (ended_.load()) DropPostedWork();
  pushing_.fetch_sub(1);
}

void RpcThread::Wake() {
  if (wake_under_way_.exchange(true)) return;
  MutexLock lock(&alarm_mutex_);
  if (stopped_) return;
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), Tag(&wake_event_));
}

// The thread takes posted work after every event, so there is nothing else to do here.
void RpcThread::WakeEvent::OnEvent(bool) { thread_->wake_under_way_.store(false); }

void RpcThread::SetLive(int64_t live) {
  live_.store(live);
  if (live == 0 && idle_wanted_.load()) {
    MutexLock lock(&idle_mutex_);
    idle_.SignalAll();
  }
}

bool RpcThread::WaitUntilIdle(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(&idle_mutex_);
  idle_wanted_.store(true);
  while (live_.load() != 0) {
    if (idle_.WaitUntil(&idle_mutex_, deadline)) break;
  }
  return live_.load() == 0;
}

void RpcThread::Stop() {
  {
    MutexLock lock(&alarm_mutex_);
    if (stopped_) return;
    stopped_ = true;
    queue_->Shutdown();
  }
  if (thread_.joinable()) thread_.join();
  while (pushing_.load() != 0) std::this_thread::yield();
  ended_.store(true);
  DropPostedWork();
  void* tag = nullptr;  // Never started, but gRPC wants its queues drained.
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Event*>(tag)->OnEvent(ok);
}

}  // namespace mansio::rpc
