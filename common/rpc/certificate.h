#ifndef MANSIO_COMMON_RPC_CERTIFICATE_H_
#define MANSIO_COMMON_RPC_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mansio::rpc {

// PEM texts for a TLS server.
struct Certificate {
  std::string chain;
  std::string private_key;
};

// Reads a configured certificate chain and its key, and checks that both can be read, belong
// together and are valid today. The error names the file and the cure.
absl::StatusOr<Certificate> LoadCertificate(const std::string& chain_file,
                                            const std::string& key_file);

// The self-signed certificate in `dir` (server.crt, server.key), made at the first call: ECDSA
// P-256, ten years, for localhost, the loopback addresses and `hosts` (addresses or DNS names). The
// key file has mode 0600; both are synced, so that clients that pinned the certificate see the same
// one after a power cut. With an empty `dir` a new one is made each time and kept nowhere.
absl::StatusOr<Certificate> SelfSignedCertificate(const std::string& dir,
                                                  const std::vector<std::string>& hosts);

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CERTIFICATE_H_
