#include "client/bench/process_usage.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace mansio::bench {
namespace {

absl::Status NoSuchProcess(pid_t pid) {
  return absl::NotFoundError(fmt::format("there is no process {}", pid));
}

// Of the process's CPU clock, which counts threads that have ended, too.
absl::StatusOr<int64_t> RunNanos(pid_t pid) {
  clockid_t clock = 0;
  timespec used = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    return NoSuchProcess(pid);
  }
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

// Fields 14 and 15 of /proc/PID/stat; field 2, the name, is in parentheses and may hold anything.
bool ReadTicks(const std::string& process, ProcessUsage* usage) {
  std::ifstream in(process + "/stat");
  std::string line;
  if (!std::getline(in, line)) return false;
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  if (!(fields >> user >> system)) return false;
  const int64_t tick = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  usage->user_nanos = user * tick;
  usage->system_nanos = system * tick;
  return true;
}

void ReadMemory(const std::string& process, ProcessUsage* usage) {
  std::ifstream in(process + "/status");
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::string key;
    int64_t kib = 0;
    fields >> key >> kib;
    if (key == "VmRSS:") usage->rss_bytes = kib * 1024;
    if (key == "RssAnon:") usage->rss_anon_bytes = kib * 1024;
    if (key == "RssFile:") usage->rss_file_bytes = kib * 1024;
  }
}

}  // namespace

absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid) {
  const std::string process = fmt::format("/proc/{}", pid);
  ProcessUsage usage;
  if (!ReadTicks(process, &usage)) return NoSuchProcess(pid);
  const absl::StatusOr<int64_t> run_nanos = RunNanos(pid);
  if (!run_nanos.ok()) return run_nanos.status();
  usage.run_nanos = *run_nanos;
  ReadMemory(process, &usage);
  return usage;
}

ProcessUsage Difference(const ProcessUsage& from, const ProcessUsage& to) {
  ProcessUsage difference = to;
  difference.run_nanos -= from.run_nanos;
  difference.user_nanos -= from.user_nanos;
  difference.system_nanos -= from.system_nanos;
  return difference;
}

}  // namespace mansio::bench
