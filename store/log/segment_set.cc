#include "store/log/segment_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::store {
namespace {

constexpr size_t kMaxOpenReaders = 64;

bool LengthIsPossible(uint64_t bytes) {
  return bytes >= kMinSegmentBytes && bytes % kSegmentGranularity == 0;
}

absl::Status WrongLength(const std::string& path, uint64_t bytes, std::string_view expected) {
  return absl::DataLossError(fmt::format(
      "the commit log's file {} has {} bytes, which is not {}: it was cut short or is not "
      "ours. Restore it from a copy, or start once with store.salvage=true, which keeps "
      "the log up to the damage and moves the rest aside",
      path, bytes, expected));
}

absl::Status Gap(const std::string& directory, LogOffset at, LogOffset next) {
  return absl::DataLossError(fmt::format(
      "the commit log's file {} is missing: the log has a gap from offset {} to {}. Restore "
      "the file, or start once with store.salvage=true, which keeps the log up to the gap "
      "and moves the files behind it aside",
      JoinPath(directory, SegmentName(at)), at, next));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SegmentSet>> SegmentSet::Open(FileSystem* files,
                                                             std::string directory, bool salvage) {
  if (absl::Status status = MakeDurableDirectory(*files, directory); !status.ok()) return status;
  std::unique_ptr<SegmentSet> set(new SegmentSet(files, std::move(directory)));
  if (absl::Status status = set->Load(salvage); !status.ok()) return status;
  return set;
}

absl::Status SegmentSet::Load(bool salvage) {
  auto names = files_->List(directory_);
  if (!names.ok()) return names.status();
  MutexLock lock(&mutex_);
  bool beyond_gap = false;
  for (const std::string& name : *names) {
    const std::string path = JoinPath(directory_, name);
    if (name.ends_with(kPreparingSuffix) || name.ends_with(kRetiredSuffix)) {
      if (absl::Status status = files_->Remove(path); !status.ok()) return status;
      continue;
    }
    const std::optional<LogOffset> first = ParseSegmentName(name);
    if (!first.has_value()) continue;
    auto file = files_->Open(path, OpenMode::kReadOnly);
    if (!file.ok()) return file.status();
    auto bytes = (*file)->Size();
    if (!bytes.ok()) return bytes.status();
    if (!segments_.empty() && *first != segments_.back()->end()) {
      if (!salvage) {
        const Segment& last = *segments_.back();
        return *first > last.end() ? Gap(directory_, last.end(), *first)
                                   : WrongLength(last.path(), last.bytes(),
                                                 fmt::format("{}, where the next file begins",
                                                             *first - last.first()));
      }
      beyond_gap = true;
    }
    if (!LengthIsPossible(*bytes)) {
      if (!salvage) {
        return WrongLength(
            path, *bytes,
            fmt::format("a multiple of {} and at least {}", kSegmentGranularity, kMinSegmentBytes));
      }
      // The good frames in it, if any, still count; Recover cuts behind them.
      if (*bytes < kMinSegmentBytes) beyond_gap = true;
    }
    if (beyond_gap) {
      if (absl::Status status = MoveAside(*first, path); !status.ok()) return status;
    } else {
      segments_.push_back(std::make_shared<Segment>(*first, *bytes, /*recycled=*/false, path));
    }
  }
  return absl::OkStatus();
}

bool SegmentSet::empty() const {
  MutexLock lock(&mutex_);
  return segments_.empty();
}

LogOffset SegmentSet::First() const {
  MutexLock lock(&mutex_);
  return segments_.empty() ? 0 : segments_.front()->first();
}

LogOffset SegmentSet::End() const {
  MutexLock lock(&mutex_);
  return segments_.empty() ? 0 : segments_.back()->end();
}

std::shared_ptr<const Segment> SegmentSet::Find(LogOffset offset) const {
  MutexLock lock(&mutex_);
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), offset,
      [](LogOffset at, const std::shared_ptr<const Segment>& s) { return at < s->first(); });
  if (after == segments_.begin()) return nullptr;
  const auto& found = *std::prev(after);
  return offset < found->end() ? found : nullptr;
}

std::vector<std::shared_ptr<const Segment>> SegmentSet::All() const {
  MutexLock lock(&mutex_);
  return segments_;
}

absl::StatusOr<std::shared_ptr<File>> SegmentSet::Reader(const Segment& segment) const {
  {
    MutexLock lock(&mutex_);
    auto found = std::find_if(readers_.begin(), readers_.end(),
                              [&](const auto& entry) { return entry.first == segment.first(); });
    if (found != readers_.end()) {
      std::rotate(found, found + 1, readers_.end());
      return readers_.back().second;
    }
  }
  auto opened = files_->Open(segment.path(), OpenMode::kReadOnly);
  if (!opened.ok()) return opened.status();
  std::shared_ptr<File> file = *std::move(opened);
  std::shared_ptr<File> closed;  // outside the lock
  MutexLock lock(&mutex_);
  // Dropped meanwhile: kept, it would keep the disk space of a file that nobody reads any more.
  if (segments_.empty() || segments_.front()->first() > segment.first()) return file;
  if (readers_.size() >= kMaxOpenReaders) {
    closed = std::move(readers_.front().second);
    readers_.erase(readers_.begin());
  }
  readers_.emplace_back(segment.first(), file);
  return file;
}

