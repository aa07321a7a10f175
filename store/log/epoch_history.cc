#include "store/log/epoch_history.h"

#include <algorithm>

#include "store/log/little_endian.h"

namespace mansio::store {
namespace {

constexpr size_t kStartBytes = 3 * 8;

bool SameReign(const EpochStart& a, const EpochStart& b) {
  if (a.epoch != b.epoch) return false;
  return (a.first == b.first && a.began == b.began) || a.began == 0 || b.began == 0;
}

// Where the reign at `index` ends in the log.
LogOffset EndOfReign(const LogHistory& log, size_t index) {
  const auto& starts = log.epochs.starts();
  return index + 1 < starts.size() ? starts[index + 1].first : log.end;
}

}  // namespace

void EpochHistory::Note(const EpochStart& start) {
  if (start.epoch > last()) starts_.push_back(start);
}

void EpochHistory::TruncateTo(LogOffset end) {
  while (!starts_.empty() && starts_.back().first >= end) starts_.pop_back();
}

void EpochHistory::DropBelow(LogOffset begin) {
  size_t ended = 0;
  while (ended + 1 < starts_.size() && starts_[ended + 1].first <= begin) ++ended;
  starts_.erase(starts_.begin(), starts_.begin() + ended);
}

Epoch EpochHistory::At(LogOffset offset) const {
  const auto after =
      std::lower_bound(starts_.begin(), starts_.end(), offset,
                       [](const EpochStart& start, LogOffset at) { return start.first < at; });
  return after == starts_.begin() ? 0 : std::prev(after)->epoch;
}

std::optional<LogOffset> CommonPoint(const LogHistory& a, const LogHistory& b) {
  const auto& as = a.epochs.starts();
  const auto& bs = b.epochs.starts();
  LogOffset common = 0;
  // An empty log fits where it begins.
  if (as.empty() && a.begin == a.end) common = a.begin;
  if (bs.empty() && b.begin == b.end) common = b.begin;
  for (size_t i = as.size(), j = bs.size(); i > 0 && j > 0;) {
    if (SameReign(as[i - 1], bs[j - 1])) {
      common = std::min(EndOfReign(a, i - 1), EndOfReign(b, j - 1));
      break;
    }
    // Two reigns of one number are no common history either.
    const Epoch newer = std::max(as[i - 1].epoch, bs[j - 1].epoch);
    if (as[i - 1].epoch == newer) --i;
    if (j > 0 && bs[j - 1].epoch == newer) --j;
  }
  if (common < a.begin || common < b.begin) return std::nullopt;
  if (common > a.end || common > b.end) return std::nullopt;
  return common;
}

std::string EncodeEpochs(const EpochHistory& epochs) {
  std::string bytes(epochs.starts().size() * kStartBytes, '\0');
  char* at = bytes.data();
  for (const EpochStart& start : epochs.starts()) {
    at = StoreLittle<uint64_t>(start.epoch, at);
    at = StoreLittle<uint64_t>(start.first, at);
    at = StoreLittle<int64_t>(start.began, at);
  }
  return bytes;
}

absl::StatusOr<EpochHistory> DecodeEpochs(std::string_view bytes) {
  EpochHistory epochs;
  while (!bytes.empty()) {
    EpochStart start;
    if (!TakeLittle(bytes, &start.epoch) || !TakeLittle(bytes, &start.first) ||
        !TakeLittle(bytes, &start.began)) {
      return absl::DataLossError("the history of epochs is cut off");
    }
    const bool grows = epochs.starts().empty() || start.first > epochs.starts().back().first;
    if (start.epoch <= epochs.last() || !grows) {
      return absl::DataLossError("the history of epochs is not in order");
    }
    epochs.Note(start);
  }
  return epochs;
}

}  // namespace mansio::store
