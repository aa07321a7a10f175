#include "store/retention/carry.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {
constexpr size_t kPlaceBytes = 2 * 8;
}  // namespace

std::string EncodeCarry(QueueOffset offset, LogOffset old_offset, std::string_view message_record) {
  std::string body;
  body.reserve(kPlaceBytes + message_record.size());
  PutLittle<uint64_t>(body, offset);
  PutLittle<uint64_t>(body, old_offset);
  body.append(message_record);
  return body;
}

absl::StatusOr<CarryPlace> DecodeCarry(const RecordView& record, uint32_t record_bytes) {
  std::string_view rest = record.body.substr(std::min(record.body.size(), kPlaceBytes));
  EncodedRecord carried;
  EncodedMessage message;
  if (!TakeRecord(rest, &carried) || !rest.empty() || carried.kind != kMessageRecord ||
      !DecodeMessageBody(carried.body, &message)) {
    return absl::DataLossError(
        fmt::format("a CARRY record of {} bytes holds no message", record.body.size()));
  }
  const auto header_bytes = static_cast<uint32_t>(record_bytes - record.body.size());
  CarryPlace place;
  place.queue = message.queue;
  place.offset = GetLittle<uint64_t>(record.body);
  place.old_offset = GetLittle<uint64_t>(record.body, 8);
  place.entry = {record.position.offset + header_bytes + kPlaceBytes, carried.bytes,
                 message.tag_hash};
  return place;
}

}  // namespace mansio::store
