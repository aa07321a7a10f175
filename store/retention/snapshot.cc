#include "store/retention/snapshot.h"

#include <fmt/format.h>

#include <memory>

#include "store/checkpoint/checkpointer.h"
#include "store/checkpoint/encoding.h"
#include "store/derived_state.h"
#include "store/log/commit_log.h"
#include "store/retention/waiting_append.h"
#include "store/state_machine.h"

namespace mansio::store {
namespace {

constexpr size_t kMarkBytes = 3 * 8;

class EntrySink : public StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    entries.push_back(EncodeSnapshotEntry(key, value));
  }
  void Delete(std::string_view) override {}  // a whole state has nothing to delete

  std::vector<std::string> entries;
};

}  // namespace

std::string EncodeSnapshotMark(const SnapshotMark& mark) {
  std::string body;
  PutLittle<uint64_t>(body, mark.captured.offset);
  PutLittle<uint64_t>(body, mark.captured.epoch);
  PutLittle<uint64_t>(body, mark.pairs);
  return body;
}

absl::StatusOr<SnapshotMark> DecodeSnapshotMark(std::string_view body) {
  if (body.size() != kMarkBytes) {
    return absl::DataLossError(
        fmt::format("a snapshot's mark of {} bytes is impossible", body.size()));
  }
  SnapshotMark mark;
  mark.captured.offset = GetLittle<uint64_t>(body);
  mark.captured.epoch = GetLittle<uint64_t>(body, 8);
  mark.pairs = GetLittle<uint64_t>(body, 16);
  return mark;
}

std::string EncodeSnapshotEntry(std::string_view key, std::string_view value) {
  std::string body;
  body.reserve(4 + key.size() + value.size());
  PutLittle<uint32_t>(body, static_cast<uint32_t>(key.size()));
  body.append(key);
  body.append(value);
  return body;
}

absl::StatusOr<std::pair<std::string_view, std::string_view>> DecodeSnapshotEntry(
    std::string_view body) {
  if (body.size() < 4 || body.size() - 4 < GetLittle<uint32_t>(body)) {
    return absl::DataLossError("a snapshot's entry is shorter than its key");
  }
  const size_t key_bytes = GetLittle<uint32_t>(body);
  return std::pair(body.substr(4, key_bytes), body.substr(4 + key_bytes));
}

absl::StatusOr<LogOffset> WriteSnapshot(CommitLog* log, const DerivedState* state,
                                        size_t piece_bytes) {
  EntrySink sink;
  SnapshotMark mark;
  const bool called = CallOnLogThread(log, [&] {
    mark.captured = {log->epoch(), log->cursors().applied};
    state->CaptureAll(sink);
  });
  if (!called) return absl::UnavailableError("no snapshot can be taken: the log has stopped");

  auto piece = std::make_unique<WaitingAppend>();
  piece->AddRecord(kSnapshotBeginRecord, EncodeSnapshotMark(mark));
  mark.pairs = sink.entries.size();
  for (const std::string& entry : sink.entries) {
    if (piece->size() + entry.size() > piece_bytes) {
      if (absl::Status sent = SubmitAndWait(log, std::move(piece)); !sent.ok()) return sent;
      piece = std::make_unique<WaitingAppend>();
    }
    piece->AddRecord(kSnapshotEntryRecord, entry);
  }
  piece->AddRecord(kSnapshotEndRecord, EncodeSnapshotMark(mark));
  if (absl::Status sent = SubmitAndWait(log, std::move(piece)); !sent.ok()) return sent;
  if (absl::Status synced = log->SyncAll(); !synced.ok()) return synced;
  return mark.captured.offset;
}

absl::Status SnapshotFinder::See(const RecordView& record) {
  if (complete_) return absl::OkStatus();
  if (record.kind == kSnapshotBeginRecord || record.kind == kSnapshotEndRecord) {
    const absl::StatusOr<SnapshotMark> mark = DecodeSnapshotMark(record.body);
    if (!mark.ok()) return mark.status();
    if (record.kind == kSnapshotBeginRecord) {
      mark_.reset();
      pairs_.clear();
      if (mark->captured.offset >= first_) mark_ = *mark;
    } else {
      // An end without its begin belongs to one whose beginning was trimmed away.
      complete_ =
          mark_.has_value() && mark_->captured == mark->captured && pairs_.size() == mark->pairs;
      completed_at_ = record.position.offset;
    }
  } else if (record.kind == kSnapshotEntryRecord && mark_.has_value()) {
    const auto entry = DecodeSnapshotEntry(record.body);
    if (!entry.ok()) return entry.status();
    pairs_.emplace_back(entry->first, entry->second);
  }
  return absl::OkStatus();
}

}  // namespace mansio::store
