#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "store/index/key_index.h"

namespace mansio::store {
namespace {

// Of the newest stretch, that a query reads itself before it answers without the rest; and how long
// it lets others read, who may be far behind or wait for the disk.
constexpr uint64_t kReadByQuery = 8 << 20;
constexpr absl::Duration kQueryWaits = absl::Milliseconds(250);

bool Wanted(const KeyQuery& query, const KeyMatch& match) {
  return match.offset < query.before && (!query.topic.has_value() || match.topic == *query.topic);
}

bool MayHave(const KeyQuery& query, const IndexHeader& header) {
  return header.entries > 0 && header.begin < query.before && header.first_time <= query.until &&
         header.last_time >= query.from;
}

absl::StatusOr<std::string> ReadExactly(const File& file, uint64_t at, size_t size) {
  std::string bytes(size, 0);
  const auto read = file.Read(at, bytes.data(), size);
  if (!read.ok()) return read.status();
  if (*read < size) return absl::DataLossError("it is cut off");
  return bytes;
}

}  // namespace

void KeyIndex::AdvanceForQuery(LogOffset before) {
  const LogOffset wanted = std::min(before, log_->cursors().applied);
  for (const absl::Time until = absl::Now() + kQueryWaits; NextOfOpen().next < wanted;) {
    if (building_.TryLock()) {
      const absl::Status advanced = Advance(kReadByQuery);
      building_.Unlock();
      // Without what could not be read or saved now: the search says how much is missing.
      if (!advanced.ok()) LOG_WARNING("Key index: {}", std::string(advanced.message()));
      return;
    }
    if (absl::Now() >= until) return;
    absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::StatusOr<KeySearch> KeyIndex::Find(const KeyQuery& query,
                                         absl::FunctionRef<bool(const KeyMatch&)> visit) {
  AdvanceForQuery(query.before);
  std::vector<HeaderPtr> files;
  std::vector<KeyMatch> newest;
  {
    // Together: a stretch is in memory until its file is there.
    const MutexLock lock(&mutex_);
    newest = MatchesInMemory(query);
    for (const auto& [begin, header] : pieces_) {
      if (begin != open_.begin && MayHave(query, *header)) files.push_back(header);
    }
  }
  LogOffset last = 0;
  const auto wants_more = [&](const KeyMatch& match) {
    last = match.offset;
    return visit(match);
  };
  bool more = std::all_of(newest.rbegin(), newest.rend(), wants_more);
  size_t rest = files.size();
  for (size_t left = std::max<size_t>(1, query.max_files); more && rest > 0 && left > 0; --left) {
    const IndexHeader& header = *files[--rest];
    const absl::StatusOr<std::vector<KeyMatch>> matches = MatchesInFile(header, query);
    if (matches.ok()) {
      more = std::all_of(matches->rbegin(), matches->rend(), wants_more);
    } else if (absl::IsDataLoss(matches.status()) || absl::IsNotFound(matches.status())) {
      Discard(header, matches.status());
    } else {
      return matches.status();
    }
  }
  KeySearch search{.missing_bytes = MissingBytes()};
  if (!more) {
    search.rest_before = last;
  } else if (rest > 0) {
    search.rest_before = files[rest]->begin;
  }
  return search;
}

std::vector<KeyMatch> KeyIndex::MatchesInMemory(const KeyQuery& query) const {
  std::vector<KeyMatch> matches;
  for (const IndexEntry& entry : open_.entries) {
    if (entry.hash != query.hash) continue;
    const KeyMatch match{open_.begin + entry.relative, entry.topic};
    if (Wanted(query, match)) matches.push_back(match);
  }
  return matches;
}

absl::StatusOr<std::vector<KeyMatch>> KeyIndex::MatchesInFile(const IndexHeader& header,
                                                              const KeyQuery& query) const {
  const auto file = files_->Open(PathOf(header.begin), OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  const auto directory =
      ReadExactly(**file, IndexDirectoryAt(IndexBucketOf(header, query.hash)), 8);
  if (!directory.ok()) return directory.status();
  const auto place = DecodeIndexDirectory(header, *directory);
  if (!place.ok()) return place.status();
  const auto bucket = ReadExactly(**file, place->begin, place->end - place->begin);
  if (!bucket.ok()) return bucket.status();
  std::vector<KeyMatch> matches;
  absl::Status searched =
      SearchIndexBucket(header, *bucket, query.hash, [&](LogOffset offset, uint32_t topic) {
        if (const KeyMatch match{offset, topic}; Wanted(query, match)) matches.push_back(match);
      });
  if (!searched.ok()) return searched;
  // Of several keys with the same bits; a search goes on by the offset.
  std::sort(matches.begin(), matches.end(),
            [](const KeyMatch& a, const KeyMatch& b) { return a.offset < b.offset; });
  return matches;
}

void KeyIndex::Discard(const IndexHeader& header, const absl::Status& why) {
  if (header.end <= log_->cursors().min) return;  // retention was faster
  LOG_WARNING("Key index: {} is made again from the log: {}.", PathOf(header.begin),
              std::string(why.message()));
  const MutexLock lock(&mutex_);
  const auto found = pieces_.find(header.begin);
  if (found == pieces_.end() || found->second.get() != &header) return;
  pieces_.erase(found);
  Remove(header.begin);  // before anybody can make it again
  AddGap({header.begin, header.end});
  wake_.SignalAll();
}

}  // namespace mansio::store
