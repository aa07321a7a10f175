#ifndef MANSIO_BROKER_CONSUMPTION_DELIVERY_COUNTERS_H_
#define MANSIO_BROKER_CONSUMPTION_DELIVERY_COUNTERS_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "common/metrics/histogram.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// What one group got of one topic since the start of the process. Thread-safe.
struct GroupTopicCounters {
  struct Deliveries {
    metrics::Counter messages;
    metrics::Counter bytes;
  };
  Deliveries first;    // those of the topic itself
  Deliveries retried;  // those that came back
  metrics::Counter dead_letters;
};

// The counters of all groups. Looked up once for each receive that finds something, not for each
// message. Thread-safe.
class DeliveryCounters {
 public:
  struct Key {
    uint32_t group = 0;  // of a broadcast group the group's own, not a member's
    uint32_t topic = 0;  // where the messages were sent to
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // Made at the first call.
  std::shared_ptr<GroupTopicCounters> Of(Key key) {
    MutexLock lock(&mutex_);
    std::shared_ptr<GroupTopicCounters>& slot = counters_[key];
    if (slot == nullptr) slot = std::make_shared<GroupTopicCounters>();
    return slot;
  }

  // Calls `visit` with each, in the order of the keys; one for which it returns false is forgotten.
  void Visit(absl::FunctionRef<bool(Key, const GroupTopicCounters&)> visit) {
    absl::btree_map<Key, std::shared_ptr<GroupTopicCounters>> all;
    {
      MutexLock lock(&mutex_);
      all = counters_;
    }
    for (const auto& [key, counters] : all) {
      if (visit(key, *counters)) continue;
      MutexLock lock(&mutex_);
      counters_.erase(key);
    }
  }

 private:
  Mutex mutex_;
  absl::btree_map<Key, std::shared_ptr<GroupTopicCounters>> counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_DELIVERY_COUNTERS_H_
