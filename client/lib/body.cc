#include "client/lib/body.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace mansio::client {
namespace {

std::string EvpDigest(const EVP_MD* algorithm, std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), digest.data(), &size, algorithm, nullptr) != 1)
    return "";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02X}", digest[i]);
  return text;
}

std::string_view WithoutLeadingZeros(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('0'), text.size()));
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::toupper(x) == std::toupper(y);
  });
}

// Ends inflation on every way out.
struct Inflation {
  z_stream stream{};
  bool begun = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK;  // 16: a gzip header is expected
  ~Inflation() {
    if (begun) inflateEnd(&stream);
  }
};

}  // namespace

std::string Digest(DigestKind kind, std::string_view body) {
  switch (kind) {
    case DigestKind::kCrc32: {
      const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
      return fmt::format("{:08X}", crc);
    }
    case DigestKind::kMd5:
      return EvpDigest(EVP_md5(), body);
    case DigestKind::kSha1:
      return EvpDigest(EVP_sha1(), body);
  }
  return "";
}

bool DigestMatches(DigestKind kind, std::string_view checksum, std::string_view body) {
  const std::string expected = Digest(kind, body);
  if (kind != DigestKind::kCrc32) return EqualIgnoringCase(checksum, expected);
  return EqualIgnoringCase(WithoutLeadingZeros(checksum), WithoutLeadingZeros(expected));
}

absl::StatusOr<std::string> Gunzip(std::string_view compressed, size_t max_bytes) {
  Inflation inflation;
  if (!inflation.begun) return absl::ResourceExhaustedError("cannot start decompression");
  z_stream& stream = inflation.stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string result;
  std::array<char, 16 * 1024> piece;
  int code = Z_OK;
  while (code == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    code = inflate(&stream, Z_NO_FLUSH);
    result.append(piece.data(), piece.size() - stream.avail_out);
    if (result.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          fmt::format("the decompressed body is longer than {} bytes", max_bytes));
    }
  }
  if (code != Z_STREAM_END) return absl::DataLossError("the gzip body is damaged or incomplete");
  return result;
}

}  // namespace mansio::client
