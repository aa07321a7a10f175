#include "common/gateway/wire_scan.h"

namespace mansio::gateway {

namespace {

constexpr uint64_t kGroup = 3;
constexpr uint64_t kEndOfGroup = 4;
constexpr int kDeepest = 100;  // as protobuf parsers allow

}  // namespace

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
  has_bytes_ = false;
  bytes_ = {};
  varint_ = 0;
  uint64_t tag = 0;
  if (rest_.empty() || !ReadVarint(&tag)) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  if ((tag & 7) != kGroup) return ReadContent(tag);
  return SkipGroup();
}

// No message of the API has groups, but a parser steps over one, and so must who reads beside it.
bool WireScan::SkipGroup() {
  for (int depth = 1; depth > 0;) {
    uint64_t tag = 0;
    if (!ReadVarint(&tag)) return false;
    if ((tag & 7) == kGroup) {
      if (++depth > kDeepest) return false;
    } else if ((tag & 7) == kEndOfGroup) {
      --depth;
    } else if (!ReadContent(tag)) {
      return false;
    }
  }
  has_bytes_ = false;
  bytes_ = {};
  varint_ = 0;
  return true;
}

bool WireScan::ReadContent(uint64_t tag) {
  switch (tag & 7) {
    case 0:
      return ReadVarint(&varint_);
    case 1:
      return Skip(8);
    case 2: {
      uint64_t size = 0;
      if (!ReadVarint(&size) || size > rest_.size()) return false;
      bytes_ = rest_.substr(0, size);
      has_bytes_ = true;
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
