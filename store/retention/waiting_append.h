#ifndef MANSIO_STORE_RETENTION_WAITING_APPEND_H_
#define MANSIO_STORE_RETENTION_WAITING_APPEND_H_

#include <memory>

#include "absl/status/status.h"
#include "store/append.h"

namespace mansio::store {

class CommitLog;

// An append that a thread of the store waits for.
class WaitingAppend : public Append {
 public:
  struct Outcome;
  WaitingAppend();
  ~WaitingAppend() override;
  void Applied(const AppendResult& result) override;
  void Failed(const absl::Status& status) override;

 private:
  friend absl::Status SubmitAndWait(CommitLog* log, std::unique_ptr<WaitingAppend> append);
  std::shared_ptr<Outcome> outcome_;
};

// Hands `append` to the log and returns when it is applied, or why it failed. Not on the log
// thread.
absl::Status SubmitAndWait(CommitLog* log, std::unique_ptr<WaitingAppend> append);

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_WAITING_APPEND_H_
