#include "common/gateway/wire_scan.h"

namespace mansio::gateway {

bool WireScan::ReadVarint(uint64_t* value) {
  *value = 0;
  for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
    const auto byte = static_cast<uint8_t>(rest_[i]);
    *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      rest_.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool WireScan::Skip(uint64_t size) {
  if (size > rest_.size()) return false;
  rest_.remove_prefix(size);
  return true;
}

bool WireScan::Next() {
  bytes_ = {};
  varint_ = 0;
  uint64_t tag = 0;
  if (rest_.empty() || !ReadVarint(&tag)) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0:
      return ReadVarint(&varint_);
    case 1:
      return Skip(8);
    case 2: {
      uint64_t size = 0;
      if (!ReadVarint(&size) || size > rest_.size()) return false;
      bytes_ = rest_.substr(0, size);
      return Skip(size);
    }
    case 5:
      return Skip(4);
    default:
      return false;
  }
}

std::string_view BytesAt(std::string_view message, std::initializer_list<uint32_t> path) {
  for (const uint32_t field : path) {
    std::string_view found;
    for (WireScan scan(message); scan.Next();) {
      if (scan.field() == field) found = scan.bytes();
    }
    message = found;
  }
  return message;
}

}  // namespace mansio::gateway
