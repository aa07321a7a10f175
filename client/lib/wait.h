#ifndef MANSIO_CLIENT_LIB_WAIT_H_
#define MANSIO_CLIENT_LIB_WAIT_H_

#include <memory>
#include <optional>
#include <utility>

#include "common/sync/sync.h"

namespace mansio::client {

// A value that one thread sets, once, and another waits for: what turns an asynchronous call into a
// synchronous one. Copies share the value, so that a waiter may give up first. Thread-safe.
template <typename T>
class Result {
 public:
  // Sets the value and wakes the waiter. A second value is ignored.
  void Set(T value) const {
    MutexLock lock(&state_->mutex);
    if (state_->value.has_value()) return;
    state_->value = std::move(value);
    state_->is_set.SignalAll();
  }

  // Waits for the value and takes it.
  T Take() const {
    MutexLock lock(&state_->mutex);
    while (!state_->value.has_value()) state_->is_set.Wait(&state_->mutex);
    return std::move(*state_->value);
  }

  // The same, but at most until the wall clock shows `deadline`; then nothing.
  std::optional<T> TakeBefore(absl::Time deadline) const {
    MutexLock lock(&state_->mutex);
    while (!state_->value.has_value()) {
      if (state_->is_set.WaitUntil(&state_->mutex, deadline)) break;
    }
    if (!state_->value.has_value()) return std::nullopt;
    return std::move(*state_->value);
  }

 private:
  struct State {
    Mutex mutex;
    CondVar is_set;
    std::optional<T> value ABSL_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_WAIT_H_
