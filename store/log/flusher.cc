#include "store/log/flusher.h"

#include <utility>

namespace mansio::store {

Flusher::Flusher(LogState* state, absl::Duration interval, StoreStats* stats)
    : state_(state), interval_(interval), stats_(stats) {}

Flusher::~Flusher() { Stop(); }

void Flusher::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Flusher::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    stop_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Flusher::Run() {
  for (;;) {
    {
      MutexLock lock(&mutex_);
      if (!stopping_) stop_.WaitFor(&mutex_, interval_);
      if (stopping_) return;
    }
    if (!FlushNow().ok()) return;  // the log has stopped
  }
}

void Flusher::AddFile(LogOffset first, std::shared_ptr<File> file) {
  MutexLock lock(&mutex_);
  files_.push_back({first, std::move(file)});
}

std::vector<Flusher::Dirty> Flusher::Files() {
  MutexLock lock(&mutex_);
  return files_;
}

void Flusher::ForgetBelow(LogOffset synced) {
  MutexLock lock(&mutex_);
  while (files_.size() > 1 && files_[1].first <= synced) files_.erase(files_.begin());
}

void Flusher::Restart(absl::FunctionRef<void()> change) {
  MutexLock flushing(&flushing_);
  change();
  MutexLock lock(&mutex_);
  files_.clear();
}

absl::Status Flusher::FlushNow() {
  MutexLock lock(&flushing_);
  if (state_->failed()) return state_->failure();
  const LogOffset target = state_->appended.load();
  if (target <= state_->synced()) return absl::OkStatus();
  for (const Dirty& dirty : Files()) {
    const int64_t began = metrics::NowNanos();
    absl::Status status = dirty.file->Datasync();
    if (stats_ != nullptr) stats_->sync_nanos.Record(metrics::NowNanos() - began);
    if (!status.ok()) {
      state_->Fail(status);
      return state_->failure();
    }
  }
  state_->SetSynced(target);
  ForgetBelow(target);
  return absl::OkStatus();
}

}  // namespace mansio::store
