#include "store/checkpoint/checkpoint_meta.h"

#include <fmt/format.h>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {
constexpr size_t kMetaBytes = 4 + 6 * 8;
}

std::string EncodeMeta(const CheckpointMeta& meta) {
  std::string out;
  out.reserve(kMetaBytes);
  PutLittle<uint32_t>(out, kCheckpointFormat);
  PutLittle<uint64_t>(out, meta.offset);
  PutLittle<uint64_t>(out, meta.epoch);
  PutLittle<uint64_t>(out, meta.synced);
  PutLittle<int64_t>(out, meta.store_time);
  PutLittle<uint64_t>(out, meta.trimmed);
  PutLittle<uint64_t>(out, meta.snapshot);
  return out;
}

absl::StatusOr<CheckpointMeta> DecodeMeta(std::string_view value) {
  if (value.size() < 4 || GetLittle<uint32_t>(value) != kCheckpointFormat) {
    return absl::DataLossError(
        fmt::format("the checkpoint is of another format than {}", kCheckpointFormat));
  }
  if (value.size() != kMetaBytes) {
    return absl::DataLossError(
        fmt::format("the checkpoint's meta record has {} bytes, not {}", value.size(), kMetaBytes));
  }
  CheckpointMeta meta;
  meta.offset = GetLittle<uint64_t>(value, 4);
  meta.epoch = GetLittle<uint64_t>(value, 12);
  meta.synced = GetLittle<uint64_t>(value, 20);
  meta.store_time = GetLittle<int64_t>(value, 28);
  meta.trimmed = GetLittle<uint64_t>(value, 36);
  meta.snapshot = GetLittle<uint64_t>(value, 44);
  return meta;
}

}  // namespace mansio::store
