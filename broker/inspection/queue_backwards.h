#ifndef MANSIO_BROKER_INSPECTION_QUEUE_BACKWARDS_H_
#define MANSIO_BROKER_INSPECTION_QUEUE_BACKWARDS_H_

#include "absl/status/statusor.h"
#include "broker/inspection/found_message.h"
#include "store/store.h"

namespace mansio::broker {

// One queue, read from `end` to its beginning. Keeps no message, as there may be many queues.
// Blocks: only inside Store::RunCold.
class QueueBackwards {
 public:
  // `store` is borrowed.
  QueueBackwards(store::Store* store, store::QueueKey queue, store::QueueOffset end)
      : store_(store), queue_(queue), end_(end) {}

  // Goes to the next older message; false when there are no more. Errors: of the store, when not
  // only a few messages cannot be read.
  absl::StatusOr<bool> Next();
  // The message at which it is.
  absl::StatusOr<DecodedMessage> Read() const;
  store::StoreTime time() const { return time_; }

 private:
  store::Store* store_;
  store::QueueKey queue_;
  store::QueueOffset end_;
  store::QueueEntry entry_;
  store::StoreTime time_ = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_QUEUE_BACKWARDS_H_
