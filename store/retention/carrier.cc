#include "store/retention/carrier.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/logging/logging.h"
#include "store/retention/carry.h"

namespace mansio::store {
namespace {

// Of one job on the log thread: so little that a send behind it does not notice.
constexpr int kStretchesPerJob = 4;
constexpr size_t kMessagesPerJob = 256;

}  // namespace

Carrier::Carrier(BrokerTime* time, CommitLog* log, DerivedState* state, Checkpointer* checkpointer,
                 size_t piece_bytes, const std::atomic<bool>* closing)
    : time_(time),
      log_(log),
      state_(state),
      checkpointer_(checkpointer),
      piece_bytes_(piece_bytes),
      closing_(closing) {}

absl::Status Carrier::Run(LogOffset offset, absl::Span<const QueueMinimum> minima) {
  FindStretches(offset, minima);
  piece_ = std::make_unique<WaitingAppend>();
  for (;;) {
    const absl::StatusOr<std::vector<Live>> next = NextLive();
    if (!next.ok()) return next.status();
    for (const Live& live : *next) {
      if (absl::Status carried = CarryOne(live, offset); !carried.ok()) return carried;
    }
    if (asked_ == stretches_.size()) break;
  }
  if (!piece_->empty()) {
    if (absl::Status sent = SendPiece(); !sent.ok()) return sent;
  }
  if (lost_ > 0) {
    LOG_ERROR(
        "{} live messages cannot be carried forward and are lost with their segments; check the "
        "disk. The first: {}",
        lost_, first_loss_);
  }
  return absl::OkStatus();
}

void Carrier::FindStretches(LogOffset offset, absl::Span<const QueueMinimum> minima) {
  const ConsumeQueues& queues = state_->queues();
  stretches_ = queues.carried().Below(offset);
  absl::flat_hash_map<QueueKey, size_t> known;
  for (size_t i = 0; i < stretches_.size(); ++i) known[stretches_[i].queue] = i;
  for (const QueueMinimum& minimum : minima) {
    const QueueOffset min = queues.OwnRange(minimum.queue).min;
    const auto [it, added] = known.try_emplace(minimum.queue, stretches_.size());
    if (added) {
      stretches_.push_back({minimum.queue, min, minimum.min});
      continue;
    }
    // The carried ones may stand above the minimum, if the trim that they were carried for failed.
    QueueStretch& stretch = stretches_[it->second];
    stretch.from = std::min(stretch.from, min);
    stretch.to = std::max(stretch.to, minimum.min);
  }
}

absl::StatusOr<std::vector<Carrier::Live>> Carrier::NextLive() {
  std::vector<Live> found;
  const bool called = CallOnLogThread(log_, [&] {
    for (int i = 0; i < kStretchesPerJob && asked_ < stretches_.size(); ++i) {
      QueueStretch& stretch = stretches_[asked_];
      const size_t room = kMessagesPerJob - found.size();
      const std::vector<LiveMessage> live =
          state_->machine().LiveMessages(stretch.queue, stretch.from, stretch.to, room);
      for (const LiveMessage& message : live) found.push_back({stretch.queue, message});
      if (live.size() == room) {
        stretch.from = live.back().offset + 1;
        return;
      }
      ++asked_;
    }
  });
  if (!called) return absl::UnavailableError("nothing can be carried: the log has stopped");
  return found;
}

absl::Status Carrier::CarryOne(const Live& live, LogOffset offset) {
  const absl::StatusOr<QueueEntry> entry = state_->queues().Place(live.queue, live.message.offset);
  if (absl::IsNotFound(entry.status())) return absl::OkStatus();  // its topic was deleted just now
  if (!entry.ok()) return entry.status();
  if (entry->log_offset >= offset) return absl::OkStatus();
  const absl::StatusOr<StoredMessage> message = Read(live, *entry);
  if (absl::IsNotFound(message.status()) || absl::IsDataLoss(message.status())) {
    if (lost_++ == 0) first_loss_ = std::string(message.status().message());
    return absl::OkStatus();
  }
  if (!message.ok()) return message.status();
  const absl::Time stored = absl::FromUnixMillis(message->view.store_time);
  if (stored + live.message.keep < absl::FromUnixMillis(time_->NowMillis())) {
    return absl::OkStatus();
  }
  const std::string body =
      EncodeCarry(live.message.offset, entry->log_offset, message->bytes.bytes);
  if (!piece_->empty() && piece_->size() + body.size() > piece_bytes_) {
    if (absl::Status sent = SendPiece(); !sent.ok()) return sent;
  }
  piece_->AddRecord(kCarryRecord, body);
  ++messages_;
  bytes_ += body.size();
  return absl::OkStatus();
}

absl::StatusOr<StoredMessage> Carrier::Read(const Live& live, const QueueEntry& entry) const {
  const QueueOffset offset = live.message.offset;
  if (std::optional<LogBytes> hot = log_->HotBytes(entry.log_offset, entry.size)) {
    return CommitLog::DecodeMessage(live.queue, offset, *std::move(hot));
  }
  absl::StatusOr<LogBytes> read = log_->ReadBytes(entry.log_offset, entry.size);
  if (!read.ok()) return read.status();
  return CommitLog::DecodeMessage(live.queue, offset, *std::move(read));
}

absl::Status Carrier::SendPiece() {
  if (*closing_) return absl::CancelledError("the store is closing");
  auto piece = std::exchange(piece_, std::make_unique<WaitingAppend>());
  if (absl::Status sent = SubmitAndWait(log_, std::move(piece)); !sent.ok()) return sent;
  // This is the checkpoint thread, and it may be busy for long.
  return checkpointer_->RunIfDue();
}

}  // namespace mansio::store
