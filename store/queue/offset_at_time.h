#ifndef MANSIO_STORE_QUEUE_OFFSET_AT_TIME_H_
#define MANSIO_STORE_QUEUE_OFFSET_AT_TIME_H_

#include "absl/status/statusor.h"
#include "store/store.h"

namespace mansio::store {

// The offset of the first message of `queue` that was stored at or after `time`, the queue's end
// when there is none, by a binary search that reads some twenty messages. Messages that came within
// milliseconds of each other may stand in another order than their times. Blocks: only inside
// Store::RunCold. DataLoss when a message on the way cannot be read.
absl::StatusOr<QueueOffset> OffsetAtTime(Store& store, QueueKey queue, StoreTime time);

}  // namespace mansio::store

#endif  // MANSIO_STORE_QUEUE_OFFSET_AT_TIME_H_
