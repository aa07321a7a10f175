#include "store/index/key_index.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "store/log_reads.h"

namespace mansio::store {
namespace {

constexpr std::string_view kSuffix = ".keys";
// What is read at a time, and what the log may be ahead of the thread before it is woken: still in
// the tail cache.
constexpr uint64_t kChunkBytes = 1 << 20;
constexpr absl::Duration kShortestSleep = absl::Milliseconds(10);
constexpr absl::Duration kLongestSleep = absl::Seconds(5);
// After a failed write, so that a full disk does not keep a core busy.
constexpr absl::Duration kRetryAfter = absl::Seconds(5);
// A sector that cannot be read so often in a row will not be read later.
constexpr int kPatience = 3;
// Of the newest stretch, what is read before others have their turn.
constexpr uint64_t kTurnBytes = 64 << 20;

std::optional<LogOffset> BeginOf(std::string_view name) {
  uint64_t begin = 0;
  if (name.size() != 20 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  if (!absl::SimpleAtoi({name.data(), 20}, &begin)) return std::nullopt;
  return begin;
}

void WarnOfDamage(const absl::Status& status) {
  if (absl::IsNotFound(status)) return;  // retention was faster, and nothing is missed
  LOG_WARNING("Key index: {}. What follows up to the next file of the log is not indexed.",
              std::string(status.message()));
}

}  // namespace

KeyIndex::KeyIndex(Options options, FileSystem* files, CommitLog* log, const MessageKeys* keys)
    : options_(std::move(options)), files_(files), log_(log), keys_(keys) {}

KeyIndex::~KeyIndex() { Stop(); }

std::string KeyIndex::PathOf(LogOffset begin) const {
  return JoinPath(options_.directory, fmt::format("{:020}{}", begin, kSuffix));
}

absl::StatusOr<IndexHeader> KeyIndex::ReadHeader(const std::string& path) const {
  const auto file = files_->Open(path, OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  std::string bytes(kIndexHeaderBytes, 0);
  const auto read = (*file)->Read(0, bytes.data(), bytes.size());
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  auto header = DecodeIndexHeader(bytes);
  if (!header.ok()) return header.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size != header->file_bytes) return absl::DataLossError("its length is wrong");
  return header;
}

void KeyIndex::Remove(LogOffset begin) const {
  const absl::Status removed = files_->Remove(PathOf(begin));
  if (!removed.ok() && !absl::IsNotFound(removed)) {
    LOG_WARNING("Key index: {}", std::string(removed.message()));
  }
}

absl::StatusOr<std::map<LogOffset, KeyIndex::HeaderPtr>> KeyIndex::FilesThatFit(
    const LogHistory& recovered) const {
  std::map<LogOffset, HeaderPtr> fitting;
  const auto names = files_->List(options_.directory);
  if (!names.ok()) return names.status();
  LogOffset covered = 0;
  for (const std::string& name : *names) {
    const std::string path = JoinPath(options_.directory, name);
    const std::optional<LogOffset> begin = BeginOf(name);
    const absl::StatusOr<IndexHeader> header =
        begin ? ReadHeader(path) : absl::DataLossError("it was not finished");
    const bool fits = header.ok() && header->begin == *begin && header->begin >= covered &&
                      header->end > recovered.begin && header->end <= recovered.end &&
                      recovered.epochs.At(header->end) == header->epoch;
    if (fits) {
      covered = header->end;
      fitting[header->begin] = std::make_shared<const IndexHeader>(*header);
      continue;
    }
    LOG_INFO(
        "Key index: {} is not used: {}.", path,
        header.ok() ? "it is of log that is not there" : std::string(header.status().message()));
    if (absl::Status removed = files_->Remove(path); !removed.ok()) return removed;
  }
  return fitting;
}

absl::Status KeyIndex::Open(const LogHistory& recovered) {
  if (absl::Status made = MakeDurableDirectory(*files_, options_.directory); !made.ok()) {
    return made;
  }
  auto fitting = FilesThatFit(recovered);
  if (!fitting.ok()) return fitting.status();
  LogOffset active = recovered.begin;
  for (const CommitLog::SegmentInfo& segment : log_->Segments()) {
    if (segment.active) active = segment.first;
  }
  const MutexLock lock(&mutex_);
  pieces_ = *std::move(fitting);
  LogOffset covered = recovered.begin;
  for (const auto& [begin, header] : pieces_) {
    AddGap({covered, begin});
    covered = header->end;
  }
  // The newest first: what is far behind is indexed when nothing else is to be done.
  const LogOffset newest = std::max(covered, active);
  AddGap({covered, newest});
  open_ = IndexPiece(newest);
  return absl::OkStatus();
}

void KeyIndex::AddGap(Span gap) {
  for (const CommitLog::SegmentInfo& segment : log_->Segments()) {
    const Span part{std::max(gap.begin, segment.first), std::min(gap.end, segment.next)};
    if (part.begin < part.end) gaps_.push_back(part);
  }
  std::sort(gaps_.begin(), gaps_.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });
}

void KeyIndex::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void KeyIndex::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.SignalAll();
  }
  halted_ = true;
  if (thread_.joinable()) thread_.join();
}

