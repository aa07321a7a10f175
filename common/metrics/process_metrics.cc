#include "common/metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace mansio::metrics {
namespace {

constexpr Metric kBuildInfo{"mansio_build_info", "Always 1; the label says which version runs."};
constexpr Metric kCpu{"process_cpu_seconds_total",
                      "User and system CPU time that the process has used.", Type::kCounter};
constexpr Metric kResident{"process_resident_memory_bytes", "Resident memory of the process."};
constexpr Metric kVirtual{"process_virtual_memory_bytes", "Virtual memory of the process."};
constexpr Metric kOpenFds{"process_open_fds", "File descriptors that the process has open."};
constexpr Metric kMaxFds{"process_max_fds", "File descriptors that the process may have open."};
constexpr Metric kStart{"process_start_time_seconds",
                        "When the process started, in seconds since 1970."};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// When this process first asked; within a moment of its start.
double StartTime() {
  static const auto start = static_cast<double>(time(nullptr));
  return start;
}
// Asked before main, so that the first scrape is not taken for the start.
[[maybe_unused]] const double kAskedAtStart = StartTime();

void AddMemory(Exposition& page) {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return;
  unsigned long pages = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &pages, &resident);
  std::fclose(file);
  if (read != 2) return;
  const auto page_size = static_cast<double>(sysconf(_SC_PAGESIZE));
  page.Add(kVirtual, static_cast<double>(pages) * page_size);
  page.Add(kResident, static_cast<double>(resident) * page_size);
}

void AddDescriptors(Exposition& page) {
  DIR* directory = opendir("/proc/self/fd");
  if (directory != nullptr) {
    int entries = 0;
    while (readdir(directory) != nullptr) ++entries;
    closedir(directory);
    page.Add(kOpenFds, entries - 3);  // ".", ".." and the directory itself
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    page.Add(kMaxFds, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace

void AddProcess(Exposition& page, std::string_view version) {
  page.Add(kBuildInfo, {{"mansio_version", std::string(version)}}, 1);
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    page.Add(kCpu, Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  AddMemory(page);
  AddDescriptors(page);
  page.Add(kStart, StartTime());
}

}  // namespace mansio::metrics
