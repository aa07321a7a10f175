#include "store/checkpoint/checkpointer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/clock/clock.h"
#include "common/logging/logging.h"

namespace mansio::store {
namespace {
// A failed checkpoint is tried again after this, so that a full disk does not keep a core busy.
constexpr absl::Duration kRetryAfter = absl::Seconds(5);
}  // namespace

Checkpointer::Checkpointer(CommitLog* log, KeyValueStore* store, CheckpointSource* source,
                           LogOffset start, Options options)
    : log_(log),
      store_(store),
      source_(source),
      options_(std::move(options)),
      last_(start),
      period_(options_.period),
      seen_(start) {}

Checkpointer::~Checkpointer() { Stop(); }

void Checkpointer::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Checkpointer::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status Checkpointer::Run() {
  const MutexLock run(&run_mutex_);
  const int64_t began = metrics::NowNanos();
  CheckpointMeta meta;
  KeyValueBatch captured;
  if (!CallOnLogThread(log_, [&] { meta = source_->Capture(captured); })) {
    return absl::UnavailableError("no checkpoint can be taken: the log has stopped");
  }
  captured_.Append(captured);
  absl::Status written = Write(meta);
  Count(began, written);
  if (!written.ok()) {
    source_->Failed();
    return written;
  }
  captured_.Clear();
  source_->Written(meta);
  last_.store(meta.offset, std::memory_order_relaxed);
  log_->SetCheckpointed(meta.offset);
  return absl::OkStatus();
}

void Checkpointer::Count(int64_t began, const absl::Status& taken) const {
  if (options_.stats == nullptr) return;
  if (!taken.ok()) return options_.stats->checkpoint_failures.Add();
  const int64_t now = metrics::NowNanos();
  options_.stats->checkpoint_nanos.Record(now - began);
  options_.stats->last_checkpoint.store(now, std::memory_order_relaxed);
}

absl::Status Checkpointer::Write(const CheckpointMeta& captured) {
  // The order that everything rests on: the log first.
  if (absl::Status synced = log_->SyncAll(); !synced.ok()) return synced;
  CheckpointMeta meta = captured;
  // What is not committed may yet be cut (design section 9): no claim on it.
  const Cursors cursors = log_->cursors();
  meta.synced = std::max(meta.offset, std::min(cursors.synced, cursors.committed));
  KeyValueBatch batch;
  batch.Append(captured_);
  if (absl::Status completed = source_->Complete(batch); !completed.ok()) return completed;
  batch.Put(kMetaKey, EncodeMeta(meta));
  return store_->Write(batch);
}

absl::Status Checkpointer::RunIfDue() {
  if (!due_) return absl::OkStatus();
  absl::Status taken = Run();
  if (taken.ok()) due_ = false;
  return taken;
}

void Checkpointer::WakePeriodic() {
  if (periodic_due_.exchange(true)) return;
  const MutexLock lock(&mutex_);
  wake_.Signal();
}

void Checkpointer::SetPeriod(absl::Duration period) {
  const MutexLock lock(&mutex_);
  period_ = period;
  wake_.Signal();
}

void Checkpointer::Applied(LogOffset applied, bool urgent) {
  const bool due = urgent || applied - last_.load(std::memory_order_relaxed) >= options_.bytes;
  if (!due || due_.exchange(true)) return;
  const MutexLock lock(&mutex_);
  wake_.Signal();
}

void Checkpointer::Loop() {
  const RealClock clock;
  absl::Duration began = clock.BootNow();  // the period
  absl::Duration retry = absl::ZeroDuration();
  for (;;) {
    absl::Duration now = clock.BootNow();
    absl::Duration next_period;
    {
      const MutexLock lock(&mutex_);
      next_period = began + period_;
      const absl::Duration until = due_ ? std::min(std::max(retry, now), next_period) : next_period;
      if (!stopping_ && !periodic_due_ && until > now) wake_.WaitFor(&mutex_, until - now);
      if (stopping_) return;
    }
    now = clock.BootNow();
    if (due_ && now >= retry) {
      if (const absl::Status taken = RunIfDue(); !taken.ok()) {
        LOG_ERROR("No checkpoint: {}", std::string(taken.message()));
        retry = now + kRetryAfter;
      }
    }
    if (now >= next_period) {
      SaveIfIdle();
      began = now;
      periodic_due_ = true;
    }
    if (periodic_due_.exchange(false) && options_.periodic) options_.periodic();
  }
}

void Checkpointer::SaveIfIdle() {
  const LogOffset applied = log_->cursors().applied;
  // Nothing came for a whole period: save what there is, so that the next start replays nothing.
  if (applied == seen_ && applied != last_.load(std::memory_order_relaxed)) due_ = true;
  seen_ = applied;
}

}  // namespace mansio::store
