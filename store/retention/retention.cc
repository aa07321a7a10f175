#include "store/retention/retention.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/types/span.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"
#include "store/retention/carrier.h"
#include "store/retention/snapshot.h"
#include "store/retention/trim.h"
#include "store/retention/waiting_append.h"

namespace mansio::store {
namespace {
// Of a snapshot or a TRIM: small enough that a send behind it does not notice.
constexpr uint64_t kMaxPieceBytes = 256 * 1024;
}  // namespace

Retention::Retention(const StoreOptions* options, const RetentionLimits* limits, BrokerTime* time,
                     CommitLog* log, DerivedState* state, Checkpointer* checkpointer,
                     const std::atomic<bool>* closing, StoreStats* stats)
    : options_(options),
      limits_(limits),
      piece_bytes_(std::min<uint64_t>(kMaxPieceBytes, options->segment_bytes / 4)),
      time_(time),
      log_(log),
      state_(state),
      checkpointer_(checkpointer),
      closing_(closing),
      stats_(stats) {}

absl::Status Retention::Enforce() {
  const MutexLock lock(&mutex_);
  const uint64_t limits_seen = limits_set_;
  // A slave trims what its master's TRIM records say.
  const LogOffset target = options_->role == Role::kSlave ? 0 : Target();
  if (target > state_->trimmed()) {
    const uint64_t traffic = state_->traffic();
    if (absl::Status trimmed = TrimTo(target); !trimmed.ok()) return trimmed;
    trimmed_at_ = traffic;
    limits_seen_ = limits_seen;
  }
  return RemoveTrimmed();
}

bool Retention::SizeIsDue() const {
  if (limits_->bytes == 0) return false;
  return limits_set_ != limits_seen_ ||
         state_->traffic() >= trimmed_at_ + options_->segment_bytes / 2;
}

LogOffset Retention::Target() const {
  const std::vector<CommitLog::SegmentInfo> segments = log_->Segments();
  const LogOffset applied = log_->cursors().applied;
  // What was carried comes on top: carrying must not make the log shrink, and carry again.
  const uint64_t allowed = limits_->bytes + state_->queues().carried().bytes();
  const bool size_is_due = SizeIsDue();
  uint64_t total = 0;
  for (const CommitLog::SegmentInfo& segment : segments) total += segment.next - segment.first;
  const StoreTime oldest_kept = time_->NowMillis() - limits_->age_ms;
  LogOffset target = 0;
  for (const CommitLog::SegmentInfo& segment : segments) {
    if (segment.active || segment.next > applied) break;
    StoreTime last = segment.last_store_time;
    if (last == 0) last = state_->segment_times().LastTime(segment.first);
    const bool expired = last != 0 && last < oldest_kept;
    const bool too_much = size_is_due && total > allowed;
    if (!expired && !too_much) break;
    target = segment.next;
    total -= segment.next - segment.first;
  }
  return target;
}

absl::Status Retention::TrimTo(LogOffset offset) {
  ConsumeQueues& queues = state_->queues();
  const absl::StatusOr<std::vector<QueueMinimum>> minima = queues.MinimaAt(offset);
  if (!minima.ok()) return minima.status();
  // From here on nothing below the cut is handed out for the first time that its owner does not
  // call live anyhow, so that what is live now is all that will be.
  queues.Announce(*minima);
  const absl::Cleanup withdraw = [&queues] { queues.Announce({}); };
  Carrier carrier(time_, log_, state_, checkpointer_, piece_bytes_, closing_);
  if (absl::Status carried = carrier.Run(offset, *minima); !carried.ok()) return carried;
  if (carrier.messages() > 0) {
    if (stats_ != nullptr) {
      stats_->carried_messages.Add(carrier.messages());
      stats_->carried_bytes.Add(carrier.bytes());
    }
    LOG_INFO("Retention: carried {} live messages forward, {} bytes.", carrier.messages(),
             carrier.bytes());
  }
  // What remains must be able to rebuild everything: a complete snapshot behind the cut, in the
  // synced log, before the cut becomes part of the history.
  if (state_->snapshot() < offset) {
    const absl::StatusOr<LogOffset> captured = WriteSnapshot(log_, state_, piece_bytes_);
    if (!captured.ok()) return captured.status();
  }
  if (absl::Status saved = checkpointer_->Run(); !saved.ok()) return saved;
  return AppendTrim(offset, *minima);
}

absl::Status Retention::AppendTrim(LogOffset offset, absl::Span<const QueueMinimum> minima) {
  absl::Span<const QueueMinimum> rest = minima;
  for (bool last = false; !last;) {
    const size_t count = std::min(rest.size(), piece_bytes_ / kTrimMinimumBytes);
    last = count == rest.size();
    auto append = std::make_unique<WaitingAppend>();
    append->AddRecord(kTrimRecord, EncodeTrim(offset, last, rest.first(count)));
    if (absl::Status sent = SubmitAndWait(log_, std::move(append)); !sent.ok()) return sent;
    rest.remove_prefix(count);
  }
  LOG_INFO("Retention: the log now begins at offset {}; {} queues lost their oldest messages.",
           offset, minima.size());
  return absl::OkStatus();
}

absl::Status Retention::RemoveTrimmed() {
  const LogOffset trimmed = state_->trimmed();
  if (log_->cursors().min >= trimmed) return absl::OkStatus();
  // This also syncs the TRIM record. Only then is there no way back to the files.
  if (absl::Status saved = checkpointer_->Run(); !saved.ok()) return saved;
  if (absl::Status dropped = log_->DropBelow(trimmed); !dropped.ok()) return dropped;
  state_->ForgetSegments(trimmed);
  return absl::OkStatus();
}

}  // namespace mansio::store
