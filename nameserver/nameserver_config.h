#ifndef MANSIO_NAMESERVER_NAMESERVER_CONFIG_H_
#define MANSIO_NAMESERVER_NAMESERVER_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/access/access_config.h"
#include "common/config/host_port.h"
#include "common/config/limits.h"
#include "common/config/schema.h"
#include "common/logging/logging.h"

namespace mansio::nameserver {

// The configuration of a nameserver; conf/nameserver.yaml explains each key.
struct NameserverConfig {
  HostPort listen;
  HostPort advertise;       // empty: from `listen`
  std::string certificate;  // empty: a self-signed one is made
  std::string private_key;
  std::string generated_dir;  // where that is kept
  int32_t rpc_threads = 0;    // 0: one per two cores

  absl::Duration broker_expiry;
  absl::Duration broker_deadline;

  // What clients are told; the same as the brokers' keys of these names.
  int32_t body_bytes = 0;
  int32_t receive_batch = 0;
  absl::Duration max_long_polling;
  absl::Duration client_silence;
  absl::Duration client_disconnected;

  config::NetworkLimits network;
  int64_t rpc_memory_bytes = 0;
  uint64_t topics = 0;  // of one broker
  uint64_t groups = 0;

  access::AccessOptions admin;
  config::MonitorOptions monitor;
  logging::LoggingOptions log;
};

// All keys of a nameserver. Built once; thread-safe.
const config::Schema<NameserverConfig>& NameserverSchema();

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_NAMESERVER_CONFIG_H_
