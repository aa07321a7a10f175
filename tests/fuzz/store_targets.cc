// What the store keeps in a checkpoint, and its own records.

#include <string>

#include "store/checkpoint/checkpoint_meta.h"
#include "store/checkpoint/encoding.h"
#include "store/queue/entry_format.h"
#include "store/retention/segment_times.h"
#include "store/retention/snapshot.h"
#include "store/retention/trim.h"
#include "tests/fuzz/targets.h"

namespace mansio::fuzz {
namespace {

using namespace store;  // NOLINT(google-build-using-namespace): all of it is about the store

// ---- ConsumeQueues: the first byte says which of four forms follows ----

std::vector<std::string> QueueEntrySeeds() {
  const PackedEntry entry = PackEntry({.log_offset = 4096, .size = 200, .tag_hash = 7});
  const QueueKey queue{1000, 3};
  return {std::string(1, '\0') + EncodeRun(1700000000000, {entry, entry}),
          "\1" + EncodeQueueRecord({5, 9, 1700000000000}), "\2" + RunKey(queue, 256),
          "\3" + QueueRecordKey(queue)};
}

void CheckRun(std::string_view value) {
  const auto run = DecodeRun(value);
  if (!run.ok()) return;
  MANSIO_FUZZ_CHECK(run->count >= 1 && run->count <= kBlockEntries);
  std::vector<PackedEntry> entries;
  for (size_t i = 0; i < run->count; ++i) entries.push_back(PackEntry(UnpackEntry(run->At(i))));
  MANSIO_FUZZ_CHECK(EncodeRun(run->first_time, entries) == value);
}

int ReadQueueEntry(const uint8_t* data, size_t size) {
  std::string_view input = AsText(data, size);
  switch (TakeByte(input) % 4) {
    case 0:
      CheckRun(input);
      break;
    case 1:
      if (const auto record = DecodeQueueRecord(input); record.ok()) {
        MANSIO_FUZZ_CHECK(record->min <= record->next);
        MANSIO_FUZZ_CHECK(EncodeQueueRecord(*record) == input);
      }
      break;
    case 2:
      if (const auto offset = OffsetOfRunKey(input); offset.ok()) {
        const QueueKey queue{GetBig<uint32_t>(input, 2), GetBig<uint32_t>(input, 6)};
        MANSIO_FUZZ_CHECK(RunKey(queue, *offset).substr(2) == input.substr(2));
      }
      break;
    default:
      if (const auto queue = QueueOfRecordKey(input); queue.ok()) {
        MANSIO_FUZZ_CHECK(QueueRecordKey(*queue).substr(2) == input.substr(2));
      }
  }
  return 0;
}

// ---- The checkpoint's meta record ----

std::vector<std::string> MetaSeeds() {
  return {EncodeMeta({.offset = 4096,
                      .epoch = 3,
                      .synced = 5000,
                      .store_time = 1700000000000,
                      .trimmed = 1024,
                      .snapshot = 2048})};
}

int ReadMeta(const uint8_t* data, size_t size) {
  const auto meta = DecodeMeta(AsText(data, size));
  if (meta.ok()) MANSIO_FUZZ_CHECK(EncodeMeta(*meta) == AsText(data, size));
  return 0;
}

// ---- Retention: TRIM, SNAPSHOT and the times of segments ----

std::vector<std::string> RetentionSeeds() {
  const std::vector<QueueMinimum> minima = {{{1, 0}, 500}, {{1, 1}, 600}};
  return {std::string(1, '\0') + EncodeTrim(8192, true, minima),
          "\1" + EncodeSnapshotMark({{3, 4096}, 12}), "\2" + EncodeSnapshotEntry("key", "value"),
          "\3g0123456701234567"};
}

int ReadRetention(const uint8_t* data, size_t size) {
  std::string_view input = AsText(data, size);
  switch (TakeByte(input) % 4) {
    case 0:
      if (const auto trim = DecodeTrim(input); trim.ok()) {
        std::string again = EncodeTrim(trim->offset, trim->last, trim->minima);
        again[8] = input[8];  // any number but 0 means "the last"
        MANSIO_FUZZ_CHECK(again == input);
      }
      break;
    case 1:
      if (const auto mark = DecodeSnapshotMark(input); mark.ok()) {
        MANSIO_FUZZ_CHECK(EncodeSnapshotMark(*mark) == input);
      }
      break;
    case 2:
      if (const auto entry = DecodeSnapshotEntry(input); entry.ok()) {
        MANSIO_FUZZ_CHECK(EncodeSnapshotEntry(entry->first, entry->second) == input);
      }
      break;
    default: {
      const std::string_view key = input.substr(0, 9);
      SegmentTimes times;
      if (times.Restore(key, input.substr(key.size())).ok()) {
        times.Forget(GetBig<uint64_t>(key, 1));
      }
    }
  }
  return 0;
}

}  // namespace

std::vector<Target> StoreTargets() {
  return {{"queue_entry", ReadQueueEntry, QueueEntrySeeds, 20'000},
          {"checkpoint_meta", ReadMeta, MetaSeeds, 10'000},
          {"retention", ReadRetention, RetentionSeeds, 20'000}};
}

}  // namespace mansio::fuzz
