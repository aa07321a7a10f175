// A library for LD_PRELOAD: the clock that leases are measured with stands still as soon as the
// file named by FAULT_FILE exists. A master under it ignores that its lease has ended.
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace {

using ClockGetTime = int (*)(clockid_t, timespec*);

constexpr int64_t kNanoseconds = 1'000'000'000;
std::atomic<int64_t> last{0};  // in nanoseconds

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) {
  static const auto next = reinterpret_cast<ClockGetTime>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = next(clock, time);
  if (clock != CLOCK_BOOTTIME || result != 0) return result;
  static const char* const file = std::getenv("FAULT_FILE");
  if (file != nullptr && last != 0 && access(file, F_OK) == 0) {
    const int64_t stopped = last;
    *time = {.tv_sec = stopped / kNanoseconds, .tv_nsec = stopped % kNanoseconds};
  } else {
    last = time->tv_sec * kNanoseconds + time->tv_nsec;
  }
  return result;
}
