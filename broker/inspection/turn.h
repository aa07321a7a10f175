#ifndef MANSIO_BROKER_INSPECTION_TURN_H_
#define MANSIO_BROKER_INSPECTION_TURN_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mansio::broker {

// How long a search may have a cold thread before others have it: the threads are few, and sends
// and receives need them, too. Of one thread.
class Turn {
 public:
  static constexpr int kReads = 64;
  static constexpr absl::Duration kTime = absl::Milliseconds(50);
  // Files of the key index that are looked into at once, two reads each.
  static constexpr int kIndexFiles = 16;

  // So many reads, which the disk may have to do, were done.
  void Count(int reads = 1) { reads_ += reads; }
  bool IsOver() const { return reads_ >= kReads || absl::Now() >= end_; }

 private:
  int reads_ = 0;
  const absl::Time end_ = absl::Now() + kTime;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_TURN_H_
