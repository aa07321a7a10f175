#include "store/retention/waiting_append.h"

#include <optional>
#include <utility>

#include "common/sync/sync.h"
#include "store/log/commit_log.h"

namespace mansio::store {

struct WaitingAppend::Outcome {
  void Set(absl::Status status) {
    const MutexLock lock(&mutex);
    result = std::move(status);
    finished.Signal();
  }
  Mutex mutex;
  CondVar finished;
  std::optional<absl::Status> result ABSL_GUARDED_BY(mutex);
};

WaitingAppend::WaitingAppend() : outcome_(std::make_shared<Outcome>()) {}
WaitingAppend::~WaitingAppend() = default;

void WaitingAppend::Applied(const AppendResult&) { outcome_->Set(absl::OkStatus()); }
void WaitingAppend::Failed(const absl::Status& status) { outcome_->Set(status); }

absl::Status SubmitAndWait(CommitLog* log, std::unique_ptr<WaitingAppend> append) {
  const std::shared_ptr<WaitingAppend::Outcome> outcome = append->outcome_;
  if (absl::Status taken = log->Submit(std::move(append)); !taken.ok()) return taken;
  const MutexLock lock(&outcome->mutex);
  while (!outcome->result.has_value()) outcome->finished.Wait(&outcome->mutex);
  return *outcome->result;
}

}  // namespace mansio::store
