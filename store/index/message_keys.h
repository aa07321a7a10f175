#ifndef MANSIO_STORE_INDEX_MESSAGE_KEYS_H_
#define MANSIO_STORE_INDEX_MESSAGE_KEYS_H_

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace mansio::store {

// What messages are found by. The content of a message is opaque to the store, so that its owner
// says.
class MessageKeys {
 public:
  virtual ~MessageKeys() = default;
  // Calls `add` with the hash of each key of a message; the hashes are stable on disk and spread
  // over all 64 bits. Any thread, any bytes; cheap, as every message passes through it.
  virtual void ForEach(std::string_view content,
                       absl::FunctionRef<void(uint64_t hash)> add) const = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_INDEX_MESSAGE_KEYS_H_
