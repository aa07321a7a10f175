#include "store/log/tail_cut.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace mansio::store {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

// Zeros [from, to) of one file; pieces that are zero already are left alone.
absl::Status ZeroFile(FileSystem& files, const Segment& segment, LogOffset from, LogOffset to) {
  auto file = files.Open(segment.path(), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  std::vector<char> piece(kPieceBytes);
  const std::string zeros(kPieceBytes, '\0');
  for (LogOffset at = from; at < to;) {
    const size_t bytes = std::min<uint64_t>(kPieceBytes, to - at);
    auto read = (*file)->Read(at - segment.first(), piece.data(), bytes);
    if (!read.ok()) return read.status();
    const bool zero =
        std::all_of(piece.data(), piece.data() + *read, [](char c) { return c == 0; });
    if (!zero) {
      const std::string_view blank = std::string_view(zeros).substr(0, *read);
      if (absl::Status status = (*file)->Write(at - segment.first(), blank); !status.ok()) {
        return status;
      }
    }
    at += bytes;
  }
  return (*file)->Datasync();
}

// [from, to) of the segment's file, or what there is of it.
absl::Status CopyTail(FileSystem& files, const Segment& segment, LogOffset from, LogOffset to,
                      const std::string& path) {
  auto source = files.Open(segment.path(), OpenMode::kReadOnly);
  if (!source.ok()) return source.status();
  auto target = files.Open(path, OpenMode::kCreateNew);
  if (!target.ok()) return target.status();
  std::vector<char> piece(kPieceBytes);
  for (uint64_t done = 0; from + done < to;) {
    const size_t wanted = std::min<uint64_t>(piece.size(), to - from - done);
    auto read = (*source)->Read(from - segment.first() + done, piece.data(), wanted);
    if (!read.ok()) return read.status();
    if (*read == 0) break;
    const std::string_view bytes(piece.data(), *read);
    if (absl::Status status = (*target)->Write(done, bytes); !status.ok()) return status;
    done += *read;
  }
  return (*target)->Sync();
}

}  // namespace

absl::Status ZeroLog(const SegmentSet& segments, LogOffset from, LogOffset to) {
  while (from < to) {
    const auto segment = segments.Find(from);
    if (segment == nullptr) break;
    const LogOffset end = std::min(to, segment->end());
    if (absl::Status status = ZeroFile(segments.files(), *segment, from, end); !status.ok()) {
      return status;
    }
    from = end;
  }
  return absl::OkStatus();
}

absl::Status MoveTailAside(SegmentSet& segments, LogOffset from, LogOffset written_end) {
  const auto segment = segments.Find(from);
  while (!segments.empty() && segments.All().back()->first() > from) {
    if (absl::Status status = segments.MoveLastAside(); !status.ok()) return status;
  }
  if (segment == nullptr || from >= written_end) return absl::OkStatus();
  auto path = segments.SalvagePath(from);
  if (!path.ok()) return path.status();
  absl::Status status = CopyTail(segments.files(), *segment, from, written_end, *path);
  if (!status.ok()) return status;
  return segments.files().SyncDirectory(segments.directory());
}

}  // namespace mansio::store
