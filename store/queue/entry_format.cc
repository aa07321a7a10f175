#include "store/queue/entry_format.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {

constexpr size_t kRecordKeyBytes = 2 + 4 + 4;
constexpr size_t kRunKeyBytes = kRecordKeyBytes + 8;
constexpr size_t kQueueRecordBytes = 3 * 8;
constexpr size_t kCarriedEntryBytes = 1 + kEntryBytes;

std::string Key(std::string_view prefix, QueueKey queue) {
  std::string key(prefix);
  key.reserve(kRunKeyBytes);
  PutBig<uint32_t>(key, queue.topic);
  PutBig<uint32_t>(key, queue.queue);
  return key;
}

std::string TopicPrefix(std::string_view prefix, uint32_t topic) {
  std::string key(prefix);
  PutBig<uint32_t>(key, topic);
  return key;
}

absl::Status Damaged(std::string_view what, size_t bytes) {
  return absl::DataLossError(
      fmt::format("the checkpoint is damaged: a {} of {} bytes is impossible", what, bytes));
}

}  // namespace

PackedEntry PackEntry(const QueueEntry& entry) {
  static_assert(std::endian::native == std::endian::little);
  PackedEntry packed;
  std::memcpy(packed.data(), &entry.log_offset, 8);
  std::memcpy(packed.data() + 8, &entry.size, 4);
  std::memcpy(packed.data() + 12, &entry.tag_hash, 8);
  return packed;
}

QueueEntry UnpackEntry(const PackedEntry& packed) {
  QueueEntry entry;
  std::memcpy(&entry.log_offset, packed.data(), 8);
  std::memcpy(&entry.size, packed.data() + 8, 4);
  std::memcpy(&entry.tag_hash, packed.data() + 12, 8);
  return entry;
}

std::string RunKey(QueueKey queue, QueueOffset first) {
  std::string key = Key(kRunPrefix, queue);
  PutBig<uint64_t>(key, first);
  return key;
}

std::string QueueRecordKey(QueueKey queue) { return Key(kQueueRecordPrefix, queue); }

std::string TopicRunPrefix(uint32_t topic) { return TopicPrefix(kRunPrefix, topic); }

std::string TopicRecordPrefix(uint32_t topic) { return TopicPrefix(kQueueRecordPrefix, topic); }

absl::StatusOr<QueueOffset> OffsetOfRunKey(std::string_view key) {
  if (key.size() != kRunKeyBytes) return Damaged("run key", key.size());
  return GetBig<uint64_t>(key, kRecordKeyBytes);
}

absl::StatusOr<QueueKey> QueueOfRecordKey(std::string_view key) {
  if (key.size() != kRecordKeyBytes) return Damaged("queue record key", key.size());
  return QueueKey{GetBig<uint32_t>(key, 2), GetBig<uint32_t>(key, 6)};
}

std::string EncodeRun(StoreTime first_time, absl::Span<const PackedEntry> entries) {
  std::string value;
  value.reserve(kRunHeaderBytes + entries.size() * kEntryBytes);
  PutLittle<int64_t>(value, first_time);
  for (const PackedEntry& entry : entries) value.append(entry.data(), entry.size());
  return value;
}

PackedEntry RunView::At(size_t index) const {
  PackedEntry entry;
  std::memcpy(entry.data(), entries.data() + index * kEntryBytes, kEntryBytes);
  return entry;
}

absl::StatusOr<RunView> DecodeRun(std::string_view value) {
  const size_t bytes = value.size();
  if (bytes < kRunHeaderBytes + kEntryBytes || (bytes - kRunHeaderBytes) % kEntryBytes != 0 ||
      bytes > kRunHeaderBytes + kBlockEntries * kEntryBytes) {
    return Damaged("run", bytes);
  }
  RunView run;
  run.first_time = GetLittle<int64_t>(value);
  run.entries = value.substr(kRunHeaderBytes);
  run.count = run.entries.size() / kEntryBytes;
  return run;
}

std::string CarriedKey(QueueKey queue, QueueOffset block) {
  std::string key = Key(kCarriedPrefix, queue);
  PutBig<uint64_t>(key, block);
  return key;
}

absl::StatusOr<std::pair<QueueKey, QueueOffset>> PlaceOfCarriedKey(std::string_view key) {
  if (key.size() != kRunKeyBytes) return Damaged("key of carried entries", key.size());
  const QueueKey queue{GetBig<uint32_t>(key, 2), GetBig<uint32_t>(key, 6)};
  return std::pair(queue, GetBig<uint64_t>(key, kRecordKeyBytes));
}

std::string EncodeCarried(absl::Span<const CarriedPackedEntry> entries) {
  std::string value;
  value.reserve(entries.size() * kCarriedEntryBytes);
  for (const CarriedPackedEntry& carried : entries) {
    PutLittle<uint8_t>(value, carried.index);
    value.append(carried.entry.data(), carried.entry.size());
  }
  return value;
}

absl::StatusOr<std::vector<CarriedPackedEntry>> DecodeCarried(std::string_view value) {
  if (value.empty() || value.size() % kCarriedEntryBytes != 0 ||
      value.size() > kBlockEntries * kCarriedEntryBytes) {
    return Damaged("value of carried entries", value.size());
  }
  std::vector<CarriedPackedEntry> entries(value.size() / kCarriedEntryBytes);
  for (CarriedPackedEntry& carried : entries) {
    carried.index = GetLittle<uint8_t>(value);
    std::memcpy(carried.entry.data(), value.data() + 1, kEntryBytes);
    value.remove_prefix(kCarriedEntryBytes);
  }
  return entries;
}

std::string EncodeQueueRecord(const QueueRecord& record) {
  std::string value;
  PutLittle<uint64_t>(value, record.min);
  PutLittle<uint64_t>(value, record.next);
  PutLittle<int64_t>(value, record.first_time);
  return value;
}

absl::StatusOr<QueueRecord> DecodeQueueRecord(std::string_view value) {
  if (value.size() != kQueueRecordBytes) return Damaged("queue record", value.size());
  QueueRecord record{GetLittle<uint64_t>(value), GetLittle<uint64_t>(value, 8),
                     GetLittle<int64_t>(value, 16)};
  if (record.min > record.next) return Damaged("queue record with min above next", value.size());
  return record;
}

}  // namespace mansio::store
