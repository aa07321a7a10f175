#ifndef MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_
#define MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace mansio::bench {

// The number at the beginning of every body, as 16 hex digits.
inline constexpr size_t kSequenceBytes = 16;
std::string SequenceText(uint64_t sequence);
// The number in a received body; false when it does not begin with one.
bool ParseSequence(std::string_view body, uint64_t* sequence);

// What the messages of a load have in common.
struct SendShape {
  std::string topic;
  size_t body_bytes = 128;    // at least kSequenceBytes
  int batch = 1;              // messages in a request
  std::string message_group;  // empty: none
  bool delayed = false;       // each has a delivery time of its own
  bool transactional = false;
  bool keyed = false;  // the sequence number is a key of the message, too
};

// A SendMessageRequest encoded once. Making one more is a copy in which only the message ids, the
// sequence numbers and the delivery times change, so that the load generator leaves the CPU to the
// server. Thread-safe.
class SendTemplate {
 public:
  // The delivery time of the message with a sequence number.
  using DeliverAt = std::function<absl::Time(uint64_t sequence)>;

  explicit SendTemplate(const SendShape& shape);

  // An encoded request. Message i has the sequence number `first_sequence` + i and an id of 34
  // characters from `next_id`. `deliver_at`: of a shape that is delayed; times from 1979 to 3058.
  std::string Make(uint64_t first_sequence, const std::function<std::string()>& next_id,
                   const DeliverAt& deliver_at = nullptr) const;

  int batch() const { return static_cast<int>(places_.size()); }

 private:
  struct Place {
    size_t id;          // offset of the message id in the request
    size_t sequence;    // offset of the body
    size_t key;         // offset of the key; 0: none
    size_t deliver_at;  // offset of the delivery time's fields; 0: none
  };
  std::string encoded_;
  std::vector<Place> places_;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_SEND_TEMPLATE_H_
