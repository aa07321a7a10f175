#ifndef MANSIO_CLIENT_BENCH_PROCESS_USAGE_H_
#define MANSIO_CLIENT_BENCH_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace mansio::bench {

// What a process has used, all threads that ever lived; from its CPU clock and /proc.
struct ProcessUsage {
  int64_t run_nanos = 0;   // on a CPU, to the nanosecond
  int64_t user_nanos = 0;  // user and system share, in clock ticks (10 ms)
  int64_t system_nanos = 0;
  int64_t rss_bytes = 0;       // resident
  int64_t rss_anon_bytes = 0;  // of it, memory of the process itself
  int64_t rss_file_bytes = 0;  // of it, pages of files, which the kernel can take back
};

// Usage of process `pid` so far. kNotFound, naming it, when there is no such process. Thread-safe.
absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid);

// What was used between two moments; the memory is that of the later one. Pure.
ProcessUsage Difference(const ProcessUsage& from, const ProcessUsage& to);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_PROCESS_USAGE_H_
