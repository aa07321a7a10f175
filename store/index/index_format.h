#ifndef MANSIO_STORE_INDEX_INDEX_FORMAT_H_
#define MANSIO_STORE_INDEX_INDEX_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/types.h"

// The files of the key index, to and from bytes; docs/formats/key-index.md explains the layout. One
// file is about one stretch of the log and never changes. Pure functions, safe on any thread and on
// arbitrary bytes: every byte that is used is covered by a checksum.
namespace mansio::store {

inline constexpr size_t kIndexHeaderBytes = 64;
// Entries of a bucket on average: what a look-up reads.
inline constexpr size_t kIndexBucketEntries = 256;
// Of the hash, the bits behind the bucket's that are kept: whoever searches reads the messages, so
// that two that share them cost a read and no more.
inline constexpr int kIndexHashBits = 20;

// That the message at `begin` + `relative` has a key with this hash.
struct IndexEntry {
  uint64_t hash = 0;
  uint32_t relative = 0;
  uint32_t topic = 0;
};

// What a file is about.
struct IndexHeader {
  LogOffset begin = 0;  // of the log: starts of frames
  LogOffset end = 0;
  Epoch epoch = 0;           // of the frame that ends at `end`
  StoreTime first_time = 0;  // the least and the greatest of its messages; both 0 without any
  StoreTime last_time = 0;
  uint32_t entries = 0;
  uint32_t file_bytes = 0;
  uint8_t bucket_bits = 0;  // there are 2^bucket_bits
};

// A whole file. Sorts `entries`; counts and lengths of `header` are set here.
std::string EncodeIndexFile(IndexHeader header, std::vector<IndexEntry>& entries);

// DataLoss for anything but the header of a file, or one of a version that is not known.
absl::StatusOr<IndexHeader> DecodeIndexHeader(std::string_view bytes);

// The bucket of a hash, and where the file says where that begins and ends: two uint32.
uint32_t IndexBucketOf(const IndexHeader& header, uint64_t hash);
inline size_t IndexDirectoryAt(uint32_t bucket) { return kIndexHeaderBytes + 4ull * bucket; }

// Where a bucket stands in its file.
struct IndexBucketPlace {
  uint32_t begin = 0;
  uint32_t end = 0;
};
// Reads the 8 bytes at IndexDirectoryAt. DataLoss when there can be no bucket.
absl::StatusOr<IndexBucketPlace> DecodeIndexDirectory(const IndexHeader& header,
                                                      std::string_view bytes);

// Calls `visit` for each entry of the bucket that may be of `hash`, lowest log offset first.
// DataLoss, perhaps after some calls, when the bytes are not this bucket of this file.
absl::Status SearchIndexBucket(const IndexHeader& header, std::string_view bucket, uint64_t hash,
                               absl::FunctionRef<void(LogOffset offset, uint32_t topic)> visit);

}  // namespace mansio::store

#endif  // MANSIO_STORE_INDEX_INDEX_FORMAT_H_
