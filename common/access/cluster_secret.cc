#include "common/access/cluster_secret.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "common/clock/clock.h"
#include "common/files/file_system.h"

namespace mansio::access {
namespace {

constexpr size_t kLeastSecret = 16;
constexpr size_t kMaxSecret = 1024;
constexpr size_t kNonceBytes = 16;
constexpr std::string_view kVersion = "v1";

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

std::string Hmac(std::string_view secret, std::string_view method, std::string_view time,
                 std::string_view nonce) {
  // The parts cannot contain the separator, so that no two calls have the same text.
  const std::string text = fmt::format("{}\n{}\n{}\n{}", kVersion, method, time, nonce);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(mac.data()), length));
}

// The words of `text`, which are separated by one space each.
std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    if (space == std::string_view::npos) return words;
    text.remove_prefix(space + 1);
  }
}

}  // namespace

absl::StatusOr<std::string> ReadSecret(FileSystem& files, const std::string& path,
                                       std::string_view key) {
  if (path.empty()) return std::string();
  absl::StatusOr<std::string> content = ReadWholeFile(files, path, 4 * kMaxSecret);
  if (!content.ok()) {
    return absl::Status(content.status().code(),
                        fmt::format("{}: {}", key, std::string(content.status().message())));
  }
  const std::string_view line = std::string_view(*content).substr(0, content->find('\n'));
  const absl::string_view trimmed = absl::StripAsciiWhitespace(ToAbsl(line));
  if (trimmed.size() >= kLeastSecret && trimmed.size() <= kMaxSecret) return std::string(trimmed);
  return absl::InvalidArgumentError(
      fmt::format("{}: the first line of {} must be a secret of {} to {} bytes; "
                  "`openssl rand -hex 32` makes one",
                  key, path, kLeastSecret, kMaxSecret));
}

std::string MakeProof(std::string_view secret, std::string_view method, absl::Time now) {
  std::array<unsigned char, kNonceBytes> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  const std::string nonce = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(random.data()), random.size()));
  const std::string time = std::to_string(absl::ToUnixMillis(now));
  return fmt::format("{} {} {} {}", kVersion, time, nonce, Hmac(secret, method, time, nonce));
}

absl::Status ProofJudge::Judge(std::string_view method, std::string_view proof) {
  if (proof.empty()) {
    return absl::PermissionDeniedError(
        "the call does not prove that its caller has the cluster's secret");
  }
  const std::vector<std::string_view> words = Words(proof);
  int64_t millis = 0;
  if (words.size() != 4 || words[0] != kVersion || words[2].size() != 2 * kNonceBytes ||
      std::from_chars(words[1].data(), words[1].data() + words[1].size(), millis).ptr !=
          words[1].data() + words[1].size()) {
    return absl::PermissionDeniedError(
        fmt::format("the call's header {} has another form than this version knows", kProofHeader));
  }
  const std::string expected = Hmac(secret_, method, words[1], words[2]);
  if (words[3].size() != expected.size() ||
      CRYPTO_memcmp(words[3].data(), expected.data(), expected.size()) != 0) {
    return absl::PermissionDeniedError("the caller has another cluster secret");
  }
  const absl::Time now = clock_->WallNow();
  const absl::Time made = absl::FromUnixMillis(millis);
  if (made < now - kProofLife || made > now + kProofLife) {
    return absl::PermissionDeniedError(fmt::format(
        "the clocks of caller and server are {} apart, and a proof is good for {}; set the clocks",
        absl::FormatDuration(absl::Trunc(absl::AbsDuration(now - made), absl::Milliseconds(1))),
        absl::FormatDuration(kProofLife)));
  }
  return Remember(std::string(words[2]), made, now);
}

absl::Status ProofJudge::Remember(std::string nonce, absl::Time made, absl::Time now) {
  MutexLock lock(&mutex_);
  while (!by_time_.empty() && by_time_.begin()->first < now - kProofLife) {
    nonces_.erase(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
  }
  if (nonces_.contains(nonce)) {
    return absl::PermissionDeniedError("the call's proof was used before");
  }
  if (nonces_.size() >= kMaxRemembered) {
    return absl::ResourceExhaustedError("too many proven calls in a minute; try again later");
  }
  by_time_.emplace(made, nonce);
  nonces_.insert(std::move(nonce));
  return absl::OkStatus();
}

}  // namespace mansio::access
