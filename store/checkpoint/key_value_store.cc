#include "store/checkpoint/key_value_store.h"

namespace mansio::store {

void KeyValueBatch::Put(std::string_view key, std::string_view value) {
  Add(Kind::kPut, key, value);
}

void KeyValueBatch::Delete(std::string_view key) { Add(Kind::kDelete, key, {}); }

void KeyValueBatch::DeleteRange(std::string_view begin, std::string_view end) {
  Add(Kind::kDeleteRange, begin, end);
}

void KeyValueBatch::Append(const KeyValueBatch& later) {
  const size_t shift = bytes_.size();
  bytes_.append(later.bytes_);
  for (Place place : later.changes_) {
    place.at += shift;
    changes_.push_back(place);
  }
}

void KeyValueBatch::Clear() {
  bytes_.clear();
  changes_.clear();
}

void KeyValueBatch::ForEach(absl::FunctionRef<void(const Change&)> visit) const {
  const std::string_view bytes = bytes_;
  for (const Place& place : changes_) {
    visit({place.kind, bytes.substr(place.at, place.key_bytes),
           bytes.substr(place.at + place.key_bytes, place.value_bytes)});
  }
}

void KeyValueBatch::Add(Kind kind, std::string_view key, std::string_view value) {
  changes_.push_back({kind, bytes_.size(), key.size(), value.size()});
  bytes_.append(key);
  bytes_.append(value);
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace mansio::store
