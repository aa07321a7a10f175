#include "common/logging/logging.h"

#include <glog/logging.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "common/names/utf8.h"

namespace mansio::logging {
namespace {

std::atomic<LogCapture*> current_capture{nullptr};
std::atomic<bool> logs_to_files{false};
std::atomic<Level> least_level{Level::kInfo};

// Clang tells the attribute of glog's function type from [[noreturn]].
__attribute__((noreturn)) void ExitAtOnce() { std::_Exit(1); }

google::LogSeverity SeverityOf(Level level) {
  switch (level) {
    case Level::kInfo:
      return google::GLOG_INFO;
    case Level::kWarning:
      return google::GLOG_WARNING;
    case Level::kError:
      return google::GLOG_ERROR;
  }
  return google::GLOG_ERROR;
}

// Control characters and malformed bytes escaped, the rest untouched.
std::string OneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    const std::string_view piece = text.substr(0, c.length == 0 ? 1 : c.length);
    line += HasControlCharacter(piece) ? EscapeForLog(piece) : std::string(piece);
    text.remove_prefix(piece.size());
  }
  return line;
}

void WriteToStandardError(std::string_view text) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

// glog says nothing useful when it cannot create its files, so try it first.
absl::Status PrepareDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::InvalidArgumentError(fmt::format(
        "cannot create the log directory {}: {}; choose another one or leave it empty for "
        "standard error",
        directory, error.message()));
  }
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return absl::PermissionDeniedError(
        fmt::format("cannot write to the log directory {}: {}; check its owner and mode", directory,
                    std::generic_category().message(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InitLogging(std::string_view program, const LoggingOptions& options) {
  static std::string program_name;  // glog keeps the pointer.
  program_name = program;
  absl::Status prepared;
  if (!options.directory.empty()) prepared = PrepareDirectory(options.directory);
  const bool to_files = !options.directory.empty() && prepared.ok();
  FLAGS_logtostderr = !to_files;
  SetLevel(options.level);
  FLAGS_logbufsecs = 1;
  if (to_files) {
    FLAGS_log_dir = options.directory;
    FLAGS_stderrthreshold = google::GLOG_FATAL;
    FLAGS_max_log_size = 100;  // MiB a file
    FLAGS_stop_logging_if_full_disk = true;
    // One file with everything, instead of one more for each higher level.
    google::SetLogDestination(google::GLOG_WARNING, "");
    google::SetLogDestination(google::GLOG_ERROR, "");
    google::EnableLogCleaner(static_cast<unsigned int>(options.keep_days));
  }
  google::InitGoogleLogging(program_name.c_str());
  // A failed CHECK inside a library: its line is enough, no stack dump.
  google::InstallFailureFunction(ExitAtOnce);
  logs_to_files.store(to_files);
  return prepared;
}

void SetLevel(Level level) { least_level = level; }

void Write(Level level, const char* file, int line, std::string_view text) {
  const std::string one_line = OneLine(text);
  if (LogCapture* capture = current_capture.load()) {
    capture->Add(one_line);
    return;
  }
  if (!google::IsGoogleLoggingInitialized()) {
    WriteToStandardError(one_line);
    return;
  }
  if (level < least_level) return;
  google::LogMessage(file, line, SeverityOf(level)).stream() << one_line;
}

void Announce(std::string_view text, Level level) {
  Write(level, __FILE__, __LINE__, text);
  // Also when the level hides informational lines.
  const bool hidden = google::IsGoogleLoggingInitialized() && level < least_level.load();
  if (logs_to_files.load() || hidden) WriteToStandardError(OneLine(text));
}

void Fatal(std::string_view text) {
  Announce(text, Level::kError);
  Flush();
  std::_Exit(1);
}

void Flush() {
  if (google::IsGoogleLoggingInitialized()) google::FlushLogFiles(google::GLOG_INFO);
}

std::optional<uint64_t> RateLimit::Admit(absl::Duration now) {
  const int64_t now_ns = absl::ToInt64Nanoseconds(now);
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  if ((next == kNever || now_ns >= next) &&
      next_ns_.compare_exchange_strong(next, now_ns + interval_ns_, std::memory_order_relaxed)) {
    return left_out_.exchange(0, std::memory_order_relaxed);
  }
  left_out_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<uint64_t> RateLimit::Admit() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return Admit(absl::DurationFromTimespec(now));
}

std::string WithLeftOut(std::string text, uint64_t left_out) {
  if (left_out == 0) return text;
  return fmt::format("{} ({} more like this were not logged)", text, left_out);
}

LogCapture::LogCapture() { current_capture.store(this); }
LogCapture::~LogCapture() { current_capture.store(nullptr); }

void LogCapture::Add(std::string_view line) {
  MutexLock lock(&mutex_);
  lines_.emplace_back(line);
}

std::vector<std::string> LogCapture::lines() const {
  MutexLock lock(&mutex_);
  return lines_;
}

bool LogCapture::Contains(std::string_view text) const {
  MutexLock lock(&mutex_);
  for (const std::string& line : lines_) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace mansio::logging
