#ifndef MANSIO_BROKER_METADATA_TOPIC_COUNTERS_H_
#define MANSIO_BROKER_METADATA_TOPIC_COUNTERS_H_

#include <array>
#include <cstdint>

#include "common/metrics/histogram.h"

namespace mansio::broker {

// Those of RocketMQ's message sizes, in bytes.
inline constexpr std::array<int64_t, 6> kMessageSizeBounds = {1 << 10, 4 << 10, 512 << 10,
                                                              1 << 20, 2 << 20, 4 << 20};

// What is counted of one topic from the start of the process on, also across changes of the topic.
// Thread-safe.
struct TopicCounters {
  // Messages that clients sent to it and the store accepted, by their stored size; a transactional
  // or delayed one counts when it is sent.
  metrics::Histogram<kMessageSizeBounds> sent_bytes;
  // Its transactions that ended.
  metrics::Counter committed;
  metrics::Counter rolled_back;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_TOPIC_COUNTERS_H_
