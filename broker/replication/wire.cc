#include "broker/replication/wire.h"

#include <fmt/format.h>

namespace mansio::broker {
namespace {

// A reign begins with each start of a master, and is forgotten with its part of the log.
constexpr int kMaxReigns = 1 << 16;

}  // namespace

void ReignsToWire(const store::EpochHistory& epochs, WireReigns* reigns) {
  for (const store::EpochStart& start : epochs.starts()) {
    v1::ReignStart* const reign = reigns->Add();
    reign->set_epoch(start.epoch);
    reign->set_first_offset(start.first);
    reign->set_began(start.began);
  }
}

absl::StatusOr<store::EpochHistory> ReignsFromWire(const WireReigns& reigns) {
  if (reigns.size() > kMaxReigns) {
    return absl::InvalidArgumentError(
        fmt::format("a log of {} reigns; the most are {}", reigns.size(), kMaxReigns));
  }
  store::EpochHistory epochs;
  for (const v1::ReignStart& reign : reigns) {
    const auto& starts = epochs.starts();
    if (reign.epoch() <= epochs.last() ||
        (!starts.empty() && reign.first_offset() <= starts.back().first)) {
      return absl::InvalidArgumentError("the reigns of a log are not in order");
    }
    epochs.Note({reign.epoch(), reign.first_offset(), reign.began()});
  }
  return epochs;
}

}  // namespace mansio::broker
