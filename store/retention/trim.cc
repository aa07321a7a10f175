#include "store/retention/trim.h"

#include <fmt/format.h>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {
constexpr size_t kHeaderBytes = 9;
}  // namespace

std::string EncodeTrim(LogOffset offset, bool last, absl::Span<const QueueMinimum> minima) {
  std::string body;
  body.reserve(kHeaderBytes + minima.size() * kTrimMinimumBytes);
  PutLittle<uint64_t>(body, offset);
  PutLittle<uint8_t>(body, last ? 1 : 0);
  for (const QueueMinimum& minimum : minima) {
    PutLittle<uint32_t>(body, minimum.queue.topic);
    PutLittle<uint32_t>(body, minimum.queue.queue);
    PutLittle<uint64_t>(body, minimum.min);
  }
  return body;
}

absl::StatusOr<TrimBody> DecodeTrim(std::string_view body) {
  if (body.size() < kHeaderBytes || (body.size() - kHeaderBytes) % kTrimMinimumBytes != 0) {
    return absl::DataLossError(fmt::format("a TRIM record of {} bytes is impossible", body.size()));
  }
  TrimBody trim;
  trim.offset = GetLittle<uint64_t>(body);
  trim.last = GetLittle<uint8_t>(body, 8) != 0;
  for (size_t at = kHeaderBytes; at < body.size(); at += kTrimMinimumBytes) {
    trim.minima.push_back({{GetLittle<uint32_t>(body, at), GetLittle<uint32_t>(body, at + 4)},
                           GetLittle<uint64_t>(body, at + 8)});
  }
  return trim;
}

}  // namespace mansio::store