absl::StatusOr<size_t> SegmentSet::Read(LogOffset offset, char* out, size_t size) const {
  const std::shared_ptr<const Segment> segment = Find(offset);
  const auto gone = [&] {
    return absl::NotFoundError(
        fmt::format("offset {} is no longer in the commit log {}", offset, directory_));
  };
  if (segment == nullptr) return gone();
  const auto read = [&]() -> absl::StatusOr<size_t> {
    auto file = Reader(*segment);
    if (!file.ok()) return file.status();
    return (*file)->Read(offset - segment->first(), out,
                         std::min<uint64_t>(size, segment->end() - offset));
  };
  auto result = read();
  // A dropped segment's file may already carry newer parts of the log.
  if (Find(offset) != segment) return gone();
  return result;
}

LogOffset SegmentSet::NextData(LogOffset offset) const {
  const std::shared_ptr<const Segment> segment = Find(offset);
  if (segment == nullptr) return offset;
  auto file = Reader(*segment);
  if (!file.ok()) return offset;
  return std::min(segment->first() + (*file)->NextData(offset - segment->first()), segment->end());
}

LogOffset SegmentSet::NextHole(LogOffset offset) const {
  const std::shared_ptr<const Segment> segment = Find(offset);
  if (segment == nullptr) return offset;
  auto file = Reader(*segment);
  if (!file.ok()) return segment->end();
  return segment->first() +
         std::min((*file)->NextHole(offset - segment->first()), segment->end() - segment->first());
}

void SegmentSet::SetReadAhead(LogOffset offset, bool on) const {
  const std::shared_ptr<const Segment> segment = Find(offset);
  if (segment == nullptr) return;
  auto file = Reader(*segment);
  if (!file.ok()) return;
  (*file)->SetReadAhead(on);
  // Reading what was read ahead would go on reading ahead, whatever is said here.
  if (!on) (*file)->ForgetCached(offset - segment->first());
}

void SegmentSet::Add(Segment segment) {
  MutexLock lock(&mutex_);
  segments_.push_back(std::make_shared<Segment>(std::move(segment)));
}

void SegmentSet::Forget(LogOffset first) {
  std::erase_if(readers_, [&](const auto& entry) { return entry.first == first; });
}

absl::Status SegmentSet::DropBelow(LogOffset offset, uint64_t reusable_bytes) {
  MutexLock dropping(&dropping_);
  for (;;) {
    std::shared_ptr<const Segment> oldest;
    bool retire = false;
    {
      MutexLock lock(&mutex_);
      if (segments_.empty() || segments_.front()->end() > offset) return absl::OkStatus();
      oldest = segments_.front();
      segments_.erase(segments_.begin());
      Forget(oldest->first());
      retire = reusable_bytes != 0 && oldest->bytes() == reusable_bytes && !retired_.has_value();
    }
    const std::string retired = oldest->path() + std::string(kRetiredSuffix);
    absl::Status status =
        retire ? files_->Rename(oldest->path(), retired) : files_->Remove(oldest->path());
    if (status.ok()) status = files_->SyncDirectory(directory_);
    if (!status.ok()) return status;
    if (retire) {
      MutexLock lock(&mutex_);
      retired_ = Retired{retired, oldest->bytes()};
    }
  }
}

std::optional<SegmentSet::Retired> SegmentSet::TakeRetired() {
  MutexLock lock(&mutex_);
  return std::exchange(retired_, std::nullopt);
}

absl::Status SegmentSet::RemoveLast() {
  std::shared_ptr<const Segment> last;
  {
    MutexLock lock(&mutex_);
    last = segments_.back();
    segments_.pop_back();
    Forget(last->first());
  }
  if (absl::Status status = files_->Remove(last->path()); !status.ok()) return status;
  return files_->SyncDirectory(directory_);
}

absl::Status SegmentSet::ExtendLast(uint64_t bytes) {
  const std::shared_ptr<const Segment> last = All().back();
  auto file = files_->Open(last->path(), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Allocate(0, bytes); !status.ok()) return status;
  if (absl::Status status = (*file)->Sync(); !status.ok()) return status;
  MutexLock lock(&mutex_);
  segments_.back() =
      std::make_shared<Segment>(last->first(), bytes, last->recycled(), last->path());
  return absl::OkStatus();
}

absl::StatusOr<std::string> SegmentSet::SalvagePath(LogOffset offset) const {
  const std::string stem = JoinPath(directory_, SegmentName(offset));
  for (int attempt = 1;; ++attempt) {
    std::string path = attempt == 1 ? fmt::format("{}{}", stem, kSalvagedSuffix)
                                    : fmt::format("{}.{}{}", stem, attempt, kSalvagedSuffix);
    auto exists = files_->Exists(path);
    if (!exists.ok()) return exists.status();
    if (!*exists) return path;
  }
}

absl::Status SegmentSet::MoveAside(LogOffset first, const std::string& path) const {
  auto aside = SalvagePath(first);
  if (!aside.ok()) return aside.status();
  if (absl::Status status = files_->Rename(path, *aside); !status.ok()) return status;
  return files_->SyncDirectory(directory_);
}

absl::Status SegmentSet::MoveLastAside() {
  std::shared_ptr<const Segment> last;
  {
    MutexLock lock(&mutex_);
    last = segments_.back();
    segments_.pop_back();
    Forget(last->first());
  }
  return MoveAside(last->first(), last->path());
}

}  // namespace mansio::store
