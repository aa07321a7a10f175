#ifndef MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_
#define MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::bench {

// The number at the beginning of every body, as 16 hex digits.
inline constexpr size_t kSequenceBytes = 16;
std::string SequenceText(uint64_t sequence);
// The number in a received body; false when it does not begin with one.
bool ParseSequence(std::string_view body, uint64_t* sequence);

// A SendMessageRequest encoded once. Making one more is a copy in which only the message ids and
// the sequence numbers change, so that the load generator leaves the CPU to the server.
// Thread-safe.
class SendTemplate {
 public:
  // `batch` messages of `body_bytes` (at least kSequenceBytes) each. `message_group` may be empty.
  SendTemplate(const std::string& topic, size_t body_bytes, int batch,
               const std::string& message_group);

  // An encoded request. Message i has the sequence number `first_sequence` + i and an id of 34
  // characters from `next_id`.
  std::string Make(uint64_t first_sequence, const std::function<std::string()>& next_id) const;

  int batch() const { return static_cast<int>(places_.size()); }

 private:
  struct Place {
    size_t id;        // offset of the message id in the request
    size_t sequence;  // offset of the body
  };
  std::string encoded_;
  std::vector<Place> places_;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_
