#include "store/log_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "store/log/frame_codec.h"
#include "store/log/little_endian.h"
#include "store/log/record_codec.h"
#include "store/retention/carry.h"

namespace mansio::store {
namespace {

constexpr uint32_t kShortestMessageRecord = 30;

absl::Status NoMessage(LogOffset offset) {
  return absl::DataLossError(fmt::format("no good message stands at log offset {}", offset));
}

// The whole record at `offset`.
absl::StatusOr<LogBytes> ReadRecordAt(CommitLog* log, LogOffset offset) {
  const auto front = log->ReadBytes(offset, kShortestMessageRecord);
  if (!front.ok()) return front.status();
  std::string_view rest = front->bytes.substr(1);
  uint32_t length = 0;
  if (!TakeVarint(rest, &length) || length > kMaxFrameBytes) return NoMessage(offset);
  const size_t header = 1 + VarintBytes(length);
  return log->ReadBytes(offset, static_cast<uint32_t>(header + length));
}

absl::StatusOr<QueueOffset> QueueOffsetOf(CommitLog* log, LogOffset offset,
                                          const EncodedMessage& message) {
  const uint32_t bytes = kFrameHeaderBytes + 8 * (message.index + 1u);
  if (message.frame_back > offset || message.frame_back < bytes) return NoMessage(offset);
  const auto frame = log->ReadBytes(offset - message.frame_back, bytes);
  if (!frame.ok()) return frame.status();
  return DecodeAssignment(message.index, frame->bytes);
}

StoredMessage MessageOf(const EncodedMessage& message, QueueOffset offset, LogBytes bytes) {
  return {.view = {.queue = message.queue,
                   .queue_offset = offset,
                   .tag_hash = message.tag_hash,
                   .store_time = message.store_time,
                   .content = message.content},
          .bytes = std::move(bytes)};
}

}  // namespace

absl::StatusOr<LocatedMessage> ReadMessageAt(CommitLog* log, LogOffset offset) {
  absl::StatusOr<LogBytes> bytes = ReadRecordAt(log, offset);
  if (!bytes.ok()) return bytes.status();
  std::string_view rest = bytes->bytes;
  EncodedRecord record;
  EncodedMessage message;
  if (!TakeRecord(rest, &record)) return NoMessage(offset);
  if (record.kind == kCarryRecord) {
    std::string_view body;
    if (!DecodeCarried(record.body, &message, &body) || !MessageCrcIsRight(body)) {
      return NoMessage(offset);
    }
    return LocatedMessage{MessageOf(message, CarriedOffset(record.body), *std::move(bytes)), {}};
  }
  if (record.kind != kMessageRecord || !MessageCrcIsRight(record.body) ||
      !DecodeMessageBody(record.body, &message)) {
    return NoMessage(offset);
  }
  const absl::StatusOr<QueueOffset> queue_offset = QueueOffsetOf(log, offset, message);
  if (!queue_offset.ok()) return queue_offset.status();
  return LocatedMessage{MessageOf(message, *queue_offset, *std::move(bytes)),
                        offset - message.frame_back};
}

LogOffset NextLogFile(const CommitLog& log, LogOffset from) {
  for (const CommitLog::SegmentInfo& segment : log.Segments()) {
    if (segment.first > from) return std::min(segment.first, log.cursors().applied);
  }
  return log.cursors().applied;
}

absl::StatusOr<LogOffset> ForEachRecordOf(
    const FrameRun& run, LogOffset limit, absl::FunctionRef<void(const RecordView& record)> visit,
    absl::FunctionRef<void(Epoch epoch, LogOffset next)> ended) {
  for (std::string_view rest = run.bytes.bytes; !rest.empty();) {
    const LogOffset at = run.first + (run.bytes.bytes.size() - rest.size());
    if (at >= limit) return at;
    FrameHeader header;
    FrameFault fault = DecodeFrameHeader(rest, &header);
    if (fault == FrameFault::kNone) fault = CheckPayload(rest, header);
    if (fault != FrameFault::kNone) {
      return absl::DataLossError(
          fmt::format("the commit log is damaged at offset {}: {}", at, FaultText(fault)));
    }
    const size_t bytes = FrameBytes(header);
    ForEachRecord(header, rest.substr(0, bytes), /*replay=*/true,
                  [&](const RecordView& record, uint32_t) { visit(record); });
    rest.remove_prefix(bytes);
    ended(header.epoch, rest.empty() ? run.next : at + bytes);
  }
  return run.next;
}

absl::StatusOr<LogOffset> ReadRecords(CommitLog* log, LogOffset from, size_t max_bytes,
                                      absl::FunctionRef<void(const RecordView& record)> visit) {
  const LogOffset limit = log->cursors().applied;
  if (from >= limit) return from;
  const size_t bytes = std::min<uint64_t>(max_bytes, limit - from);
  const absl::StatusOr<FrameRun> run = log->replicated()->ReadFrames(from, bytes);
  if (!run.ok()) return run.status();
  return ForEachRecordOf(*run, limit, visit, [](Epoch, LogOffset) {});
}

}  // namespace mansio::store
