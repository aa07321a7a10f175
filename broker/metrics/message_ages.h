#ifndef MANSIO_BROKER_METRICS_MESSAGE_AGES_H_
#define MANSIO_BROKER_METRICS_MESSAGE_AGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "store/store.h"

namespace mansio::broker {

// When the messages at which groups stand were stored. What is not in memory is read from the disk,
// a few messages a scrape, and remembered as long as it is asked for in every scrape: a group that
// stands still costs nothing. Not thread-safe; blocks.
class MessageAges {
 public:
  // How many messages a scrape reads from the disk; of others no age is known this time.
  static constexpr size_t kMaxReads = 100;

  explicit MessageAges(store::Store* store) : store_(store) {}  // borrowed

  // Around the calls of one scrape.
  void Begin();
  void End();
  // Broker time in milliseconds; nullopt when the message has gone or is not read this time.
  std::optional<store::StoreTime> StoredAt(store::QueueKey queue, store::QueueOffset offset);

 private:
  using Place = std::pair<store::QueueKey, store::QueueOffset>;
  std::optional<store::StoreTime> Read(store::QueueKey queue, store::QueueOffset offset);

  store::Store* const store_;
  absl::flat_hash_map<Place, store::StoreTime> known_;  // by the scrape before
  absl::flat_hash_map<Place, store::StoreTime> asked_;  // in this one
  size_t reads_ = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METRICS_MESSAGE_AGES_H_