void KeyIndex::Applied(LogOffset applied) {
  if (applied < wake_at_.load(std::memory_order_relaxed)) return;
  wake_at_.store(applied + kChunkBytes, std::memory_order_relaxed);
  wake_.Signal();  // without the lock: what is missed comes with the next chunk, or with time
}

void KeyIndex::Loop() {
  pthread_setname_np(pthread_self(), "mansio-keys");
  for (bool stopping = false; !stopping;) {
    const absl::Time began = absl::Now();
    absl::StatusOr<bool> more = false;
    {
      const MutexLock building(&building_);
      absl::Status advanced = Advance(kTurnBytes);
      if (!advanced.ok()) more = advanced;
    }
    if (more.ok()) {
      const MutexLock filling(&filling_);
      more = FillGap();
    }
    if (!more.ok()) {
      LOG_WARNING("Key index: {}. It is tried again in {}.", std::string(more.status().message()),
                  absl::FormatDuration(kRetryAfter));
      stopping = SleepUntil(absl::Now() + kRetryAfter);
      continue;
    }
    // Much at once is indexed in half of the time, so that it leaves the machine to others.
    const bool behind = *more || MissingBytes() > kChunkBytes;
    const absl::Duration took = std::max(absl::Now() - began, kShortestSleep);
    const MutexLock lock(&mutex_);
    if (!stopping_) wake_.WaitFor(&mutex_, behind ? took : kLongestSleep);
    stopping = stopping_;
  }
}

bool KeyIndex::SleepUntil(absl::Time time) {
  const MutexLock lock(&mutex_);
  while (!stopping_ && absl::Now() < time) wake_.WaitUntil(&mutex_, time);
  return stopping_;
}

uint64_t KeyIndex::ChunkOf(const IndexPiece& piece) const {
  const uint64_t taken = piece.next - piece.begin;
  return std::min(kChunkBytes, options_.piece_bytes - std::min(taken, options_.piece_bytes - 1));
}

bool KeyIndex::Full(const IndexPiece& piece) const {
  return piece.next - piece.begin >= options_.piece_bytes ||
         piece.entries.size() >= options_.piece_entries;
}

absl::Status KeyIndex::Advance(uint64_t max_bytes) {
  const LogOffset limit = log_->cursors().applied;
  IndexPiece chunk = NextOfOpen();
  const LogOffset goal =
      limit - std::min(limit, chunk.next) > max_bytes ? chunk.next + max_bytes : limit;
  for (bool gone = false;;) {
    if (absl::Status saved = SaveOpenIfFull(gone); !saved.ok()) return saved;
    chunk = NextOfOpen();
    if (chunk.next >= goal || halted_.load(std::memory_order_relaxed)) return absl::OkStatus();
    const LogOffset before = chunk.next;
    const absl::Status indexed = IndexSome(log_, *keys_, limit, ChunkOf(chunk), &chunk);
    gone = IsLost(indexed, before);
    if (!indexed.ok() && !gone) return indexed;
    if (indexed.ok() && chunk.next == before) return absl::OkStatus();
    AddToOpen(std::move(chunk));
    if (gone) WarnOfDamage(indexed);
  }
}

bool KeyIndex::IsLost(const absl::Status& status, LogOffset from) {
  if (status.ok()) return false;
  if (absl::IsNotFound(status) || absl::IsDataLoss(status)) return true;
  const MutexLock lock(&mutex_);
  failures_ = failed_from_ == from ? failures_ + 1 : 1;
  failed_from_ = from;
  return failures_ >= kPatience;
}

IndexPiece KeyIndex::NextOfOpen() const {
  const MutexLock lock(&mutex_);
  IndexPiece next(open_.begin);
  next.next = open_.next;
  next.epoch = open_.epoch;
  next.first_time = open_.first_time;
  next.last_time = open_.last_time;
  return next;
}

