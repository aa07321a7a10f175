#ifndef MANSIO_BROKER_SEND_SEND_APPEND_H_
#define MANSIO_BROKER_SEND_SEND_APPEND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "broker/send/send_response.h"
#include "common/rpc/call.h"
#include "store/append.h"
#include "store/store.h"

// Sends on their way into the log; they answer their call when the log has decided.
namespace mansio::broker {

// What a producer is told when the store refused or failed an append: TOO_MANY_REQUESTS where
// waiting helps, PAYLOAD_TOO_LARGE where it never will, INTERNAL_SERVER_ERROR otherwise, with the
// store's sentence.
absl::Status ToSendStatus(const absl::Status& store_status);

// PAYLOAD_TOO_LARGE when an append of one message fits the log, but might not with what is added to
// it when it moves: at its due time, at the end of its transaction, to be retried, or as a dead
// letter.
absl::Status CheckRoomForEnd(const store::Store& store, size_t append_bytes);

// The recall handle of a message that waits at this offset for its delivery time; empty for one
// that does not wait. Called on the log thread.
using RecallHandleOf = std::function<std::string(store::QueueOffset)>;

// A request of one message, as all SDKs send them.
class SingleSend final : public store::Append {
 public:
  SingleSend(rpc::UnaryCall* call, std::string message_id, RecallHandleOf recall_handle = nullptr)
      : call_(call), message_id_(std::move(message_id)), recall_handle_(std::move(recall_handle)) {}

  void Applied(const store::AppendResult& result) override;
  void Failed(const absl::Status& status) override;

 private:
  rpc::UnaryCall* const call_;
  const std::string message_id_;
  const RecallHandleOf recall_handle_;
};

// The call of a request of several messages, which may take several appends: answered when all of
// them are decided. Each outcome is written by one append only.
class BatchCall {
 public:
  // `recall_handles`: one for each outcome. `parts`: how many times PartDone will be called.
  BatchCall(rpc::UnaryCall* call, std::vector<SendOutcome> outcomes,
            std::vector<RecallHandleOf> recall_handles, size_t parts)
      : call_(call),
        outcomes_(std::move(outcomes)),
        recall_handles_(std::move(recall_handles)),
        parts_left_(parts) {}

  SendOutcome& outcome(size_t index) { return outcomes_[index]; }
  // The message was stored at `offset`.
  void Stored(size_t index, store::QueueOffset offset);
  // The outcomes of one part are complete. Any thread.
  void PartDone();

 private:
  rpc::UnaryCall* const call_;
  std::vector<SendOutcome> outcomes_;
  const std::vector<RecallHandleOf> recall_handles_;
  std::atomic<size_t> parts_left_;
};

// Messages [first, first + count) of a batch.
class BatchPart final : public store::Append {
 public:
  BatchPart(std::shared_ptr<BatchCall> batch, size_t first, size_t count)
      : batch_(std::move(batch)), first_(first), count_(count) {}

  void Applied(const store::AppendResult& result) override;
  void Failed(const absl::Status& status) override;

 private:
  const std::shared_ptr<BatchCall> batch_;
  const size_t first_;
  const size_t count_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_SEND_APPEND_H_
