#ifndef MANSIO_BROKER_MESSAGE_WIRE_WRITER_H_
#define MANSIO_BROKER_MESSAGE_WIRE_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

// Protobuf's wire format by hand, for the answers of the per-message path, which are spliced from
// stored bytes (design section 4). Field numbers are those of apis/apache/rocketmq/v2.
namespace mansio::broker {

enum class WireType : uint32_t { kVarint = 0, kBytes = 2 };

inline size_t VarintSize(uint64_t v) {
  size_t n = 1;
  while (v >= 0x80) {
    v >>= 7;
    ++n;
  }
  return n;
}

class WireWriter {
 public:
  void Varint(uint64_t v) {
    while (v >= 0x80) {
      out_.push_back(static_cast<char>(v | 0x80));
      v >>= 7;
    }
    out_.push_back(static_cast<char>(v));
  }
  void Tag(uint32_t field, WireType type) { Varint(field << 3 | static_cast<uint32_t>(type)); }
  void Int(uint32_t field, int64_t v) {
    Tag(field, WireType::kVarint);
    Varint(static_cast<uint64_t>(v));
  }
  void Bytes(uint32_t field, std::string_view v) {
    BytesHeader(field, v.size());
    out_.append(v);
  }
  // The tag and length of a bytes field or sub-message whose `size` bytes follow.
  void BytesHeader(uint32_t field, size_t size) {
    Tag(field, WireType::kBytes);
    Varint(size);
  }
  void Raw(std::string_view v) { out_.append(v); }
  void Reserve(size_t n) { out_.reserve(n); }
  size_t size() const { return out_.size(); }
  const std::string& str() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// google.protobuf.Timestamp or Duration of a number of milliseconds (>= 0), as inner bytes.
inline std::string EncodeMillis(int64_t ms) {
  WireWriter w;
  if (ms >= 1000) w.Int(1, ms / 1000);
  if (ms % 1000 != 0) w.Int(2, ms % 1000 * 1000000);
  return w.Take();
}

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MESSAGE_WIRE_WRITER_H_
