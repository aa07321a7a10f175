#include "broker/message/stored_message.h"

#include <openssl/evp.h>

#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/message/wire_writer.h"
#include "common/hash/siphash.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr uint8_t kPlainVersion = 1;
constexpr uint8_t kProvenanceVersion = 2;
constexpr size_t kFixedBytes = 1 + 16;
constexpr uint32_t kResponseMessageField = 2;           // ReceiveMessageResponse.message
constexpr uint8_t kTagField = 1 << 3 | 2;               // SystemProperties.tag
constexpr uint8_t kKeysField = 2 << 3 | 2;              // SystemProperties.keys
constexpr int64_t kMaxTimestampSeconds = 253402300799;  // year 9999, protobuf's own limit

// Protobuf's text and JSON forms throw on times out of range (RocketMQ 5 API).
void Normalise(google::protobuf::Timestamp* time) {
  if (time->seconds() < 0 || time->seconds() > kMaxTimestampSeconds) time->set_seconds(0);
  if (time->nanos() < 0 || time->nanos() > 999999999) time->set_nanos(0);
}

void DropServerFields(v2::SystemProperties* system) {
  system->clear_body_digest();
  system->clear_store_timestamp();
  system->clear_store_host();
  system->clear_receipt_handle();
  system->clear_queue_id();
  system->clear_queue_offset();
  system->clear_invisible_duration();
  system->clear_delivery_attempt();
  system->clear_dead_letter_queue();
  system->clear_lite_topic();
  const auto* reflection = system->GetReflection();
  if (!reflection->GetUnknownFields(*system).empty()) {
    reflection->MutableUnknownFields(system)->Clear();
  }
}

void FillMissing(v2::SystemProperties* system, std::string_view peer_host, int64_t now_ms) {
  if (system->body_encoding() == v2::ENCODING_UNSPECIFIED) system->set_body_encoding(v2::IDENTITY);
  if (!system->has_born_timestamp()) {
    system->mutable_born_timestamp()->set_seconds(now_ms / 1000);
    system->mutable_born_timestamp()->set_nanos(static_cast<int32_t>(now_ms % 1000 * 1000000));
  }
  if (system->born_host().empty()) system->set_born_host(std::string(peer_host));
}

size_t EntrySize(const std::string& key, const std::string& value) {
  return 1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(value.size()) + value.size();
}

size_t PropertiesSize(const v2::Message& message) {
  size_t size = 0;
  for (const auto& [key, value] : message.user_properties()) {
    const size_t entry = EntrySize(key, value);
    size += 1 + VarintSize(entry) + entry;
  }
  return size;
}

char* PutVarint(char* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}

// Most messages have no provenance, and no byte for it.
size_t ProvenanceSize(std::string_view provenance) {
  return provenance.empty() ? 0 : VarintSize(provenance.size()) + provenance.size();
}

char* PutHead(char* out, const std::array<uint8_t, 16>& md5, std::string_view provenance) {
  *out++ = static_cast<char>(provenance.empty() ? kPlainVersion : kProvenanceVersion);
  std::memcpy(out, md5.data(), md5.size());
  out += md5.size();
  if (provenance.empty()) return out;
  out = PutVarint(out, provenance.size());
  std::memcpy(out, provenance.data(), provenance.size());
  return out + provenance.size();
}

