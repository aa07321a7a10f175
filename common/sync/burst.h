#ifndef MANSIO_COMMON_SYNC_BURST_H_
#define MANSIO_COMMON_SYNC_BURST_H_

#include <cstddef>
#include <vector>

namespace mansio {

// Something that is better done once after many events than once for each, such as waking a thread.
class BurstWork {
 public:
  // On the thread of the burst. May not add work.
  virtual void EndBurst() = 0;

 protected:
  ~BurstWork() = default;
};

// A thread that handles events which arrive many at a time has one of these, and ends it whenever
// no event is at hand. Used on that thread only.
class Burst {
 public:
  // From now until destruction this is the thread's burst; a thread has at most one.
  Burst();
  ~Burst();
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

  // Leaves `work`, which must outlive that, to the end of the calling thread's burst; once however
  // often it is called. False, and nothing done, on a thread without one.
  static bool Defer(BurstWork* work);

  // Whether anything was deferred.
  bool pending() const { return !deferred_.empty(); }
  // Does what was deferred.
  void End();

 private:
  std::vector<BurstWork*> deferred_;
};

}  // namespace mansio

#endif  // MANSIO_COMMON_SYNC_BURST_H_
