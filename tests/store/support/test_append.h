#ifndef MANSIO_TESTS_STORE_SUPPORT_TEST_APPEND_H_
#define MANSIO_TESTS_STORE_SUPPORT_TEST_APPEND_H_

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "common/sync/sync.h"
#include "store/append.h"
#include "store/store.h"

namespace mansio::store {

// An append whose outcome a test is told.
class TestAppend : public Append {
 public:
  std::function<void(const AppendResult&)> on_appended;
  std::function<void(const AppendResult&)> on_applied;
  std::function<void(const absl::Status&)> on_failed;

  void Appended(const AppendResult& result) override {
    if (on_appended) on_appended(result);
  }
  void Applied(const AppendResult& result) override {
    if (on_applied) on_applied(result);
  }
  void Failed(const absl::Status& status) override {
    if (on_failed) on_failed(status);
  }
};

// Submits `append` and waits until it is applied or has failed.
inline absl::StatusOr<AppendResult> SendAndWait(Store* store, std::unique_ptr<TestAppend> append) {
  struct Outcome {
    Mutex mutex;
    CondVar changed;
    std::optional<absl::StatusOr<AppendResult>> result ABSL_GUARDED_BY(mutex);
    void Set(absl::StatusOr<AppendResult> value) {
      const MutexLock lock(&mutex);
      result = std::move(value);
      changed.Signal();
    }
  };
  const auto outcome = std::make_shared<Outcome>();
  append->on_applied = [outcome](const AppendResult& result) { outcome->Set(result); };
  append->on_failed = [outcome](const absl::Status& status) { outcome->Set(status); };
  if (absl::Status taken = store->Submit(std::move(append)); !taken.ok()) return taken;
  const MutexLock lock(&outcome->mutex);
  while (!outcome->result.has_value()) outcome->changed.Wait(&outcome->mutex);
  return *outcome->result;
}

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_SUPPORT_TEST_APPEND_H_
