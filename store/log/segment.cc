#include "store/log/segment.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace mansio::store {
namespace {

constexpr size_t kNameDigits = 20;

// Allocates and syncs a new file under a name that recovery ignores.
absl::Status CreateFile(FileSystem& files, const std::string& path, uint64_t bytes) {
  auto file = files.Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Allocate(0, bytes); !status.ok()) return status;
  return (*file)->Sync();
}

}  // namespace

std::string SegmentName(LogOffset first) { return fmt::format("{:020}", first); }

std::optional<LogOffset> ParseSegmentName(std::string_view name) {
  LogOffset first = 0;
  if (name.size() != kNameDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return first;
}

absl::StatusOr<Segment> CreateSegment(FileSystem& files, const std::string& directory,
                                      LogOffset first, uint64_t bytes) {
  const std::string path = JoinPath(directory, SegmentName(first));
  const std::string preparing = path + std::string(kPreparingSuffix);
  // A leftover of an earlier attempt could have another length or content.
  if (auto leftover = files.Exists(preparing); leftover.ok() && *leftover) {
    if (absl::Status status = files.Remove(preparing); !status.ok()) return status;
  }
  if (absl::Status status = CreateFile(files, preparing, bytes); !status.ok()) {
    files.Remove(preparing).IgnoreError();  // The space it took may be what others wait for.
    return status;
  }
  if (absl::Status status = files.Rename(preparing, path); !status.ok()) return status;
  if (absl::Status status = files.SyncDirectory(directory); !status.ok()) return status;
  return Segment(first, bytes, /*recycled=*/false, path);
}

absl::StatusOr<Segment> ReuseSegment(FileSystem& files, const std::string& retired,
                                     const std::string& directory, LogOffset first,
                                     uint64_t bytes) {
  const std::string path = JoinPath(directory, SegmentName(first));
  if (absl::Status status = files.Rename(retired, path); !status.ok()) return status;
  if (absl::Status status = files.SyncDirectory(directory); !status.ok()) return status;
  return Segment(first, bytes, /*recycled=*/true, path);
}

}  // namespace mansio::store
