#ifndef MANSIO_BROKER_MESSAGE_MESSAGE_KEYS_H_
#define MANSIO_BROKER_MESSAGE_MESSAGE_KEYS_H_

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "store/index/message_keys.h"

namespace mansio::broker {

// What the key index has of a message: stable on disk. An id is never taken for a key.
uint64_t MessageIdHash(std::string_view message_id);
uint64_t KeyHash(std::string_view key);

// The id and the keys of stored contents, for the store's key index.
class ContentKeys final : public store::MessageKeys {
 public:
  void ForEach(std::string_view content, absl::FunctionRef<void(uint64_t hash)> add) const override;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MESSAGE_MESSAGE_KEYS_H_
