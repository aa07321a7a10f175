#include "broker/replication/catch_up.h"

#include <fmt/format.h>

namespace mansio::broker {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(10);
// Less is copied before anybody looks.
constexpr store::LogOffset kWorthALine = 64 << 20;

double Mebibytes(store::LogOffset bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

void CatchUp::Begin(store::LogOffset from, store::LogOffset until, absl::Duration now) {
  from_ = from;
  until_ = until;
  began_ = now;
  next_ = now + kPeriod;
}

std::optional<std::string> CatchUp::Line(store::LogOffset end, absl::Duration now) {
  if (until_ < from_ + kWorthALine || end < from_) return std::nullopt;
  const bool done = end >= until_;
  if (!done && now < next_) return std::nullopt;
  const double seconds = absl::ToDoubleSeconds(now - began_);
  const double rate = seconds > 0 ? Mebibytes(end - from_) / seconds : 0;
  std::string line;
  if (done) {
    line = fmt::format("Copied {:.0f} MiB of the master's log in {:.1f} s, {:.0f} MiB/s",
                       Mebibytes(end - from_), seconds, rate);
    until_ = from_;
  } else {
    line = fmt::format("Copying the master's log: {:.0f} of {:.0f} MiB, {:.0f} MiB/s",
                       Mebibytes(end - from_), Mebibytes(until_ - from_), rate);
    next_ = now + kPeriod;
  }
  return line;
}

}  // namespace mansio::broker
