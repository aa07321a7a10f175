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

TimerQueue::TimerQueue(std::function<int64_t()> now_millis, std::function<int64_t()> passed_millis)
    : now_millis_(std::move(now_millis)), passed_millis_(std::move(passed_millis)) {}

TimerQueue::Id TimerQueue::Schedule(int64_t due_millis, Callback callback) {
  return Add(kInstants, due_millis, std::move(callback));
}

TimerQueue::Id TimerQueue::ScheduleAfter(int64_t delay_millis, Callback callback) {
  if (!passed_millis_) return Schedule(now_millis_() + delay_millis, std::move(callback));
  return Add(kPauses, passed_millis_() + delay_millis, std::move(callback));
}

TimerQueue::Id TimerQueue::Add(size_t line, int64_t due, Callback callback) {
  MutexLock lock(&mutex_);
  const Id id = ++last_id_;
  lines_[line].waiting.emplace(Key{due, id}, std::move(callback));
  place_of_.emplace(id, Place{line, due});
  if (due < lines_[line].sleeping_until) changed_.Signal();
  return id;
}

bool TimerQueue::Cancel(Id id) {
  Callback dropped;  // Destroyed after the lock is released: it may own anything.
  MutexLock lock(&mutex_);
  const auto found = place_of_.find(id);
  if (found == place_of_.end()) return false;
  auto& waiting = lines_[found->second.line].waiting;
  const auto entry = waiting.find(Key{found->second.due, id});
  dropped = std::move(entry->second);
  waiting.erase(entry);
  place_of_.erase(found);
  return true;
}

TimerQueue::Callback TimerQueue::TakeDue(size_t line, int64_t now) {
  MutexLock lock(&mutex_);
  auto& waiting = lines_[line].waiting;
  if (waiting.empty() || waiting.begin()->first.first > now) return nullptr;
  const auto first = waiting.begin();
  Callback callback = std::move(first->second);
  place_of_.erase(first->first.second);
  waiting.erase(first);
  return callback;
}

size_t TimerQueue::RunDue() {
  size_t ran = 0;
  while (true) {
    const size_t before = ran;
    if (Callback callback = TakeDue(kInstants, now_millis_())) {
      callback();
      ++ran;
    }
    if (Callback callback = passed_millis_ ? TakeDue(kPauses, passed_millis_()) : nullptr) {
      callback();
      ++ran;
    }
    if (ran == before) return ran;
  }
}

void TimerQueue::Run() {
  do {
    RunDue();
  } while (Sleep());
}

bool TimerQueue::Sleep() {
  const int64_t now[] = {now_millis_(), passed_millis_ ? passed_millis_() : 0};
  MutexLock lock(&mutex_);
  if (stopping_) return false;
  int64_t left = kNever;
  for (const size_t line : {kInstants, kPauses}) {
    const auto& waiting = lines_[line].waiting;
    lines_[line].sleeping_until = waiting.empty() ? kNever : waiting.begin()->first.first;
    if (!waiting.empty()) left = std::min(left, lines_[line].sleeping_until - now[line]);
  }
  if (left == kNever) {
    changed_.Wait(&mutex_);
  } else if (left > 0) {
    changed_.WaitFor(&mutex_, absl::Milliseconds(std::min(left, kLongestSleepMillis)));
  }
  for (Line& line : lines_) line.sleeping_until = std::numeric_limits<int64_t>::min();
  return !stopping_;
}

std::optional<int64_t> TimerQueue::NextDue() const {
  MutexLock lock(&mutex_);
  const auto& waiting = lines_[kInstants].waiting;
  if (waiting.empty()) return std::nullopt;
  return waiting.begin()->first.first;
}

size_t TimerQueue::size() const {
  MutexLock lock(&mutex_);
  return lines_[kInstants].waiting.size() + lines_[kPauses].waiting.size();
}

}  // namespace mansio
