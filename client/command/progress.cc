#include "client/command/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "absl/time/clock.h"

namespace mansio::command {

namespace {

constexpr absl::Duration kBetweenDraws = absl::Milliseconds(100);
constexpr size_t kWidestBar = 40;
constexpr char kClearLine[] = "\r\x1b[K";

}  // namespace

std::string ProgressLine(const std::string& what, int64_t done, int64_t total,
                         absl::Duration elapsed, size_t width) {
  const double part = total > 0 ? std::clamp(static_cast<double>(done) / total, 0.0, 1.0) : 1.0;
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 0.001);
  const double rate = static_cast<double>(done) / seconds;
  std::string numbers =
      fmt::format(" {} of {}  {:.0f}%  {:.0f}/s", done, std::max(done, total), part * 100, rate);
  if (rate > 0 && done < total) {
    const absl::Duration left = absl::Seconds(static_cast<double>(total - done) / rate);
    numbers += fmt::format("  {} left", absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))));
  }
  std::string line = what + " ";
  const size_t fixed = line.size() + numbers.size() + 2;
  if (fixed + 5 <= width) {
    const size_t bar = std::min(kWidestBar, width - fixed);
    const auto full = static_cast<size_t>(part * static_cast<double>(bar));
    line += fmt::format("[{}{}]", std::string(full, '='), std::string(bar - full, ' '));
  }
  return (line + numbers).substr(0, width);
}

Progress::Progress(const Context& context, std::string what, int64_t total)
    : context_(context), what_(std::move(what)), total_(total), begin_(absl::Now()) {}

Progress::~Progress() {
  if (drawn_ != absl::InfinitePast()) *context_.err << kClearLine << std::flush;
}

void Progress::Update(int64_t done) {
  const absl::Time now = absl::Now();
  if (context_.error_width == 0 || now < drawn_ + kBetweenDraws) return;
  drawn_ = now;
  // The last column stays free: some terminals wrap behind it.
  *context_.err << kClearLine
                << ProgressLine(what_, done, total_, now - begin_, context_.error_width - 1)
                << std::flush;
}

}  // namespace mansio::command
