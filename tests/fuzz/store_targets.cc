// What the store keeps in a checkpoint, and its own records.

#include <algorithm>
#include <string>

#include "common/crc/crc32c.h"
#include "store/checkpoint/checkpoint_meta.h"
#include "store/checkpoint/encoding.h"
#include "store/index/index_format.h"
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

// ---- The key index: a file as a search reads it, as it is and with the right checksums ----

std::vector<std::string> KeyIndexSeeds() {
  std::vector<IndexEntry> few = {{1, 64, 7}, {uint64_t{1} << 63, 64, 7}};
  std::vector<IndexEntry> many;
  for (uint32_t i = 0; i < 700; ++i) many.push_back({i * 0x9e3779b97f4a7c15, 100 * i, i % 3});
  const IndexHeader header{.begin = 4096, .end = 100'000, .epoch = 2};
  std::vector<std::string> seeds = {EncodeIndexFile(header, few), EncodeIndexFile(header, many)};
  for (std::string& seed : seeds) seed.insert(0, "01234567");  // the hash
  return seeds;
}

void PutCrc(std::string& bytes, size_t at, uint32_t crc) {
  std::string sealed;
  PutLittle<uint32_t>(sealed, crc);
  bytes.replace(at, sealed.size(), sealed);
}

// `search` is called with the bucket of the hash, if the file says where that is.
template <typename Search>
void WithBucket(const std::string& file, uint64_t hash, Search search) {
  const auto header = DecodeIndexHeader(file);
  if (!header.ok()) return;
  const uint32_t number = IndexBucketOf(*header, hash);
  const size_t at = std::min(file.size(), IndexDirectoryAt(number));
  const auto place = DecodeIndexDirectory(*header, std::string_view(file).substr(at));
  if (!place.ok()) return;
  MANSIO_FUZZ_CHECK(place->begin <= place->end && place->end <= header->file_bytes);
  search(*header, number,
         file.substr(std::min<size_t>(file.size(), place->begin), place->end - place->begin));
}

void SearchBucket(const IndexHeader& header, const std::string& bucket, uint64_t hash) {
  const absl::Status searched = SearchIndexBucket(
      header, bucket, hash,
      [&](LogOffset offset, uint32_t) { MANSIO_FUZZ_CHECK(offset >= header.begin); });
  MANSIO_FUZZ_CHECK(searched.ok() || absl::IsDataLoss(searched));
}

int ReadKeyIndex(const uint8_t* data, size_t size) {
  const std::string_view input = AsText(data, size);
  if (input.size() < 8) return 0;
  const auto hash = GetLittle<uint64_t>(input);
  std::string file(input.substr(8));
  WithBucket(file, hash, [&](const IndexHeader& header, uint32_t, const std::string& bucket) {
    SearchBucket(header, bucket, hash);
  });
  if (file.size() < kIndexHeaderBytes) return 0;
  PutCrc(file, kIndexHeaderBytes - 4, Crc32c(file.substr(0, kIndexHeaderBytes - 4)));
  WithBucket(file, hash, [&](const IndexHeader& header, uint32_t number, std::string bucket) {
    if (bucket.size() < 4) return;
    std::string covered;
    PutLittle<uint64_t>(covered, header.begin);
    PutLittle<uint64_t>(covered, header.end);
    PutLittle<uint32_t>(covered, number);
    PutCrc(bucket, 0, Crc32c(covered + bucket.substr(4)));
    SearchBucket(header, bucket, hash);
  });
  return 0;
}

}  // namespace

std::vector<Target> StoreTargets() {
  return {{"queue_entry", ReadQueueEntry, QueueEntrySeeds, 20'000},
          {"checkpoint_meta", ReadMeta, MetaSeeds, 10'000},
          {"retention", ReadRetention, RetentionSeeds, 20'000},
          {"key_index", ReadKeyIndex, KeyIndexSeeds, 20'000}};
}

}  // namespace mansio::fuzz
