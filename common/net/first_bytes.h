#ifndef MANSIO_COMMON_NET_FIRST_BYTES_H_
#define MANSIO_COMMON_NET_FIRST_BYTES_H_

#include <cstddef>
#include <string_view>

namespace mansio::net {

// What the first bytes of a connection say about its protocol.
enum class FirstBytes {
  kTls,        // a TLS handshake record (RFC 8446, 5.1: content type 22)
  kHttp2,      // the HTTP/2 connection preface (RFC 9113, 3.4)
  kHttp1,      // a request line of HTTP/1
  kUndecided,  // "P" or "PR": HTTP/2, or HTTP/1's POST, PUT, PATCH
  kUnknown,
};

// As many bytes as are needed to decide.
inline constexpr size_t kBytesToDecide = 3;

// Pure. `bytes` is what has arrived so far, at least one.
FirstBytes Classify(std::string_view bytes);

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_FIRST_BYTES_H_
