#include "store/retention/carry.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {

constexpr size_t kPlaceBytes = 2 * 8;

bool TakeCarried(std::string_view body, EncodedRecord* carried, EncodedMessage* message) {
  std::string_view rest = body.substr(std::min(body.size(), kPlaceBytes));
  return TakeRecord(rest, carried) && rest.empty() && carried->kind == kMessageRecord &&
         DecodeMessageBody(carried->body, message);
}

}  // namespace

std::string EncodeCarry(QueueOffset offset, LogOffset old_offset, std::string_view message_record) {
  std::string body;
  body.reserve(kPlaceBytes + message_record.size());
  PutLittle<uint64_t>(body, offset);
  PutLittle<uint64_t>(body, old_offset);
  body.append(message_record);
  return body;
}

bool DecodeCarried(std::string_view body, EncodedMessage* message, std::string_view* message_body) {
  EncodedRecord carried;
  if (!TakeCarried(body, &carried, message)) return false;
  if (message_body != nullptr) *message_body = carried.body;
  return true;
}

QueueOffset CarriedOffset(std::string_view body) { return GetLittle<uint64_t>(body); }

absl::StatusOr<CarryPlace> DecodeCarry(const RecordView& record, uint32_t record_bytes) {
  EncodedRecord carried;
  EncodedMessage message;
  if (!TakeCarried(record.body, &carried, &message)) {
    return absl::DataLossError(
        fmt::format("a CARRY record of {} bytes holds no message", record.body.size()));
  }
  const auto header_bytes = static_cast<uint32_t>(record_bytes - record.body.size());
  CarryPlace place;
  place.queue = message.queue;
  place.offset = CarriedOffset(record.body);
  place.old_offset = GetLittle<uint64_t>(record.body, 8);
  place.entry = {record.position.offset + header_bytes + kPlaceBytes, carried.bytes,
                 message.tag_hash};
  return place;
}

}  // namespace mansio::store
