#include "broker/server/part_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "broker/delay/levels.h"
#include "common/files/file_system.h"

namespace mansio::broker {
namespace {

// What the transport takes above limits.request-bytes, so that the refusal is a sentence of ours.
constexpr int64_t kRequestSlack = 2 * config::kMiB;

int RpcThreads(const BrokerConfig& config) {
  if (config.rpc_threads > 0) return config.rpc_threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

int ToInt(int64_t value) {
  return static_cast<int>(std::min<int64_t>(value, std::numeric_limits<int>::max()));
}

}  // namespace

rpc::ServerOptions ServerOptionsOf(const BrokerConfig& config) {
  rpc::ServerOptions options;
  options.listen = config.listen.ToString();
  options.certificate = config.certificate;
  options.private_key = config.private_key;
  options.generated_dir = JoinPath(config.store.path, "tls");
  options.threads = RpcThreads(config);
  options.max_connections = config.network.connections;
  options.max_streams_per_connection = config.network.streams_per_connection;
  options.max_request_header_bytes = ToInt(config.network.request_header_bytes);
  options.max_request_bytes = ToInt(config.network.request_bytes + kRequestSlack);
  options.max_undelivered_bytes = config.network.unsent_bytes_per_stream;
  options.memory_quota_bytes = static_cast<int64_t>(config.rpc_memory_bytes);
  options.silent_connection = config.network.silent_connection;
  options.count_calls = !config.monitor.listen.empty();
  return options;
}

SendOptions SendOptionsOf(const BrokerConfig& config) {
  SendOptions options;
  options.broker_name = config.name;
  options.limits.body_bytes = config.body_bytes;
  options.limits.properties = config.properties;
  options.limits.properties_bytes = config.properties_bytes;
  options.limits.messages = config.messages_per_request;
  options.limits.request_bytes = static_cast<size_t>(config.network.request_bytes);
  options.limits.bytes_in_flight = config.store.max_uncommitted_bytes;
  options.limits.max_delay_ms = absl::ToInt64Milliseconds(config.delay_max);
  options.auto_create_topics = config.auto_create_topics;
  options.default_queues = config.default_queues;
  return options;
}

DelayOptions DelayOptionsOf(const BrokerConfig& config) {
  DelayOptions options;
  options.broker_name = config.name;
  options.levels_ms = *ParseDelayLevels(config.delay_levels);  // was checked with the configuration
  options.max_pending = config.pending_timers;
  return options;
}

ConsumptionOptions ConsumptionOptionsOf(const BrokerConfig& config, const HostPort& advertised) {
  ConsumptionOptions options;
  options.broker_name = config.name;
  options.store_host = advertised.ToString();
  options.receive_batch = config.receive_batch;
  options.max_answer_bytes = static_cast<size_t>(config.network.unsent_bytes_per_stream);
  options.max_parked_receives = config.parked_receives;
  options.max_leases = config.leases;
  options.max_group_leases = config.leases_per_group;
  options.max_queue_leases = config.leases_per_queue;
  options.dead_letter_retention = config.dead_letter_retention;
  options.min_long_polling = config.min_long_polling;
  options.max_long_polling = config.max_long_polling;
  options.max_auto_renew = config.max_auto_renew;
  options.broadcast.max_members = config.broadcast_clients;
  return options;
}

OffsetsOptions OffsetsOptionsOf(const BrokerConfig& config, const HostPort& advertised) {
  OffsetsOptions options;
  options.broker_name = config.name;
  options.store_host = advertised.ToString();
  options.pull_batch = config.receive_batch;
  options.max_answer_bytes = static_cast<size_t>(config.network.unsent_bytes_per_stream);
  options.max_parked_pulls = config.parked_receives;
  options.max_long_polling = config.max_long_polling;
  return options;
}

TransactionOptions TransactionOptionsOf(const BrokerConfig& config, const HostPort& advertised) {
  TransactionOptions options;
  options.broker_name = config.name;
  options.store_host = advertised.ToString();
  options.check_back = {.first_check_ms = absl::ToInt64Milliseconds(config.first_check),
                        .interval_ms = absl::ToInt64Milliseconds(config.check_interval),
                        .max_checks = config.max_checks};
  options.max_pending = config.pending_transactions;
  options.max_check_bytes = static_cast<size_t>(config.network.unsent_bytes_per_stream);
  return options;
}

std::vector<std::string> NameserversOf(const BrokerConfig& config) {
  std::vector<std::string> nameservers;
  for (const HostPort& nameserver : config.nameservers) {
    nameservers.push_back(nameserver.ToString());
  }
  return nameservers;
}

MetricLimits MetricLimitsOf(const BrokerConfig& config) {
  MetricLimits limits;
  limits.leases = config.leases;
  limits.parked_receives = config.parked_receives;
  limits.pending_timers = config.pending_timers;
  limits.pending_transactions = config.pending_transactions;
  limits.clients = static_cast<size_t>(config.network.clients);
  limits.uncommitted_bytes = config.store.max_uncommitted_bytes;
  return limits;
}

RegistrationOptions RegistrationOptionsOf(const BrokerConfig& config,
                                          const std::string& cluster_secret) {
  RegistrationOptions options;
  options.cluster_secret = cluster_secret;
  options.nameservers = NameserversOf(config);
  return options;
}

std::string NodeOf(const BrokerConfig& config) {
  if (config.store.role == store::Role::kMaster) return fmt::format("broker {}", config.name);
  return fmt::format("slave {} of broker {}", config.id, config.name);
}

LocalDirectory::Options DirectoryOptionsOf(const BrokerConfig& config, const HostPort& advertised) {
  LocalDirectory::Options options;
  options.broker_name = config.name;
  options.advertised = {advertised.host, advertised.port};
  options.default_queues = config.default_queues;
  options.auto_create_topics = config.auto_create_topics;
  if (config.store.role == store::Role::kSlave) {
    options.auto_create_topics = false;  // its master does that
    options.master = gateway::HostPort{config.master.host, config.master.port};
  }
  return options;
}

}  // namespace mansio::broker
