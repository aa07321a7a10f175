#ifndef MANSIO_NAMESERVER_LOST_BROKERS_H_
#define MANSIO_NAMESERVER_LOST_BROKERS_H_

#include <cstddef>
#include <list>
#include <vector>

#include "absl/time/time.h"
#include "mansio/v1/admin.pb.h"
#include "mansio/v1/registration.pb.h"

namespace mansio {
class Clock;
}

namespace mansio::nameserver {

// Brokers that were registered and have left, for whoever asks what is missing; no route contains
// them. In memory, as all that a nameserver knows: a broker that was taken out of service for good
// is forgotten after a day, or when the nameserver starts again. Not thread-safe.
class LostBrokers {
 public:
  // `clock` is borrowed.
  explicit LostBrokers(const Clock* clock) : clock_(clock) {}

  // Whether both are of the same broker: a member of a group has another id when it becomes the
  // master, and keeps its number.
  static bool IsSame(const v1::BrokerIdentity& a, const v1::BrokerIdentity& b);

  void Add(const v1::BrokerIdentity& broker);
  // It is back.
  void Remove(const v1::BrokerIdentity& broker);
  // Those of the last day, at most kMost, as `cluster list` shows them; the longest gone first.
  std::vector<v1::BrokerOverview> List() const;

  static constexpr size_t kMost = 1000;
  static constexpr absl::Duration kRemembered = absl::Hours(24);

 private:
  struct Lost {
    v1::BrokerIdentity broker;
    absl::Time left;         // by the wall clock
    absl::Duration left_at;  // since boot
  };

  const Clock* const clock_;
  std::list<Lost> lost_;  // in the order in which they left
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_LOST_BROKERS_H_
