#include "store/log/submission_queue.h"

#include <utility>

namespace mansio::store {

bool SubmissionQueue::Push(std::unique_ptr<Append>& append) {
  MutexLock lock(&mutex_);
  if (closed_) return false;
  content_.appends.push_back(std::move(append));
  Pushed();
  return true;
}

bool SubmissionQueue::PushJob(Job& job) {
  MutexLock lock(&mutex_);
  if (closed_) return false;
  content_.jobs.push_back(std::move(job));
  Pushed();
  return true;
}

void SubmissionQueue::Pushed() {
  if (asleep_ && !Burst::Defer(this)) WakeIfAsleep();
}

void SubmissionQueue::EndBurst() {
  MutexLock lock(&mutex_);
  WakeIfAsleep();
}

void SubmissionQueue::WakeIfAsleep() {
  if (!asleep_) return;
  asleep_ = false;
  pushed_.Signal();
}

bool SubmissionQueue::Take(Content& content) {
  MutexLock lock(&mutex_);
  while (content_.appends.empty() && content_.jobs.empty()) {
    if (closed_) return false;
    asleep_ = true;
    pushed_.Wait(&mutex_);
  }
  asleep_ = false;
  std::swap(content_.appends, content.appends);
  std::swap(content_.jobs, content.jobs);
  return true;
}

SubmissionQueue::Content SubmissionQueue::TakeQueued() {
  MutexLock lock(&mutex_);
  return std::exchange(content_, {});
}

void SubmissionQueue::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  pushed_.SignalAll();
}

}  // namespace mansio::store
