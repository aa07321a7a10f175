#ifndef MANSIO_COMMON_GATEWAY_WIRE_SCAN_H_
#define MANSIO_COMMON_GATEWAY_WIRE_SCAN_H_

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace mansio::gateway {

// Reads single fields of an encoded protobuf message without parsing the rest: whom a call is for
// is asked of each, and most are served by parsing them once, later. Bytes that are no message end
// early. A view; not thread-safe.
class WireScan {
 public:
  explicit WireScan(std::string_view message) : rest_(message) {}

  // Goes to the next field; false at the end.
  bool Next();
  uint32_t field() const { return field_; }
  // Whether it is a string, bytes or a message: in another form it is none of those to a parser.
  bool has_bytes() const { return has_bytes_; }
  // Its content then; else empty.
  std::string_view bytes() const { return bytes_; }
  // Its value, where it is a varint; else 0.
  uint64_t varint() const { return varint_; }

 private:
  bool ReadVarint(uint64_t* value);
  bool Skip(uint64_t size);
  bool ReadContent(uint64_t tag);
  bool SkipGroup();

  std::string_view rest_;
  uint32_t field_ = 0;
  bool has_bytes_ = false;
  std::string_view bytes_;
  uint64_t varint_ = 0;
};

// The field at the end of a path of field numbers, as {2, 4, 1} for message_queue.broker.name of a
// receive; "" where there is none. The last one counts where a field is given several times.
std::string_view BytesAt(std::string_view message, std::initializer_list<uint32_t> path);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_WIRE_SCAN_H_
