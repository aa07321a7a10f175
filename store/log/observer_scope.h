#ifndef MANSIO_STORE_LOG_OBSERVER_SCOPE_H_
#define MANSIO_STORE_LOG_OBSERVER_SCOPE_H_

#include "store/log/commit_log.h"

namespace mansio::store {

// BatchBegin and BatchEnd around callbacks: the broker sends the answers of a scope at its end. Log
// thread only.
class ObserverScope {
 public:
  explicit ObserverScope(LogObserver* observer) : observer_(observer) { observer_->BatchBegin(); }
  ~ObserverScope() { observer_->BatchEnd(); }
  ObserverScope(const ObserverScope&) = delete;
  ObserverScope& operator=(const ObserverScope&) = delete;

 private:
  LogObserver* const observer_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_OBSERVER_SCOPE_H_
