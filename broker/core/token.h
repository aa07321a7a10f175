#ifndef MANSIO_BROKER_CORE_TOKEN_H_
#define MANSIO_BROKER_CORE_TOKEN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// The text of the handles and ids that clients give back: base64url (RFC 4648 section 5) without
// padding. Thread-safe.
namespace mansio::broker {

// The text of some bytes.
std::string TokenText(std::string_view bytes);

// The bytes of a text of at most `max_text` characters; nullopt when TokenText makes that text of
// no bytes at all. So no two texts are the same token.
std::optional<std::string> TokenBytes(std::string_view text, size_t max_text);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_TOKEN_H_
