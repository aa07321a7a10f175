#include "common/timer/timer_queue.h"

#include <algorithm>

namespace mansio {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Broker time may run a little faster than real time and step forward, so that a sleep towards a
// distant instant is cut into parts.
constexpr int64_t kLongestSleepMillis = 1'000;

}  // namespace

void TimerQueue::Start() {
  thread_ = std::thread([this] { Run(); });
}

void TimerQueue::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

TimerQueue::Id TimerQueue::Schedule(int64_t due_millis, Callback callback) {
  MutexLock lock(&mutex_);
  const Id id = ++last_id_;
  waiting_.emplace(Key{due_millis, id}, std::move(callback));
  due_of_.emplace(id, due_millis);
  if (due_millis < sleeping_until_) changed_.Signal();
  return id;
}

bool TimerQueue::Cancel(Id id) {
  Callback dropped;  // Destroyed after the lock is released: it may own anything.
  MutexLock lock(&mutex_);
  const auto found = due_of_.find(id);
  if (found == due_of_.end()) return false;
  const auto entry = waiting_.find(Key{found->second, id});
  dropped = std::move(entry->second);
  waiting_.erase(entry);
  due_of_.erase(found);
  return true;
}

TimerQueue::Callback TimerQueue::TakeDue(int64_t now) {
  if (waiting_.empty() || waiting_.begin()->first.first > now) return nullptr;
  const auto first = waiting_.begin();
  Callback callback = std::move(first->second);
  due_of_.erase(first->first.second);
  waiting_.erase(first);
  return callback;
}

size_t TimerQueue::RunDue() {
  size_t ran = 0;
  while (true) {
    const int64_t now = now_millis_();
    Callback callback;
    {
      MutexLock lock(&mutex_);
      callback = TakeDue(now);
    }
    if (!callback) return ran;
    callback();
    ++ran;
  }
}

void TimerQueue::Run() {
  while (true) {
    RunDue();
    const int64_t now = now_millis_();
    MutexLock lock(&mutex_);
    if (stopping_) return;
    const int64_t due = waiting_.empty() ? kNever : waiting_.begin()->first.first;
    if (due <= now) continue;
    sleeping_until_ = due;
    if (due == kNever) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitFor(&mutex_, absl::Milliseconds(std::min(due - now, kLongestSleepMillis)));
    }
    sleeping_until_ = std::numeric_limits<int64_t>::min();
    if (stopping_) return;
  }
}

std::optional<int64_t> TimerQueue::NextDue() const {
  MutexLock lock(&mutex_);
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first.first;
}

size_t TimerQueue::size() const {
  MutexLock lock(&mutex_);
  return waiting_.size();
}

}  // namespace mansio
