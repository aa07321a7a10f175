#include "broker/transaction/transaction_id.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/core/token.h"
#include "common/hash/siphash.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

// Unlike the first byte of a receipt handle, which has the same key.
constexpr uint8_t kIdVersion = 'T';
constexpr size_t kIdMacBytes = 8;
constexpr size_t kMaxIdText = 1024;

absl::Status InvalidId(std::string sentence) {
  return WireError(apache::rocketmq::v2::INVALID_TRANSACTION_ID, std::move(sentence));
}

// The bytes of an id; nullopt when the text cannot be one.
std::optional<std::string> Unescape(std::string_view text) {
  std::optional<std::string> bytes = TokenBytes(text, kMaxIdText);
  if (!bytes || bytes->size() <= 1 + kIdMacBytes ||
      static_cast<uint8_t>(bytes->front()) != kIdVersion) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace

std::string TransactionId::Encode(const std::array<uint64_t, 2>& key) const {
  ByteWriter w;
  w.U8(kIdVersion).Bytes(broker).Varint(topic).Varint(epoch).Varint(half);
  w.Fixed64(SipHash24(key, w.str()));
  return TokenText(w.str());
}

std::optional<std::string> TransactionId::BrokerOf(std::string_view text) {
  const std::optional<std::string> bytes = Unescape(text);
  if (!bytes) return std::nullopt;
  ByteReader r(std::string_view(*bytes).substr(1));
  std::string broker(r.Bytes());
  if (!r.ok()) return std::nullopt;
  return broker;
}

absl::StatusOr<TransactionId> TransactionId::Decode(std::string_view text, std::string_view broker,
                                                    const std::array<uint64_t, 2>& key) {
  const std::optional<std::string> bytes = Unescape(text);
  const std::optional<std::string> owner = BrokerOf(text);
  if (!bytes || !owner) {
    return InvalidId("this is not a transaction id; use the one that the send answered, unchanged");
  }
  if (*owner != broker) {
    return InvalidId(
        fmt::format("this transaction belongs to broker '{}' and this is '{}'; end it at the "
                    "broker that took its message",
                    EscapeForLog(*owner, 64), broker));
  }
  const std::string_view signed_part(bytes->data(), bytes->size() - kIdMacBytes);
  ByteReader mac(std::string_view(*bytes).substr(signed_part.size()));
  ByteReader r(signed_part.substr(1));
  TransactionId id;
  id.broker = r.Bytes();
  id.topic = r.Varint32();
  id.epoch = r.Varint();
  id.half = r.Varint();
  if (mac.Fixed64() != SipHash24(key, signed_part) || !r.ok() || !r.AtEnd()) {
    return InvalidId("this transaction id was not made by this broker, or it was changed");
  }
  return id;
}

}  // namespace mansio::broker
