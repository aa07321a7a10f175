#include "store/index/index_format.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "common/crc/crc32c.h"
#include "store/checkpoint/encoding.h"
#include "store/log/little_endian.h"

namespace mansio::store {
namespace {

constexpr uint32_t kIndexMagic = 0x494b4e4d;  // "MNKI"
constexpr uint8_t kIndexVersion = 1;
constexpr int kMaxBucketBits = 20;
constexpr size_t kCrcBytes = 4;
constexpr int kEntriesComparedBits = 3;  // in groups of so many entries

uint32_t ShortHash(const IndexHeader& header, uint64_t hash) {
  return static_cast<uint32_t>(hash << header.bucket_bits >> (64 - kIndexHashBits));
}

// Covers also which bucket it is and of which file, so that a wrong place never passes.
uint32_t BucketCrc(const IndexHeader& header, uint32_t bucket, std::string_view entries) {
  std::string place;
  PutLittle<uint64_t>(place, header.begin);
  PutLittle<uint64_t>(place, header.end);
  PutLittle<uint32_t>(place, bucket);
  return ExtendCrc32c(Crc32c(place), entries);
}

void PutVarint(std::string& out, uint32_t value) {
  char bytes[5];
  out.append(bytes, StoreVarint(value, bytes));
}

uint8_t BucketBits(size_t entries) {
  const size_t buckets = std::bit_ceil(std::max<size_t>(1, entries / kIndexBucketEntries));
  return static_cast<uint8_t>(std::min(kMaxBucketBits, std::countr_zero(buckets)));
}

// Sorts by hash and place. First by the hash's leading bits, which leaves a few entries at a time
// to be compared: this is most of what the index costs.
void SortEntries(std::vector<IndexEntry>& entries) {
  const int width = static_cast<int>(std::bit_width(entries.size()));
  const int bits = std::clamp(width - kEntriesComparedBits, 1, 16);
  const auto group_of = [bits](const IndexEntry& entry) { return entry.hash >> (64 - bits); };
  std::vector<uint32_t> ends((size_t{1} << bits) + 1);  // first of a group, then behind its last
  for (const IndexEntry& entry : entries) ++ends[group_of(entry) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<IndexEntry> grouped(entries.size());
  for (const IndexEntry& entry : entries) grouped[ends[group_of(entry)]++] = entry;
  entries = std::move(grouped);
  auto begin = entries.begin();
  for (size_t group = 0; group + 1 < ends.size(); ++group) {
    const auto end = entries.begin() + ends[group];
    std::sort(begin, end, [](const IndexEntry& a, const IndexEntry& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.relative < b.relative;
    });
    begin = end;
  }
}

std::string EncodeHeader(const IndexHeader& header) {
  std::string out;
  PutLittle<uint32_t>(out, kIndexMagic);
  PutLittle<uint8_t>(out, kIndexVersion);
  PutLittle<uint8_t>(out, header.bucket_bits);
  PutLittle<uint16_t>(out, kIndexHashBits);
  PutLittle<uint64_t>(out, header.begin);
  PutLittle<uint64_t>(out, header.end);
  PutLittle<uint64_t>(out, header.epoch);
  PutLittle<int64_t>(out, header.first_time);
  PutLittle<int64_t>(out, header.last_time);
  PutLittle<uint32_t>(out, header.entries);
  PutLittle<uint32_t>(out, header.file_bytes);
  PutLittle<uint32_t>(out, 0);
  PutLittle<uint32_t>(out, Crc32c(out));
  return out;
}

absl::Status Damaged(const char* what) { return absl::DataLossError(what); }

}  // namespace

std::string EncodeIndexFile(IndexHeader header, std::vector<IndexEntry>& entries) {
  SortEntries(entries);
  header.entries = static_cast<uint32_t>(entries.size());
  header.bucket_bits = BucketBits(entries.size());
  const uint32_t buckets = uint32_t{1} << header.bucket_bits;
  const size_t data = IndexDirectoryAt(buckets + 1);
  std::string directory;
  std::string body;
  std::string bucket_bytes;
  auto entry = entries.begin();
  for (uint32_t bucket = 0; bucket < buckets; ++bucket) {
    bucket_bytes.clear();
    uint32_t hash = 0;
    for (; entry != entries.end() && IndexBucketOf(header, entry->hash) == bucket; ++entry) {
      const uint32_t next = ShortHash(header, entry->hash);
      PutVarint(bucket_bytes, next - hash);
      PutVarint(bucket_bytes, entry->relative);
      PutVarint(bucket_bytes, entry->topic);
      hash = next;
    }
    PutLittle<uint32_t>(directory, static_cast<uint32_t>(data + body.size()));
    PutLittle<uint32_t>(body, BucketCrc(header, bucket, bucket_bytes));
    body += bucket_bytes;
  }
  PutLittle<uint32_t>(directory, static_cast<uint32_t>(data + body.size()));
  header.file_bytes = static_cast<uint32_t>(data + body.size());
  return EncodeHeader(header) + directory + body;
}

absl::StatusOr<IndexHeader> DecodeIndexHeader(std::string_view bytes) {
  if (bytes.size() < kIndexHeaderBytes) return Damaged("it is too short");
  if (GetLittle<uint32_t>(bytes) != kIndexMagic) return Damaged("it is no key index");
  const size_t sealed = kIndexHeaderBytes - kCrcBytes;
  if (GetLittle<uint32_t>(bytes, sealed) != Crc32c(bytes.substr(0, sealed))) {
    return Damaged("the checksum of its header is wrong");
  }
  IndexHeader header;
  header.bucket_bits = GetLittle<uint8_t>(bytes, 5);
  if (GetLittle<uint8_t>(bytes, 4) != kIndexVersion ||
      GetLittle<uint16_t>(bytes, 6) != kIndexHashBits || header.bucket_bits > kMaxBucketBits) {
    return Damaged("it is of another version");
  }
  header.begin = GetLittle<uint64_t>(bytes, 8);
  header.end = GetLittle<uint64_t>(bytes, 16);
  header.epoch = GetLittle<uint64_t>(bytes, 24);
  header.first_time = GetLittle<int64_t>(bytes, 32);
  header.last_time = GetLittle<int64_t>(bytes, 40);
  header.entries = GetLittle<uint32_t>(bytes, 48);
  header.file_bytes = GetLittle<uint32_t>(bytes, 52);
  if (header.begin >= header.end ||
      header.file_bytes < IndexDirectoryAt((uint32_t{1} << header.bucket_bits) + 1)) {
    return Damaged("its header contradicts itself");
  }
  return header;
}

uint32_t IndexBucketOf(const IndexHeader& header, uint64_t hash) {
  return header.bucket_bits == 0 ? 0 : static_cast<uint32_t>(hash >> (64 - header.bucket_bits));
}

absl::StatusOr<IndexBucketPlace> DecodeIndexDirectory(const IndexHeader& header,
                                                      std::string_view bytes) {
  if (bytes.size() < 8) return Damaged("its directory is cut off");
  const IndexBucketPlace place{GetLittle<uint32_t>(bytes), GetLittle<uint32_t>(bytes, 4)};
  if (place.end < place.begin || place.end - place.begin < kCrcBytes ||
      place.end > header.file_bytes) {
    return Damaged("its directory is damaged");
  }
  return place;
}

absl::Status SearchIndexBucket(const IndexHeader& header, std::string_view bucket, uint64_t hash,
                               absl::FunctionRef<void(LogOffset offset, uint32_t topic)> visit) {
  uint32_t crc = 0;
  if (!TakeLittle(bucket, &crc) || crc != BucketCrc(header, IndexBucketOf(header, hash), bucket)) {
    return Damaged("the checksum of a bucket is wrong");
  }
  const uint32_t wanted = ShortHash(header, hash);
  for (uint32_t at = 0; !bucket.empty();) {
    uint32_t delta = 0;
    uint32_t relative = 0;
    uint32_t topic = 0;
    if (!TakeVarint(bucket, &delta) || !TakeVarint(bucket, &relative) ||
        !TakeVarint(bucket, &topic) || relative >= header.end - header.begin) {
      return Damaged("a bucket is malformed");
    }
    at += delta;
    if (at > wanted) break;
    if (at == wanted) visit(header.begin + relative, topic);
  }
  return absl::OkStatus();
}

}  // namespace mansio::store
