#ifndef MANSIO_CLIENT_LIB_BODY_H_
#define MANSIO_CLIENT_LIB_BODY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mansio::client {

enum class DigestKind { kCrc32, kMd5, kSha1 };

// The digest of `body` as text: upper-case hex, for CRC32 with all 8 digits. Thread-safe.
std::string Digest(DigestKind kind, std::string_view body);

// True when `checksum` is the digest of `body`. Case and leading zeros do not matter, because
// servers and SDKs differ in both (RocketMQ 5 API). Thread-safe.
bool DigestMatches(DigestKind kind, std::string_view checksum, std::string_view body);

// Decompresses a gzip body. kDataLoss when it is damaged, kResourceExhausted when the result would
// be longer than `max_bytes`. Thread-safe.
absl::StatusOr<std::string> Gunzip(std::string_view compressed, size_t max_bytes);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_BODY_H_
