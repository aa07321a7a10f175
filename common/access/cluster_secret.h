#ifndef MANSIO_COMMON_ACCESS_CLUSTER_SECRET_H_
#define MANSIO_COMMON_ACCESS_CLUSTER_SECRET_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sync/sync.h"

namespace mansio {
class Clock;
class FileSystem;
}  // namespace mansio

// What brokers, nameservers and the command of one cluster share. A call proves that its caller has
// it by one request header: the wall time, a nonce, and an HMAC-SHA256 of method, time and nonce.
namespace mansio::access {

// The header: "v1 MILLISECONDS NONCE HMAC", nonce and HMAC in hexadecimal.
inline constexpr std::string_view kProofHeader = "x-mansio-proof";
// A proof is good this long before and after the server's wall time.
inline constexpr absl::Duration kProofLife = absl::Seconds(60);

// The secret in the first line of `path`: 16 to 1,024 bytes. The error names the file, the
// option that has named it, and the cure. An empty path gives an empty secret: there is none.
absl::StatusOr<std::string> ReadSecret(FileSystem& files, const std::string& path,
                                       std::string_view key = "admin.cluster-secret-file");

// The header's value for one call of `method` ("/package.Service/Method"). Thread-safe.
std::string MakeProof(std::string_view secret, std::string_view method, absl::Time now);

// Judges proofs. Each is good once. Thread-safe.
class ProofJudge {
 public:
  // So many proofs are remembered; beyond it further ones are refused until some have expired.
  static constexpr size_t kMaxRemembered = 100'000;

  // `clock` is borrowed. The secret must not be empty.
  ProofJudge(std::string secret, const Clock* clock) : secret_(std::move(secret)), clock_(clock) {}

  // OK, or a sentence that says why the proof is none: missing, another secret, clocks apart,
  // used before.
  absl::Status Judge(std::string_view method, std::string_view proof);

 private:
  absl::Status Remember(std::string nonce, absl::Time made, absl::Time now);

  const std::string secret_;
  const Clock* const clock_;
  Mutex mutex_;
  std::set<std::pair<absl::Time, std::string>> by_time_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::string> nonces_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::access

#endif  // MANSIO_COMMON_ACCESS_CLUSTER_SECRET_H_