void KeyIndex::AddToOpen(IndexPiece chunk) {
  const MutexLock lock(&mutex_);
  std::vector<IndexEntry> entries = std::move(open_.entries);
  entries.insert(entries.end(), chunk.entries.begin(), chunk.entries.end());
  open_ = std::move(chunk);
  open_.entries = std::move(entries);
}

absl::Status KeyIndex::SaveOpenIfFull(bool ends_here) {
  IndexPiece full(0);
  {
    const MutexLock lock(&mutex_);
    if (!ends_here && !Full(open_)) return absl::OkStatus();
    full = open_;  // queries look into it until the file is there
  }
  if (full.epoch != 0) {
    if (absl::Status saved = Save(full); !saved.ok()) return saved;
  }
  const LogOffset next = ends_here ? NextLogFile(*log_, full.next) : full.next;
  const MutexLock lock(&mutex_);
  open_ = IndexPiece(next);
  return absl::OkStatus();
}

absl::StatusOr<bool> KeyIndex::FillGap() {
  Span gap;
  {
    const MutexLock lock(&mutex_);
    if (gaps_.empty()) return false;
    gap = gaps_.back();
  }
  IndexPiece piece(gap.begin);
  absl::Status indexed;
  while (indexed.ok() && piece.next < gap.end && !Full(piece)) {
    if (halted_.load(std::memory_order_relaxed)) return false;
    const LogOffset before = piece.next;
    indexed = IndexSome(log_, *keys_, gap.end, ChunkOf(piece), &piece);
    if (indexed.ok() && piece.next == before) piece.next = gap.end;  // the end of its segment
  }
  const bool gone = IsLost(indexed, gap.begin);
  if (!indexed.ok() && !gone) return indexed;
  LogOffset next = piece.next;
  if (piece.epoch != 0) {
    if (absl::Status saved = Save(piece); !saved.ok()) return saved;
  }
  if (gone) {
    WarnOfDamage(indexed);
    next = gap.end;  // a gap ends with its segment
  }
  const MutexLock lock(&mutex_);
  for (Span& span : gaps_) {
    if (span.begin == gap.begin) span.begin = std::min(span.end, std::max(next, span.begin));
  }
  std::erase_if(gaps_, [](const Span& span) { return span.begin >= span.end; });
  return true;
}

absl::Status KeyIndex::Save(IndexPiece& piece) {
  // Only what can not be taken back any more may be in a file.
  if (log_->cursors().synced < piece.next) {
    if (absl::Status synced = log_->SyncAll(); !synced.ok()) return synced;
  }
  const std::string bytes = EncodeIndexFile(piece.Header(), piece.entries);
  if (absl::Status saved = ReplaceFile(*files_, PathOf(piece.begin), bytes); !saved.ok()) {
    return saved;
  }
  auto header = DecodeIndexHeader(bytes);
  if (!header.ok()) return header.status();
  const MutexLock lock(&mutex_);
  pieces_[piece.begin] = std::make_shared<const IndexHeader>(*header);
  return absl::OkStatus();
}

absl::Status KeyIndex::CatchUp() {
  {
    const MutexLock building(&building_);
    absl::Status advanced = Advance(std::numeric_limits<uint64_t>::max());
    if (!advanced.ok()) return advanced;
  }
  const MutexLock filling(&filling_);
  for (;;) {
    const absl::StatusOr<bool> more = FillGap();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
  }
}

void KeyIndex::DropBelow(LogOffset offset) {
  std::vector<LogOffset> gone;
  {
    const MutexLock lock(&mutex_);
    while (!pieces_.empty() && pieces_.begin()->second->end <= offset) {
      gone.push_back(pieces_.begin()->first);
      pieces_.erase(pieces_.begin());
    }
    for (Span& gap : gaps_) gap.begin = std::min(gap.end, std::max(gap.begin, offset));
    std::erase_if(gaps_, [](const Span& gap) { return gap.begin >= gap.end; });
  }
  for (const LogOffset begin : gone) Remove(begin);
}

uint64_t KeyIndex::FileBytes() const {
  const MutexLock lock(&mutex_);
  uint64_t bytes = 0;
  for (const auto& [begin, header] : pieces_) bytes += header->file_bytes;
  return bytes;
}

uint64_t KeyIndex::MissingBytes() const {
  const LogOffset applied = log_->cursors().applied;
  const MutexLock lock(&mutex_);
  uint64_t missing = applied - std::min(applied, open_.next);
  for (const Span& gap : gaps_) missing += gap.end - gap.begin;
  return missing;
}

}  // namespace mansio::store
