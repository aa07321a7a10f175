#include "broker/delay/read_ahead.h"

#include <algorithm>
#include <utility>

#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {
// Timers that come one by one are read together, so often.
constexpr int64_t kReadEveryMs = 100;
// What a content counts besides its bytes.
constexpr uint64_t kHeldOverhead = 64;
}  // namespace

void ReadAhead::Start() {
  {
    MutexLock lock(&mutex_);
    running_ = true;
  }
  Advance();
}

void ReadAhead::Stop() {
  MutexLock lock(&mutex_);
  running_ = false;
  if (armed_for_ != kNotArmed) environment_.timers->Cancel(timer_);
}

void ReadAhead::Wake() {
  MutexLock lock(&mutex_);
  if (!reading_) Arm();
}

uint64_t ReadAhead::bytes() const {
  MutexLock lock(&mutex_);
  return bytes_;
}

void ReadAhead::Arm() {
  if (!running_ || bytes_ >= limits_.bytes) return;
  const std::optional<int64_t> due = environment_.state->NextDue(next_);
  if (!due.has_value()) return;
  const int64_t at = std::max(not_before_ms_, *due - limits_.ahead_ms);
  if (at >= armed_for_) return;
  if (armed_for_ != kNotArmed) environment_.timers->Cancel(timer_);
  armed_for_ = at;
  timer_ = environment_.timers->Schedule(at, [this] {
    {
      MutexLock armed(&mutex_);
      armed_for_ = kNotArmed;
    }
    Advance();
  });
}

void ReadAhead::Advance() {
  std::vector<TimerKey> timers = BeginRead();
  if (timers.empty()) return;
  std::vector<MoveSource> sources;
  sources.reserve(timers.size());
  for (const TimerKey& timer : timers) {
    sources.push_back({environment_.state->QueueOf(timer.level()), timer.offset(), {}});
  }
  environment_.mover->GatherSome(
      std::move(sources), limits_.batch_bytes,
      [this, timers = std::move(timers)](const Messages& messages) { EndRead(timers, messages); });
}

std::vector<TimerKey> ReadAhead::BeginRead() {
  MutexLock lock(&mutex_);
  if (!running_ || reading_ || bytes_ >= limits_.bytes) return {};
  const int64_t now = environment_.time->NowMillis();
  const int64_t until = now + limits_.ahead_ms;
  std::vector<TimerKey> timers = environment_.state->Upcoming(next_, until, limits_.batch);
  if (timers.empty()) {
    next_ = std::max(next_, TimerKey{until + 1, 0});
    not_before_ms_ = now + kReadEveryMs;
    Arm();
    return timers;
  }
  reading_ = true;
  first_read_ = timers.front();
  last_read_ = timers.back();
  next_ = last_read_.Next();
  return timers;
}

void ReadAhead::EndRead(const std::vector<TimerKey>& timers, const Messages& messages) {
  std::vector<Held> read;
  for (size_t i = 0; i < messages.size(); ++i) {
    // Who fires it finds out what is wrong.
    if (messages[i].ok()) read.push_back({timers[i], std::string(messages[i]->view.content)});
  }
  std::function<void()> waiting;
  {
    MutexLock lock(&mutex_);
    reading_ = false;
    waiting = std::exchange(waiting_, nullptr);
    for (Held& held : read) {
      bytes_ += held.content.size() + kHeldOverhead;
      held_.push_back(std::move(held));
    }
    if (messages.size() < timers.size()) next_ = timers[messages.size()];
  }
  if (waiting) waiting();
  Advance();
}

void ReadAhead::DropFirst() {
  bytes_ -= held_.front().content.size() + kHeldOverhead;
  held_.pop_front();
}

std::vector<ReadAhead::Content> ReadAhead::Take(const std::vector<TimerKey>& timers,
                                                uint64_t max_bytes) {
  std::vector<Content> contents;
  uint64_t bytes = 0;
  {
    MutexLock lock(&mutex_);
    for (const TimerKey& timer : timers) {
      while (!held_.empty() && held_.front().timer < timer) DropFirst();
      const bool held = !held_.empty() && held_.front().timer == timer;
      if (held) bytes += held_.front().content.size();
      if (bytes > max_bytes && !contents.empty()) break;
      Content& content = contents.emplace_back();
      if (!held) continue;
      content = std::move(held_.front().content);
      bytes_ -= content->size() + kHeldOverhead;
      held_.pop_front();
    }
    // Fired without having been read: there is no need any more.
    next_ = std::max(next_, timers[contents.size() - 1].Next());
    if (!reading_) Arm();
  }
  return contents;
}

bool ReadAhead::WaitFor(const std::vector<TimerKey>& timers, std::function<void()> then) {
  MutexLock lock(&mutex_);
  if (!reading_ || last_read_ < timers.front() || timers.back() < first_read_) return false;
  waiting_ = std::move(then);
  return true;
}

}  // namespace mansio::broker
