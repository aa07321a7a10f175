#include "store/index/index_piece.h"

#include <algorithm>

#include "store/log/record_codec.h"
#include "store/log_reads.h"
#include "store/retention/carry.h"

namespace mansio::store {
namespace {

void AddMessage(const MessageKeys& keys, LogOffset offset, const EncodedMessage& message,
                IndexPiece* piece) {
  const bool first = piece->first_time == 0 && piece->last_time == 0;
  piece->first_time = first ? message.store_time : std::min(piece->first_time, message.store_time);
  piece->last_time = first ? message.store_time : std::max(piece->last_time, message.store_time);
  const auto relative = static_cast<uint32_t>(offset - piece->begin);
  keys.ForEach(message.content, [&](uint64_t hash) {
    piece->entries.push_back({hash, relative, message.queue.topic});
  });
}

void AddRecord(const MessageKeys& keys, const RecordView& record, IndexPiece* piece) {
  EncodedMessage message;
  if (record.kind == kMessageRecord && DecodeMessageBody(record.body, &message)) {
    AddMessage(keys, record.position.offset, message, piece);
  } else if (record.kind == kCarryRecord && DecodeCarried(record.body, &message)) {
    AddMessage(keys, record.position.offset, message, piece);
  }
}

}  // namespace

absl::Status IndexSome(CommitLog* log, const MessageKeys& keys, LogOffset limit, size_t max_bytes,
                       IndexPiece* piece) {
  const size_t bytes = std::min<uint64_t>(max_bytes, limit - piece->next);
  const absl::StatusOr<FrameRun> run = log->replicated()->ReadFrames(piece->next, bytes);
  if (!run.ok()) return run.status();
  const absl::StatusOr<LogOffset> next = ForEachRecordOf(
      *run, limit, [&](const RecordView& record) { AddRecord(keys, record, piece); },
      [&](Epoch epoch, LogOffset behind) {
        piece->epoch = epoch;
        piece->next = behind;
      });
  if (!next.ok()) return next.status();
  piece->next = *next;
  return absl::OkStatus();
}

}  // namespace mansio::store
