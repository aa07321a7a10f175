#ifndef MANSIO_BROKER_MESSAGE_STORED_MESSAGE_H_
#define MANSIO_BROKER_MESSAGE_STORED_MESSAGE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "broker/message/provenance.h"
#include "common/rpc/payload.h"
#include "store/record.h"

namespace apache::rocketmq::v2 {
class Message;
}

// The content of a message record, opaque to the store (design section 4): the protobuf bytes that
// a receive sends again, so that delivering is a splice and not an encoding.
//
//   content    := version:u8 md5:16 provenance? sys_len:varint sys props_len:varint props body
//   provenance := len:varint bytes   (version 2 only: of a message that is on its way elsewhere)
//   sys        := inner bytes of v2.SystemProperties: the white list of fields a client may set
//   props      := encoded entries of v2.Message.user_properties (field 2), tags included
namespace mansio::broker {

// A decoded content; all views point into the record.
struct StoredContent {
  std::array<uint8_t, 16> md5{};
  std::string_view provenance;  // Provenance::Decode
  std::string_view system;
  std::string_view properties;
  std::string_view body;
};

// Prepares one message of a send for the log. The source must outlive it.
class ContentEncoder {
 public:
  // Drops what is not on the white list, sets body_encoding, born_timestamp and born_host where the
  // client did not, and normalises times that protobuf's text forms would refuse. `message` is
  // changed in place and must stay as it is until EncodeTo. `peer_host` fills an empty born_host;
  // `now_ms` is broker time. `provenance`: of a message that is not stored in its own topic.
  ContentEncoder(apache::rocketmq::v2::Message* message, std::string_view peer_host, int64_t now_ms,
                 const Provenance& provenance = {});

  size_t size() const { return size_; }
  // Writes exactly size() bytes. `md5` is the digest of the body: BodyDigest.
  void EncodeTo(char* out, const std::array<uint8_t, 16>& md5) const;

 private:
  const apache::rocketmq::v2::Message* message_;
  std::string provenance_;
  size_t system_size_ = 0;
  size_t properties_size_ = 0;
  size_t size_ = 0;
};

// The beginning of a content, up to the length of the system properties.
std::string EncodeContentHead(const std::array<uint8_t, 16>& md5, std::string_view provenance);

// DataLoss when the bytes are not a content.
absl::StatusOr<StoredContent> DecodeContent(std::string_view content);

// The message's tag, or "" when it has none; reads the first field only.
std::string_view TagOf(const StoredContent& content);

// The user property with which a message says for how many milliseconds it can be consumed.
inline constexpr std::string_view kTtlProperty = "mansio-ttl-ms";
// Reads its value: nullopt when it is no whole number from 1 on of at most 18 digits.
std::optional<int64_t> ParseTtl(std::string_view value);
// What the message says, or nullopt. Costs next to nothing for a message without the property.
std::optional<int64_t> TtlOf(const StoredContent& content);

// The message's id and message group, or "" when it has none.
std::string_view MessageIdOf(const StoredContent& content);
std::string_view MessageGroupOf(const StoredContent& content);
// Calls `visit` for each key, and for each user property, in stored order; views into the record.
void ForEachKey(const StoredContent& content, absl::FunctionRef<void(std::string_view key)> visit);
void ForEachUserProperty(
    const StoredContent& content,
    absl::FunctionRef<void(std::string_view name, std::string_view value)> visit);

// The 64 bits that the ConsumeQueue keeps of a message, so that consumption need not read it to
// filter and to keep order: the hash of its tag in the low half, that of its message group in the
// high half. Either is 0 when the message has none, and only then. Two tags, or two groups, that
// share a hash cost a comparison or make one group wait for the other; neither is ever wrong.
using MessageGroupHash = uint32_t;
uint32_t TagHash(std::string_view tag);
MessageGroupHash HashMessageGroup(std::string_view message_group);
inline uint64_t EntryHash(std::string_view tag, std::string_view message_group) {
  return static_cast<uint64_t>(HashMessageGroup(message_group)) << 32 | TagHash(tag);
}
inline uint32_t TagHashOf(uint64_t entry_hash) { return static_cast<uint32_t>(entry_hash); }
inline MessageGroupHash MessageGroupHashOf(uint64_t entry_hash) {
  return static_cast<MessageGroupHash>(entry_hash >> 32);
}

// What one delivery adds to the stored bytes (RocketMQ 5 API).
struct Delivery {
  std::string_view topic;
  std::string_view resource_namespace;  // echoed from the request
  std::string_view store_host;
  std::string_view receipt_handle;
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
  int64_t store_time_ms = 0;
  int32_t attempt = 1;
  int64_t invisible_ms = 0;            // 0: not said
  std::string_view dead_letter_topic;  // where a dead letter was sent to; "": it is none
};

// One encoded v2.ReceiveMessageResponse with the message. Bodies of at least `share_from` bytes are
// shared with `owner`, smaller ones copied.
rpc::Payload EncodeReceivedMessage(const StoredContent& content, const Delivery& delivery,
                                   std::shared_ptr<const void> owner, size_t share_from = 4096);

// MD5 of a body; the digest every SDK checks alike (RocketMQ 5 API).
std::array<uint8_t, 16> BodyDigest(std::string_view body);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MESSAGE_STORED_MESSAGE_H_
