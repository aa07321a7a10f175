#ifndef MANSIO_BROKER_CONSUMPTION_WAIT_LIST_H_
#define MANSIO_BROKER_CONSUMPTION_WAIT_LIST_H_

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// A receive that found nothing and waits for its polling time.
class ParkedReceive {
 public:
  virtual ~ParkedReceive() = default;
  // Messages may be there: try again. Called without a lock, once per time it was parked.
  virtual void Wake() = 0;
  // How many messages it would take.
  virtual size_t wanted() const = 0;

 private:
  friend class WaitList;
  // Guarded by the list's lock; set while parked.
  bool parked_ = false;
  uint32_t group_ = 0;
  uint32_t topic_ = 0;
  std::list<std::shared_ptr<ParkedReceive>>::iterator place_;
};

// Receives that wait, by topic and group, first come first served. Whoever removes a receive from
// here (a wake-up, its time-out, its cancellation) is the one that goes on with it. Thread-safe.
class WaitList {
 public:
  explicit WaitList(size_t limit) : limit_(limit) {}

  // False when the limit is reached.
  bool Park(uint32_t group, uint32_t topic, std::shared_ptr<ParkedReceive> receive);
  // True when it was parked, and is not any more.
  bool Remove(ParkedReceive* receive);

  // `count` messages came to a topic: of each group that waits for it, wakes as many receives as it
  // takes to fetch them, never all (design section 6).
  void WakeTopic(uint32_t topic, size_t count);
  // The same for one group.
  void WakeGroup(uint32_t group, uint32_t topic, size_t count);
  // Wakes everything: the topic or groups have gone, or the broker stops. Each looks at all lists.
  void WakeAll();
  void WakeAllOfTopic(uint32_t topic);
  void WakeAllOfGroups(const absl::flat_hash_set<uint32_t>& groups);

  size_t size() const;
  // How many receives of a group wait for a topic.
  size_t CountOf(uint32_t group, uint32_t topic) const;

 private:
  using Queue = std::list<std::shared_ptr<ParkedReceive>>;
  using Woken = std::vector<std::shared_ptr<ParkedReceive>>;
  void TakeFrom(Queue& queue, size_t count, Woken& woken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Wanted>
  Woken TakeAll(Wanted wanted);

  const size_t limit_;
  mutable Mutex mutex_;
  absl::flat_hash_map<uint32_t, absl::flat_hash_map<uint32_t, Queue>> by_topic_
      ABSL_GUARDED_BY(mutex_);
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_WAIT_LIST_H_
