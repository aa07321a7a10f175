#ifndef MANSIO_BROKER_CONSUMPTION_COLD_SCAN_H_
#define MANSIO_BROKER_CONSUMPTION_COLD_SCAN_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "broker/consumption/group_progress.h"
#include "broker/filter/message_filter.h"
#include "store/store.h"

namespace mansio::broker {

// Reads the entries of a queue from `from` on, and, for a filter that reads messages, each message
// to judge it, until `max_wanted` are found. One scan is bounded in entries and in bytes that it
// reads, so that a filter that wants next to nothing shares the cold pool with others. Blocks: only
// inside Store::RunCold. OutOfRange when `from` is below the queue's minimum.
//
// A message that is damaged counts as wanted, so that its delivery reports it; one that retention
// has taken meanwhile does not.
absl::StatusOr<ColdEntries> ScanCold(store::Store& store, store::QueueKey queue,
                                     store::QueueOffset from, const MessageFilter& filter,
                                     size_t max_wanted);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_COLD_SCAN_H_
