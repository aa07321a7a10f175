#ifndef MANSIO_BROKER_SERVER_BROKER_CONFIG_H_
#define MANSIO_BROKER_SERVER_BROKER_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/access/access_config.h"
#include "common/config/host_port.h"
#include "common/config/limits.h"
#include "common/config/schema.h"
#include "common/logging/logging.h"
#include "store/options.h"

namespace mansio::broker {

// The configuration of a broker; conf/broker.yaml explains each key.
struct BrokerConfig {
  HostPort listen;
  HostPort advertise;  // empty: from `listen`
  std::vector<HostPort> nameservers;
  std::string cluster;
  std::string name;
  std::string certificate;  // empty: a self-signed one is made
  std::string private_key;
  int32_t rpc_threads = 0;  // 0: one per two cores

  // The group that the broker is a member of (design section 9); its role is the store's.
  int32_t id = 0;   // 0: it is alone
  HostPort master;  // a slave's
  size_t min_in_sync = 1;
  absl::Duration max_lag;
  uint64_t catch_up_bytes_per_second = 0;
  // Where the group elects its master; `store.role` and `master` then change while it runs.
  std::vector<HostPort> etcd;  // empty: roles are static
  absl::Duration lease;
  bool founds = false;
  bool allow_outside = false;

  store::StoreOptions store;
  absl::Duration dead_letter_retention;
  uint32_t max_resends = 0;

  bool auto_create_topics = false;
  uint32_t default_queues = 0;

  absl::Duration first_check;  // of transactions that nobody ends
  absl::Duration check_interval;
  uint32_t max_checks = 0;
  uint64_t pending_transactions = 0;

  absl::Duration min_long_polling;
  absl::Duration max_long_polling;
  absl::Duration max_auto_renew;
  absl::Duration client_silence;
  absl::Duration client_disconnected;

  config::NetworkLimits network;
  uint64_t rpc_memory_bytes = 0;
  uint64_t body_bytes = 0;
  uint32_t properties = 0;
  uint64_t properties_bytes = 0;
  uint32_t messages_per_request = 0;
  int32_t receive_batch = 0;
  uint64_t topics = 0;
  uint32_t queues_per_topic = 0;
  uint64_t groups = 0;
  uint64_t parked_receives = 0;
  uint64_t leases = 0;
  uint64_t leases_per_group = 0;
  uint64_t leases_per_queue = 0;
  uint64_t broadcast_clients = 0;
  uint64_t pending_timers = 0;
  uint64_t move_bytes_per_second = 0;

  std::string delay_levels;
  absl::Duration delay_max;

  access::AccessOptions admin;
  config::MonitorOptions monitor;
  logging::LoggingOptions log;
};

// All keys of a broker. Built once; thread-safe.
const config::Schema<BrokerConfig>& BrokerSchema();

// The word of `role` and of `durability`, as in the configuration.
std::string_view RoleName(store::Role role);
std::string_view DurabilityName(store::Durability durability);

// What whoever runs a member of a group should know of its durability, with the cure; empty:
// nothing.
std::string DurabilityNotice(const BrokerConfig& config);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_BROKER_CONFIG_H_
