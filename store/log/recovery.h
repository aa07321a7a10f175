#ifndef MANSIO_STORE_LOG_RECOVERY_H_
#define MANSIO_STORE_LOG_RECOVERY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "store/log/commit_log.h"
#include "store/log/log_scanner.h"
#include "store/log/log_source.h"
#include "store/log/segment_set.h"
#include "store/record.h"

namespace mansio::store {

// The work of CommitLog::Recover: verify, fold, and decide what a bad frame means (design section
// 4). Let S be the greatest offset that is known to have been synced, from the checkpoint or from
// any good header, also behind the first bad frame. A bad frame at or after S is a torn tail: cut,
// and what was written behind it zeroed and synced. A bad frame before S is damage.
class Recovery {
 public:
  using Fold = absl::FunctionRef<absl::Status(const RecordView&, uint32_t record_bytes)>;
  using SegmentEnded = absl::FunctionRef<void(LogOffset first, LogOffset next)>;

  // `segment_bytes` is the length of new segments; empty ones made ahead with another length are
  // removed. Frames from `foreign_from` on: see replica_file.h.
  // `give_up` may be null.
  Recovery(SegmentSet* segments, uint64_t segment_bytes, bool salvage, LogOffset foreign_from,
           std::function<bool()> give_up)
      : segments_(segments),
        segment_bytes_(segment_bytes),
        salvage_(salvage),
        foreign_from_(foreign_from),
        give_up_(std::move(give_up)) {}

  absl::StatusOr<RecoveryReport> Run(const RecoveryStart& start, Fold fold,
                                     SegmentEnded segment_ended);

 private:
  class SegmentProgress;
  // The first bad frame and what is known about it.
  struct End {
    LogOffset at = 0;
    FrameFault fault = FrameFault::kNone;
    LogOffset synced = 0;                    // S
    uint64_t segment_bytes = 0;              // that the file should have, 0 when not known
    std::shared_ptr<const Segment> segment;  // nullptr at the very end of the last file
    Beyond beyond;

    bool CutShort() const { return segment != nullptr && segment_bytes > segment->bytes(); }
    bool IsDamage() const { return at < synced || CutShort(); }
  };

  absl::Status FindStart(const RecoveryStart& start, LogOffset* from) const;
  absl::Status FoldFrames(LogScanner& scanner, LogOffset until, Fold fold,
                          SegmentProgress& progress);
  absl::StatusOr<End> LookAtEnd(const RecoveryStart& start, const LogScanner& scanner,
                                LogSource& source) const;
  // Cuts a torn tail, salvages or refuses damage, and removes files that are of no use.
  absl::Status MakeWritable(const End& end);
  // What is wrong: file, offset, reach.
  std::string Describe(const End& end) const;
  // The refusal: what is wrong and the cure.
  absl::Status Damage(const End& end) const;
  // The log up to the damage goes on; what was behind it is in files "*.salvaged".
  absl::Status Salvage(const End& end);
  absl::Status RemoveUnusable(LogOffset end);

  SegmentSet* const segments_;
  const uint64_t segment_bytes_;
  const bool salvage_;
  const LogOffset foreign_from_;
  const std::function<bool()> give_up_;
  // Of the frames so far.
  EpochHistory epochs_;
  LogOffset folded_ = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_RECOVERY_H_
