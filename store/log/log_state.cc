#include "store/log/log_state.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "common/logging/logging.h"

namespace mansio::store {

void LogState::SetSynced(LogOffset offset) {
  synced_.store(offset);
  if (waiters_.load() == 0) return;  // a waiter counts itself before it looks at the cursor
  MutexLock lock(&mutex_);
  changed_.SignalAll();
}

absl::Status LogState::WaitSynced(LogOffset offset) {
  waiters_.fetch_add(1);
  MutexLock lock(&mutex_);
  while (synced_.load() < offset && failure_.ok()) changed_.Wait(&mutex_);
  waiters_.fetch_sub(1);
  return synced_.load() >= offset ? absl::OkStatus() : failure_;
}

absl::Duration LogState::AtWorkFor() const {
  const int64_t since = working_since_.load(std::memory_order_relaxed);
  return since == 0 ? absl::ZeroDuration() : absl::Nanoseconds(metrics::NowNanos() - since);
}

EpochHistory LogState::epochs() const {
  MutexLock lock(&mutex_);
  return epochs_;
}

void LogState::SetEpochs(EpochHistory epochs) {
  MutexLock lock(&mutex_);
  epochs_ = std::move(epochs);
}

void LogState::NoteEpoch(const EpochStart& start) {
  MutexLock lock(&mutex_);
  epochs_.Note(start);
}

bool LogState::Stop(absl::Status why) {
  {
    const MutexLock lock(&mutex_);
    if (!failure_.ok()) return false;
    failure_ = std::move(why);
    failed_.store(true, std::memory_order_release);
    changed_.SignalAll();
  }
  when_failed_();
  return true;
}

void LogState::Fail(const absl::Status& cause) {
  const std::string why = fmt::format(
      "the commit log has stopped: {}; nothing more is accepted. Repair the disk and start the "
      "broker again",
      std::string(cause.message()));
  if (Stop(absl::UnavailableError(why))) LOG_ERROR("{}.", why);
}

void LogState::StopToReopen(absl::Status why) { Stop(std::move(why)); }

absl::Status LogState::failure() const {
  MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace mansio::store