char* PutBytes(char* out, char tag, const std::string& bytes) {
  *out++ = tag;
  out = PutVarint(out, bytes.size());
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

char* PutProperties(char* out, const v2::Message& message) {
  constexpr char kMapEntryTag = 2 << 3 | 2;
  constexpr char kKeyTag = 1 << 3 | 2;
  constexpr char kValueTag = 2 << 3 | 2;
  for (const auto& [key, value] : message.user_properties()) {
    *out++ = kMapEntryTag;
    out = PutVarint(out, EntrySize(key, value));
    out = PutBytes(out, kKeyTag, key);
    out = PutBytes(out, kValueTag, value);
  }
  return out;
}

std::string Hex(const std::array<uint8_t, 16>& bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string hex(32, '0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    hex[2 * i] = kDigits[bytes[i] >> 4];
    hex[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return hex;
}

uint32_t NonZero(uint32_t hash) { return hash == 0 ? 1 : hash; }

// A string among the stored system properties, or "".
std::string_view SystemField(const StoredContent& content, uint64_t number) {
  ByteReader reader(content.system);
  while (reader.ok() && !reader.AtEnd()) {
    const uint64_t tag = reader.Varint();
    switch (static_cast<WireType>(tag & 7)) {
      case WireType::kVarint:
        reader.Varint();
        break;
      case WireType::kBytes:
        if (tag >> 3 == number) return reader.Bytes();
        reader.Bytes();
        break;
      default:
        return {};
    }
  }
  return {};
}

// The system properties that belong to one delivery, to be put behind the stored ones.
std::string EncodeDeliveryPart(const StoredContent& content, const Delivery& d) {
  WireWriter w;
  w.Reserve(256);
  WireWriter digest;
  digest.Int(1, v2::MD5);
  digest.Bytes(2, Hex(content.md5));
  w.Bytes(v2::SystemProperties::kBodyDigestFieldNumber, digest.str());
  w.Bytes(v2::SystemProperties::kStoreTimestampFieldNumber, EncodeMillis(d.store_time_ms));
  w.Bytes(v2::SystemProperties::kStoreHostFieldNumber, d.store_host);
  w.Bytes(v2::SystemProperties::kReceiptHandleFieldNumber, d.receipt_handle);
  if (d.queue_id != 0) w.Int(v2::SystemProperties::kQueueIdFieldNumber, d.queue_id);
  w.Int(v2::SystemProperties::kQueueOffsetFieldNumber, d.queue_offset);
  if (d.invisible_ms > 0) {
    w.Bytes(v2::SystemProperties::kInvisibleDurationFieldNumber, EncodeMillis(d.invisible_ms));
  }
  w.Int(v2::SystemProperties::kDeliveryAttemptFieldNumber, d.attempt);
  if (!d.dead_letter_topic.empty()) {
    WireWriter dead_letter;
    dead_letter.Bytes(v2::DeadLetterQueue::kTopicFieldNumber, d.dead_letter_topic);
    dead_letter.Bytes(v2::DeadLetterQueue::kMessageIdFieldNumber, MessageIdOf(content));
    w.Bytes(v2::SystemProperties::kDeadLetterQueueFieldNumber, dead_letter.str());
  }
  return w.Take();
}

}  // namespace

ContentEncoder::ContentEncoder(v2::Message* message, std::string_view peer_host, int64_t now_ms,
                               const Provenance& provenance)
    : message_(message), provenance_(provenance.Encode()) {
  v2::SystemProperties* system = message->mutable_system_properties();
  DropServerFields(system);
  FillMissing(system, peer_host, now_ms);
  Normalise(system->mutable_born_timestamp());
  if (system->has_delivery_timestamp()) Normalise(system->mutable_delivery_timestamp());
  system_size_ = system->ByteSizeLong();
  properties_size_ = PropertiesSize(*message);
  size_ = kFixedBytes + ProvenanceSize(provenance_) + VarintSize(system_size_) + system_size_ +
          VarintSize(properties_size_) + properties_size_ + message->body().size();
}

void ContentEncoder::EncodeTo(char* out, const std::array<uint8_t, 16>& md5) const {
  out = PutHead(out, md5, provenance_);
  out = PutVarint(out, system_size_);
  message_->system_properties().SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out));
  out = PutVarint(out + system_size_, properties_size_);
  out = PutProperties(out, *message_);
  std::memcpy(out, message_->body().data(), message_->body().size());
}

std::string EncodeContentHead(const std::array<uint8_t, 16>& md5, std::string_view provenance) {
  std::string head(kFixedBytes + ProvenanceSize(provenance), '\0');
  PutHead(head.data(), md5, provenance);
  return head;
}

absl::StatusOr<StoredContent> DecodeContent(std::string_view bytes) {
  ByteReader reader(bytes);
  StoredContent content;
  const uint8_t version = reader.U8();
  for (uint8_t& byte : content.md5) byte = reader.U8();
  if (version == kProvenanceVersion) content.provenance = reader.Bytes();
  content.system = reader.Bytes();
  content.properties = reader.Bytes();
  content.body = reader.Rest();
  if (!reader.ok() || (version != kPlainVersion && version != kProvenanceVersion)) {
    return absl::DataLossError("a stored message cannot be decoded");
  }
  return content;
}

std::string_view TagOf(const StoredContent& content) {
  // `tag` is field 1 of SystemProperties and fields are written in order.
  ByteReader reader(content.system);
  if (reader.U8() != kTagField) return {};
  return reader.Bytes();
}

std::string_view MessageIdOf(const StoredContent& content) {
  return SystemField(content, v2::SystemProperties::kMessageIdFieldNumber);
}

