#ifndef MANSIO_STORE_LOG_SEGMENT_H_
#define MANSIO_STORE_LOG_SEGMENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"
#include "store/types.h"

// The files of the log. A segment file is named by the log offset of its first byte, in 20 digits.
// It gets that name only when it has its full length and is durable, so a file with such a name
// that is shorter than its frames say was damaged, never half created.
namespace mansio::store {

inline constexpr uint64_t kMinSegmentBytes = 64 << 10;
inline constexpr uint64_t kSegmentGranularity = 4096;  // lengths are multiples of it

inline constexpr std::string_view kPreparingSuffix = ".preparing";  // not ready yet
inline constexpr std::string_view kRetiredSuffix = ".retired";      // dropped, kept for reuse
inline constexpr std::string_view kSalvagedSuffix = ".salvaged";    // taken out of the log

// "00000000000001048576" for 1 MiB.
std::string SegmentName(LogOffset first);
// The offset of such a name, nullopt for any other name.
std::optional<LogOffset> ParseSegmentName(std::string_view name);

// One segment file of the log, [first, end). Immutable but for its file's content.
class Segment {
 public:
  Segment(LogOffset first, uint64_t bytes, bool recycled, std::string path)
      : first_(first), bytes_(bytes), recycled_(recycled), path_(std::move(path)) {}

  LogOffset first() const { return first_; }
  LogOffset end() const { return first_ + bytes_; }
  uint64_t bytes() const { return bytes_; }
  // True for a reused file: its blocks were all written once, so a flush changes no metadata.
  bool recycled() const { return recycled_; }
  const std::string& path() const { return path_; }

 private:
  const LogOffset first_;
  const uint64_t bytes_;
  const bool recycled_;
  const std::string path_;
};

// Creates the segment [first, first+bytes) durably: allocated in full, file and directory synced.
// ResourceExhausted when the disk is full; then nothing is left behind. Any thread.
absl::StatusOr<Segment> CreateSegment(FileSystem& files, const std::string& directory,
                                      LogOffset first, uint64_t bytes);

// Makes the retired file at `retired`, of `bytes`, the segment that begins at `first`, durably.
absl::StatusOr<Segment> ReuseSegment(FileSystem& files, const std::string& retired,
                                     const std::string& directory, LogOffset first, uint64_t bytes);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_SEGMENT_H_
