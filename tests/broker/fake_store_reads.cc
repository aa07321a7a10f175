// Messages by key, and the log record by record.
#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "store/log/frame.h"
#include "store/log/record_codec.h"
#include "tests/broker/fake_store.h"

namespace mansio::store {

void FakeStore::SetKeys(const MessageKeys* keys) {
  MutexLock lock(&mutex_);
  keys_ = keys;
}

void FakeStore::ForEachRecord(const Frame& frame, StoreTime* time,
                              absl::FunctionRef<void(const RecordView& record)> visit) {
  size_t messages = 0;
  for (const uint32_t start : frame.starts) {
    std::string_view rest = std::string_view(*frame.payload).substr(start);
    EncodedRecord encoded;
    TakeRecord(rest, &encoded);
    RecordView record;
    record.kind = encoded.kind;
    record.position = {frame.epoch, frame.offset + kFrameHeaderBytes + start};
    record.body = encoded.body;
    record.replay = true;
    MessageView message;
    if (encoded.kind == kMessageRecord) {
      EncodedMessage decoded;
      DecodeMessageBody(encoded.body, &decoded);
      message = {decoded.queue, frame.queue_offsets[messages++], decoded.tag_hash,
                 decoded.store_time, decoded.content};
      *time = std::max(*time, decoded.store_time);
      record.message = &message;
    }
    record.store_time = *time;
    visit(record);
  }
}

void FakeStore::ForEachCommitted(
    absl::FunctionRef<void(const Frame& frame, const RecordView& record)> visit) const {
  std::vector<Frame> frames;
  {
    MutexLock lock(&mutex_);
    frames = committed_;
  }
  StoreTime time = 0;
  for (const Frame& frame : frames) {
    ForEachRecord(frame, &time, [&](const RecordView& record) { visit(frame, record); });
  }
}

absl::StatusOr<KeySearch> FakeStore::FindByKey(const KeyQuery& query,
                                               absl::FunctionRef<bool(const KeyMatch&)> visit) {
  const MessageKeys* keys = nullptr;
  {
    MutexLock lock(&mutex_);
    keys = keys_;
  }
  if (keys == nullptr) return Store::FindByKey(query, visit);
  std::vector<KeyMatch> matches;
  ForEachCommitted([&](const Frame&, const RecordView& record) {
    if (record.message == nullptr || record.position.offset >= query.before) return;
    if (query.topic.value_or(record.message->queue.topic) != record.message->queue.topic) return;
    keys->ForEach(record.message->content, [&](uint64_t hash) {
      if (hash == query.hash) {
        matches.push_back({record.position.offset, record.message->queue.topic});
      }
    });
  });
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    if (!visit(*match)) return KeySearch{.rest_before = match->offset};
  }
  return KeySearch();
}

absl::StatusOr<LocatedMessage> FakeStore::ReadMessageAt(LogOffset offset) {
  MutexLock lock(&mutex_);
  absl::StatusOr<LocatedMessage> found = absl::NotFoundError("no message stands there");
  const auto behind =
      std::upper_bound(committed_.begin(), committed_.end(), offset,
                       [](LogOffset at, const Frame& frame) { return at < frame.offset; });
  if (behind == committed_.begin()) return found;
  const Frame& frame = *std::prev(behind);
  StoreTime time = 0;
  ForEachRecord(frame, &time, [&](const RecordView& record) {
    if (record.message == nullptr || record.position.offset != offset) return;
    found = LocatedMessage{{*record.message, {frame.payload, *frame.payload}}, frame.offset};
  });
  return found;
}

absl::StatusOr<LogOffset> FakeStore::ReadLog(LogOffset from, size_t max_bytes,
                                             absl::FunctionRef<void(const RecordView&)> visit) {
  std::set<LogOffset> damaged;
  {
    MutexLock lock(&mutex_);
    damaged = damaged_;
  }
  LogOffset next = from;
  absl::Status damage;
  ForEachCommitted([&](const Frame& frame, const RecordView& record) {
    const LogOffset end = frame.offset + kFrameHeaderBytes + frame.payload->size();
    const bool full = next > from && next != end && end - from > max_bytes;
    if (frame.offset < from || full || !damage.ok()) return;
    if (damaged.contains(frame.offset)) {
      damage = absl::DataLossError("the log is damaged at offset " + std::to_string(frame.offset));
      return;
    }
    visit(record);
    next = end;
  });
  if (!damage.ok()) return damage;
  return next;
}

void FakeStore::BeginLogFile() {
  MutexLock lock(&mutex_);
  log_files_.insert(end_);
}

void FakeStore::DamageLog(LogOffset offset) {
  MutexLock lock(&mutex_);
  damaged_.insert(offset);
}

LogOffset FakeStore::NextLogFile(LogOffset from) const {
  MutexLock lock(&mutex_);
  const auto next = log_files_.upper_bound(from);
  return next == log_files_.end() ? end_ : *next;
}

}  // namespace mansio::store
