#include "store/log/replica_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/files/file_system.h"
#include "common/logging/logging.h"
#include "store/log/tail_cut.h"

namespace mansio::store {
namespace {

constexpr size_t kMaxFileBytes = 4096;

std::string PathOf(const SegmentSet& segments) { return JoinPath(segments.directory(), "REPLICA"); }

constexpr std::array<std::string_view, 5> kPhases = {"order", "move", "drop", "copy", "rebuild"};

bool ParsePhase(std::string_view word, Refill::Phase* phase) {
  const auto found = std::find(kPhases.begin(), kPhases.end(), word);
  if (found == kPhases.end()) return false;
  *phase = static_cast<Refill::Phase>(found - kPhases.begin());
  return true;
}

bool ParseLine(const std::string& line, ReplicaMarks* marks) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  LogOffset offset = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &offset)) return false;
  if (words[0] == "foreign" && words.size() == 2) {
    marks->foreign_from = offset;
    return true;
  }
  if (words[0] == "refill" && words.size() == 3) {
    marks->refill = Refill{.from = offset};
    return ParsePhase(words[2], &marks->refill->phase);
  }
  Truncation truncation{.to = offset};
  if (words[0] != "truncate" || words.size() != 3 ||
      !absl::SimpleAtoi(words[2], &truncation.written_end)) {
    return false;
  }
  marks->truncation = truncation;
  return true;
}

}  // namespace

absl::StatusOr<ReplicaMarks> ReadReplicaMarks(const SegmentSet& segments) {
  const std::string path = PathOf(segments);
  const auto exists = segments.files().Exists(path);
  if (!exists.ok()) return exists.status();
  ReplicaMarks marks;
  if (!*exists) return marks;
  const auto content = ReadWholeFile(segments.files(), path, kMaxFileBytes);
  if (!content.ok()) return content.status();
  const std::vector<std::string> lines = absl::StrSplit(*content, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    if (ParseLine(line, &marks)) continue;
    return absl::DataLossError(fmt::format(
        "{} says \"{}\", which no Mansio writes: restore the file from a copy", path, line));
  }
  return marks;
}

absl::Status WriteReplicaMarks(const SegmentSet& segments, const ReplicaMarks& marks) {
  const std::string path = PathOf(segments);
  std::string content;
  if (marks.foreign_from.has_value()) content += fmt::format("foreign {}\n", *marks.foreign_from);
  if (marks.truncation.has_value()) {
    content += fmt::format("truncate {} {}\n", marks.truncation->to, marks.truncation->written_end);
  }
  if (marks.refill.has_value()) {
    content += fmt::format("refill {} {}\n", marks.refill->from,
                           kPhases[static_cast<size_t>(marks.refill->phase)]);
  }
  if (!content.empty()) return ReplaceFile(segments.files(), path, content);
  const auto exists = segments.files().Exists(path);
  if (!exists.ok()) return exists.status();
  return *exists ? RemoveFile(segments.files(), path) : absl::OkStatus();
}

absl::Status FinishTruncation(SegmentSet& segments, ReplicaMarks& marks) {
  const Truncation truncation = *marks.truncation;
  LOG_WARNING(
      "The commit log in {} is cut from offset {} to {}, {} bytes: its master's history is another "
      "one from there on. They are kept in files *{}.",
      segments.directory(), truncation.to, truncation.written_end,
      truncation.written_end - truncation.to, kSalvagedSuffix);
  absl::Status status = MoveTailAside(segments, truncation.to, truncation.written_end);
  if (!status.ok()) return status;
  status = ZeroLog(segments, truncation.to, truncation.written_end);
  if (!status.ok()) return status;
  marks.truncation.reset();
  if (marks.foreign_from.has_value() && *marks.foreign_from > truncation.to) {
    marks.foreign_from = truncation.to;
  }
  return WriteReplicaMarks(segments, marks);
}

absl::Status BeginRefill(SegmentSet& segments, ReplicaMarks& marks) {
  Refill& refill = *marks.refill;
  if (refill.phase == Refill::Phase::kCopy || refill.phase == Refill::Phase::kRebuild) {
    return absl::OkStatus();
  }
  if (refill.phase == Refill::Phase::kOrdered) {
    if (!segments.empty()) {
      LOG_WARNING(
          "The commit log in {} is replaced: it and its master's have nothing in common that both "
          "still hold. What was there, offsets {} to {}, is kept in files *{}; you may delete them.",
          segments.directory(), segments.First(), segments.End(), kSalvagedSuffix);
    }
    refill.phase = Refill::Phase::kMoveAside;
    if (absl::Status marked = WriteReplicaMarks(segments, marks); !marked.ok()) return marked;
  }
  while (!segments.empty()) {
    absl::Status gone =
        refill.phase == Refill::Phase::kDrop ? segments.RemoveLast() : segments.MoveLastAside();
    if (!gone.ok()) return gone;
  }
  marks.foreign_from = refill.from;
  refill.phase = Refill::Phase::kCopy;
  return WriteReplicaMarks(segments, marks);
}

}  // namespace mansio::store
