#include "broker/message/message_keys.h"

#include <array>

#include "broker/message/stored_message.h"
#include "common/hash/siphash.h"

namespace mansio::broker {
namespace {

// Not secret: what collides costs a read of the message.
constexpr std::array<uint64_t, 2> kIdHash = {0x6d616e73696f2d69, 1};
constexpr std::array<uint64_t, 2> kKeyHash = {0x6d616e73696f2d6b, 2};

}  // namespace

uint64_t MessageIdHash(std::string_view message_id) { return SipHash24(kIdHash, message_id); }
uint64_t KeyHash(std::string_view key) { return SipHash24(kKeyHash, key); }

void ContentKeys::ForEach(std::string_view content,
                          absl::FunctionRef<void(uint64_t hash)> add) const {
  const auto decoded = DecodeContent(content);
  if (!decoded.ok()) return;
  if (const std::string_view id = MessageIdOf(*decoded); !id.empty()) add(MessageIdHash(id));
  ForEachKey(*decoded, [add](std::string_view key) { add(KeyHash(key)); });
}

}  // namespace mansio::broker
