#ifndef MANSIO_CLIENT_LIB_CLIENT_OPTIONS_H_
#define MANSIO_CLIENT_LIB_CLIENT_OPTIONS_H_

#include <string>

#include "absl/time/time.h"

namespace mansio::client {

// How a client reaches a cluster. A plain value.
struct ClientOptions {
  // The access point: any nameserver or broker. `HOST:PORT`, `[IPv6]:PORT`, or several IP addresses
  // of one family separated by `;`, of which the first that answers is used.
  std::string endpoint = "127.0.0.1:8081";

  // TLS. The server's certificate is not verified: like the official Java, Go, C++ and C# SDKs,
  // this client accepts the self-signed certificate that a broker makes for itself. It protects
  // against listening, not against an impostor.
  bool tls = false;

  // The cluster's secret (common/access/cluster_secret.h), which admin calls prove to have; empty:
  // none.
  std::string cluster_secret;

  // Deadline of each RPC; a receive adds its waiting time to it.
  absl::Duration request_timeout = absl::Seconds(3);

  // How often a send is tried in all, each time with the same message id.
  int max_attempts = 3;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_CLIENT_OPTIONS_H_
