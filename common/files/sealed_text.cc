#include "common/files/sealed_text.h"

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/crc/crc32c.h"

namespace mansio {
namespace {

std::string SealOf(std::string_view text) { return fmt::format("crc {:08x}\n", Crc32c(text)); }

}  // namespace

std::string SealedText::Seal(std::string_view lines) const {
  const std::string text = fmt::format("mansio {} {}\n{}", name, version, lines);
  return text + SealOf(text);
}

absl::StatusOr<std::vector<std::string>> SealedText::Open(std::string_view content,
                                                          std::string_view path) const {
  const size_t head_end = content.find('\n');
  const std::vector<std::string> head =
      absl::StrSplit(std::string(content.substr(0, head_end)), ' ');
  int found = 0;
  if (head.size() != 3 || head[0] != "mansio" || head[1] != name ||
      !absl::SimpleAtoi(head[2], &found)) {
    return Damaged(path);
  }
  // First: what another version seals, and how, is not known.
  if (found != version) {
    return absl::FailedPreconditionError(
        fmt::format("{} is of version {}, and this program knows version {} only: {}", path, found,
                    version, unknown));
  }
  const size_t seal = content.rfind("crc ");
  if (head_end == std::string_view::npos || seal == std::string_view::npos || seal <= head_end ||
      content.substr(seal) != SealOf(content.substr(0, seal))) {
    return Damaged(path);
  }
  const std::string lines(content.substr(head_end + 1, seal - head_end - 1));
  return std::vector<std::string>(absl::StrSplit(lines, '\n', absl::SkipEmpty()));
}

absl::Status SealedText::Damaged(std::string_view path) const {
  return absl::DataLossError(fmt::format("{} is damaged, and {}", path, damaged));
}

}  // namespace mansio
