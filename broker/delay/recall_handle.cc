#include "broker/delay/recall_handle.h"

#include <optional>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/core/token.h"
#include "common/hash/siphash.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

// Unlike those of receipt handles, so that the one is never taken for the other.
constexpr uint8_t kRecallVersion = 101;
constexpr size_t kRecallMacBytes = 8;
constexpr size_t kMaxRecallText = 32 * 1024;

absl::Status NotAHandle(const char* sentence) {
  return WireError(apache::rocketmq::v2::BAD_REQUEST, sentence);
}

// The bytes of a handle, its MAC at the end; "" for text that cannot be one.
std::string BytesOf(std::string_view text) {
  std::optional<std::string> bytes = TokenBytes(text, kMaxRecallText);
  if (!bytes || bytes->size() <= kRecallMacBytes) return "";
  return *std::move(bytes);
}

}  // namespace

std::string RecallHandle::Encode(const std::array<uint64_t, 2>& key) const {
  ByteWriter w;
  w.U8(kRecallVersion).Bytes(broker).Varint(topic).Varint(static_cast<uint64_t>(timer.due_ms));
  w.Varint(timer.level()).Varint(timer.offset()).Bytes(message_id);
  w.Fixed64(SipHash24(key, w.str()));
  return TokenText(w.str());
}

std::string RecallHandle::BrokerOf(std::string_view text) {
  const std::string bytes = BytesOf(text);
  ByteReader r(bytes);
  if (r.U8() != kRecallVersion) return "";
  const std::string_view broker = r.Bytes();
  return r.ok() ? std::string(broker) : "";
}

absl::StatusOr<RecallHandle> RecallHandle::Decode(std::string_view text,
                                                  const std::array<uint64_t, 2>& key) {
  const std::string bytes = BytesOf(text);
  if (bytes.empty()) {
    return NotAHandle("this is not a recall handle; use the one of the send receipt unchanged");
  }
  const std::string_view signed_part(bytes.data(), bytes.size() - kRecallMacBytes);
  ByteReader mac(std::string_view(bytes).substr(signed_part.size()));
  if (mac.Fixed64() != SipHash24(key, signed_part)) {
    return NotAHandle("this recall handle was not made by this broker, or it was changed");
  }
  ByteReader r(signed_part);
  RecallHandle h;
  const uint8_t version = r.U8();
  h.broker = r.Bytes();
  h.topic = r.Varint32();
  const auto due = static_cast<int64_t>(r.Varint());
  const uint32_t level = r.Varint32();
  h.timer = TimerKey::Of(due, level, r.Varint());
  h.message_id = r.Bytes();
  if (version != kRecallVersion || !r.ok() || !r.AtEnd()) {
    return NotAHandle("this recall handle has a form that this version does not know");
  }
  return h;
}

}  // namespace mansio::broker
