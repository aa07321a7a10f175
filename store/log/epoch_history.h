#ifndef MANSIO_STORE_LOG_EPOCH_HISTORY_H_
#define MANSIO_STORE_LOG_EPOCH_HISTORY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::store {

// One reign, as its EPOCH frame says.
struct EpochStart {
  Epoch epoch = 0;
  LogOffset first = 0;  // of the EPOCH frame
  // Store time of the EPOCH frame: tells two reigns apart that two masters began with the same
  // number at the same place. 0 when that frame is no longer in the log: `first` is then only the
  // lowest offset that is known to belong to the reign.
  StoreTime began = 0;
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

// Which reign wrote which part of a log, oldest first. Two logs that have a reign in common are the
// same, byte by byte, up to the end of that reign in the shorter one (design section 9). Not
// thread-safe.
class EpochHistory {
 public:
  // A frame of `epoch` begins at `first`; nothing happens unless the epoch is newer than the last.
  void Note(const EpochStart& start);
  // The log ends at `end` now, or begins at `begin`.
  void TruncateTo(LogOffset end);
  void DropBelow(LogOffset begin);

  // The epoch of the frame that ends at `offset`; 0 when that is before the history.
  Epoch At(LogOffset offset) const;
  Epoch last() const { return starts_.empty() ? 0 : starts_.back().epoch; }
  const std::vector<EpochStart>& starts() const { return starts_; }

 private:
  std::vector<EpochStart> starts_;
};

// A log's history and its end.
struct LogHistory {
  EpochHistory epochs = {};
  LogOffset begin = 0;  // the oldest offset that is still there
  LogOffset end = 0;
};

// Up to which offset the two logs are the same: the lesser end of the newest reign that both have;
// 0 when they have none in common and both begin at 0; where an empty one begins. nullopt when that
// place is not in one of them, or not any more: nothing can be told.
std::optional<LogOffset> CommonPoint(const LogHistory& a, const LogHistory& b);

std::string EncodeEpochs(const EpochHistory& epochs);
// DataLoss for bytes that EncodeEpochs does not make.
absl::StatusOr<EpochHistory> DecodeEpochs(std::string_view bytes);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_EPOCH_HISTORY_H_
