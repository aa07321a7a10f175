#include "broker/consumption/receipt_handle.h"

#include <optional>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/core/token.h"
#include "common/hash/siphash.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

constexpr uint8_t kHandleVersion = 1;
constexpr size_t kMacBytes = 8;
constexpr size_t kMaxHandleText = 1024;

absl::Status Invalid(const char* sentence) {
  return WireError(apache::rocketmq::v2::INVALID_RECEIPT_HANDLE, sentence);
}

}  // namespace

std::string ReceiptHandle::Encode(const std::array<uint64_t, 2>& key) const {
  ByteWriter w;
  w.U8(kHandleVersion).Bytes(broker).Varint(group).Varint(topic).Varint(queue).Varint(offset);
  w.Varint(attempt).Varint(lease.epoch).Varint(lease.offset);
  w.Fixed64(SipHash24(key, w.str()));
  return TokenText(w.str());
}

absl::StatusOr<ReceiptHandle> ReceiptHandle::Decode(std::string_view text,
                                                    const std::array<uint64_t, 2>& key) {
  const std::optional<std::string> bytes = TokenBytes(text, kMaxHandleText);
  if (!bytes || bytes->size() <= kMacBytes) {
    return Invalid("this is not a receipt handle; use the one of the received message unchanged");
  }
  const std::string_view signed_part(bytes->data(), bytes->size() - kMacBytes);
  ByteReader mac(std::string_view(*bytes).substr(signed_part.size()));
  if (mac.Fixed64() != SipHash24(key, signed_part)) {
    return Invalid("this receipt handle was not made by this broker, or it was changed");
  }
  ByteReader r(signed_part);
  ReceiptHandle h;
  const uint8_t version = r.U8();
  h.broker = r.Bytes();
  h.group = r.Varint32();
  h.topic = r.Varint32();
  h.queue = r.Varint32();
  h.offset = r.Varint();
  h.attempt = r.Varint32();
  h.lease.epoch = r.Varint();
  h.lease.offset = r.Varint();
  if (version != kHandleVersion || !r.ok() || !r.AtEnd()) {
    return Invalid("this receipt handle has a form that this version does not know");
  }
  return h;
}

}  // namespace mansio::broker
