#include "store/cold_pool.h"

#include <utility>

namespace mansio::store {

ColdPool::ColdPool(int threads, size_t queue_limit) : queue_limit_(queue_limit) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

ColdPool::~ColdPool() { Stop(); }

bool ColdPool::Run(absl::AnyInvocable<void()> job) {
  const MutexLock lock(&mutex_);
  if (stopping_ || jobs_.size() >= queue_limit_) return false;
  jobs_.push_back(std::move(job));
  wake_.Signal();
  return true;
}

size_t ColdPool::waiting() const {
  const MutexLock lock(&mutex_);
  return jobs_.size();
}

void ColdPool::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.SignalAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ColdPool::Loop() {
  for (;;) {
    absl::AnyInvocable<void()> job;
    {
      const MutexLock lock(&mutex_);
      while (jobs_.empty() && !stopping_) wake_.Wait(&mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    std::move(job)();
  }
}

}  // namespace mansio::store
