#include "broker/message/content_copy.h"

#include <algorithm>
#include <cstring>

#include "broker/core/codec.h"
#include "broker/message/wire_writer.h"

namespace mansio::broker {

namespace {

// v2.Message.user_properties, and key and value of its entries.
constexpr uint32_t kEntryField = 2;
constexpr uint32_t kKeyField = 1;
constexpr uint32_t kValueField = 2;

struct PropertyEntry {
  std::string_view bytes;  // with the tag and length in front
  std::string_view key;
  std::string_view value;
};

// Takes the next entry, as ContentEncoder wrote it; false at the end.
bool NextEntry(std::string_view& rest, PropertyEntry* entry) {
  ByteReader reader(rest);
  reader.Varint();  // always kEntryField
  ByteReader inner(reader.Bytes());
  inner.Varint();
  entry->key = inner.Bytes();
  inner.Varint();
  entry->value = inner.Bytes();
  if (!reader.ok() || !inner.ok()) return false;
  entry->bytes = rest.substr(0, rest.size() - reader.remaining());
  rest.remove_prefix(entry->bytes.size());
  return true;
}

bool Replaced(const CopyChanges& changes, std::string_view key) {
  return key == changes.drop_property ||
         std::any_of(changes.set_properties.begin(), changes.set_properties.end(),
                     [key](const auto& property) { return property.first == key; });
}

std::string ChangedProperties(std::string_view properties, const CopyChanges& changes) {
  WireWriter out;
  PropertyEntry entry;
  while (NextEntry(properties, &entry)) {
    if (!Replaced(changes, entry.key)) out.Raw(entry.bytes);
  }
  for (const auto& [key, value] : changes.set_properties) {
    WireWriter inner;
    inner.Bytes(kKeyField, key);
    inner.Bytes(kValueField, value);
    out.Bytes(kEntryField, inner.str());
  }
  return out.Take();
}

std::string LengthOf(std::string_view bytes) {
  WireWriter w;
  w.Varint(bytes.size());
  return w.Take();
}

char* Put(char* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace

ContentCopy::ContentCopy(const StoredContent& source, const CopyChanges& changes)
    : source_(source), properties_(source.properties) {
  if (!changes.drop_property.empty() || !changes.set_properties.empty()) {
    changed_ = ChangedProperties(source.properties, changes);
    properties_ = changed_;
  }
  before_system_ =
      EncodeContentHead(source.md5, changes.provenance.Encode()) + LengthOf(source.system);
  before_properties_ = LengthOf(properties_);
  size_ = before_system_.size() + source.system.size() + before_properties_.size() +
          properties_.size() + source.body.size();
}

void ContentCopy::EncodeTo(char* out) const {
  out = Put(out, before_system_);
  out = Put(out, source_.system);
  out = Put(out, before_properties_);
  out = Put(out, properties_);
  Put(out, source_.body);
}

void ContentCopy::AddTo(store::Append& append, store::QueueKey queue, int64_t now_ms) const {
  const uint64_t hash = EntryHash(TagOf(source_), MessageGroupOf(source_));
  EncodeTo(append.BeginMessage(queue, hash, now_ms, size_));
  append.SealMessage();
}

std::optional<std::string_view> FindProperty(std::string_view properties, std::string_view key) {
  PropertyEntry entry;
  while (NextEntry(properties, &entry)) {
    if (entry.key == key) return entry.value;
  }
  return std::nullopt;
}

}  // namespace mansio::broker