std::string_view MessageGroupOf(const StoredContent& content) {
  return SystemField(content, v2::SystemProperties::kMessageGroupFieldNumber);
}

void ForEachKey(const StoredContent& content, absl::FunctionRef<void(std::string_view)> visit) {
  ByteReader reader(content.system);
  uint8_t field = reader.U8();
  if (field == kTagField) {
    reader.Bytes();
    field = reader.U8();
  }
  for (; field == kKeysField; field = reader.U8()) {
    const std::string_view key = reader.Bytes();
    if (!reader.ok()) return;
    visit(key);
  }
}

void ForEachUserProperty(const StoredContent& content,
                         absl::FunctionRef<void(std::string_view, std::string_view)> visit) {
  ByteReader reader(content.properties);
  while (!reader.AtEnd()) {
    reader.U8();  // the entry's field tag
    ByteReader entry(reader.Bytes());
    entry.U8();
    const std::string_view name = entry.Bytes();
    entry.U8();
    const std::string_view value = entry.Bytes();
    if (!entry.ok()) return;
    visit(name, value);
  }
}

std::optional<int64_t> ParseTtl(std::string_view value) {
  constexpr size_t kMaxDigits = 18;
  if (value.empty() || value.size() > kMaxDigits) return std::nullopt;
  int64_t ttl = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return std::nullopt;
    ttl = ttl * 10 + (c - '0');
  }
  return ttl > 0 ? std::optional(ttl) : std::nullopt;
}

std::optional<int64_t> TtlOf(const StoredContent& content) {
  // The name may stand in a value: only the look through the entries decides.
  if (content.properties.find(kTtlProperty) == std::string_view::npos) return std::nullopt;
  std::optional<int64_t> ttl;
  ForEachUserProperty(content, [&ttl](std::string_view name, std::string_view value) {
    if (name == kTtlProperty) ttl = ParseTtl(value);
  });
  return ttl;
}

uint32_t TagHash(std::string_view tag) {
  if (tag.empty()) return 0;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: short texts, stable on disk
  for (const char c : tag) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return NonZero(static_cast<uint32_t>(hash ^ hash >> 32));
}

MessageGroupHash HashMessageGroup(std::string_view message_group) {
  if (message_group.empty()) return 0;
  // Another key than the one that chooses the queue: the groups of one queue spread anew.
  return NonZero(static_cast<uint32_t>(SipHash24({1, 0}, message_group)));
}

rpc::Payload EncodeReceivedMessage(const StoredContent& content, const Delivery& delivery,
                                   std::shared_ptr<const void> owner, size_t share_from) {
  const std::string part = EncodeDeliveryPart(content, delivery);
  WireWriter topic;
  if (!delivery.resource_namespace.empty()) topic.Bytes(1, delivery.resource_namespace);
  topic.Bytes(2, delivery.topic);

  const size_t system_size = content.system.size() + part.size();
  const size_t message_size = 1 + VarintSize(topic.size()) + topic.size() +
                              content.properties.size() + 1 + VarintSize(system_size) +
                              system_size + 1 + VarintSize(content.body.size()) +
                              content.body.size();
  const bool share = content.body.size() >= share_from;
  WireWriter w;
  w.Reserve(message_size + 16 - (share ? content.body.size() : 0));
  w.BytesHeader(kResponseMessageField, message_size);
  w.Bytes(v2::Message::kTopicFieldNumber, topic.str());
  w.Raw(content.properties);
  w.BytesHeader(v2::Message::kSystemPropertiesFieldNumber, system_size);
  w.Raw(content.system);
  w.Raw(part);
  w.BytesHeader(v2::Message::kBodyFieldNumber, content.body.size());
  if (!share) w.Raw(content.body);
  rpc::Payload payload(w.Take());
  if (share) payload.AppendShared(std::move(owner), content.body);
  return payload;
}

std::array<uint8_t, 16> BodyDigest(std::string_view body) {
  // The context and the algorithm are looked up once per thread: that look-up costs more than the
  // digest of a small body.
  struct Context {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_MD* md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    ~Context() {
      EVP_MD_CTX_free(context);
      EVP_MD_free(md5);
    }
  };
  thread_local Context t;
  std::array<uint8_t, 16> digest{};
  EVP_DigestInit_ex2(t.context, t.md5, nullptr);
  EVP_DigestUpdate(t.context, body.data(), body.size());
  EVP_DigestFinal_ex(t.context, digest.data(), nullptr);
  return digest;
}

}  // namespace mansio::broker
