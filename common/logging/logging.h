#ifndef MANSIO_COMMON_LOGGING_LOGGING_H_
#define MANSIO_COMMON_LOGGING_LOGGING_H_

// Logging: one line per event, written by glog to standard error or to files.
//
//   LOG_INFO("topic {} created with {} queues", name, queues);
//   LOG_WARNING_EVERY(absl::Seconds(10), "{} connections; the limit is {}", n, limit);
//
// Formats are those of fmt. Text that a client chose goes through EscapeForLog
// (common/names/utf8.h), which also bounds its length; control characters are escaped here in any
// case, so that an event is always one line. Everything is thread safe unless it says otherwise.

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/sync/sync.h"

namespace mansio::logging {

enum class Level { kInfo, kWarning, kError };

struct LoggingOptions {
  std::string directory;       // empty: standard error
  Level level = Level::kInfo;  // less important lines are dropped
  int keep_days = 14;          // files older than this are removed
};

// Call once at the start of a process, before other threads log. Creates the directory if it is
// missing; an error says why it cannot be written to, and lines go to standard error then, as they
// do without this call.
absl::Status InitLogging(std::string_view program, const LoggingOptions& options);

// Less important lines than this are dropped from now on.
void SetLevel(Level level);

// Writes one line. Use the macros below instead.
void Write(Level level, const char* file, int line, std::string_view text);

// Writes the line to the log and, if that is in files, to standard error as well: the few lines
// that whoever started the process waits for ("ready", or an error: why there is nothing more to
// wait for).
void Announce(std::string_view text, Level level = Level::kInfo);

// Announces the sentence as an error and ends the process with exit code 1, without destructors and
// without a stack dump.
[[noreturn]] void Fatal(std::string_view text);

// Writes out what glog still buffers.
void Flush();

// Lets one event pass per interval and counts the others.
class RateLimit {
 public:
  explicit RateLimit(absl::Duration interval) : interval_ns_(absl::ToInt64Nanoseconds(interval)) {}

  // Nothing when the event must be left out, else how many were left out since the last that
  // passed. `now` is CLOCK_BOOTTIME or any other time that does not go back.
  std::optional<uint64_t> Admit(absl::Duration now);

  // The same with the present CLOCK_BOOTTIME.
  std::optional<uint64_t> Admit();

 private:
  static constexpr int64_t kNever = -1;
  const int64_t interval_ns_;
  std::atomic<int64_t> next_ns_{kNever};
  std::atomic<uint64_t> left_out_{0};
};

// `text` with the number of lines left out before it, if any.
std::string WithLeftOut(std::string text, uint64_t left_out);

// For tests: catches every line instead of writing it, for its own lifetime. One at a time.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // The lines so far, without glog's prefix.
  std::vector<std::string> lines() const;

  // Whether a line contains `text`.
  bool Contains(std::string_view text) const;

 private:
  friend void Write(Level level, const char* file, int line, std::string_view text);
  void Add(std::string_view line);

  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::logging

#define MANSIO_LOG(level, ...)                                                  \
  ::mansio::logging::Write(::mansio::logging::Level::level, __FILE__, __LINE__, \
                           ::fmt::format(__VA_ARGS__))

#define MANSIO_LOG_EVERY(level, interval, ...)                                           \
  do {                                                                                   \
    static ::mansio::logging::RateLimit mansio_rate_limit(interval);                     \
    if (const auto mansio_left_out = mansio_rate_limit.Admit()) {                        \
      ::mansio::logging::Write(                                                          \
          ::mansio::logging::Level::level, __FILE__, __LINE__,                           \
          ::mansio::logging::WithLeftOut(::fmt::format(__VA_ARGS__), *mansio_left_out)); \
    }                                                                                    \
  } while (false)

#define LOG_INFO(...) MANSIO_LOG(kInfo, __VA_ARGS__)
#define LOG_WARNING(...) MANSIO_LOG(kWarning, __VA_ARGS__)
#define LOG_ERROR(...) MANSIO_LOG(kError, __VA_ARGS__)

// At most one line per interval from this place in the code, with the number left out.
#define LOG_INFO_EVERY(interval, ...) MANSIO_LOG_EVERY(kInfo, interval, __VA_ARGS__)
#define LOG_WARNING_EVERY(interval, ...) MANSIO_LOG_EVERY(kWarning, interval, __VA_ARGS__)
#define LOG_ERROR_EVERY(interval, ...) MANSIO_LOG_EVERY(kError, interval, __VA_ARGS__)

#endif  // MANSIO_COMMON_LOGGING_LOGGING_H_
