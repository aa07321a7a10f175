#include "nameserver/nameserver.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

#include "common/access/admin_gate.h"
#include "common/access/cluster_secret.h"
#include "common/clock/clock.h"
#include "common/files/posix_file_system.h"
#include "common/gateway/admin_gateway.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/forwarder.h"
#include "common/gateway/gateway.h"
#include "common/logging/logging.h"
#include "common/metrics/monitor.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/rpc_metrics.h"
#include "common/net/address.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"
#include "nameserver/admin_lists.h"
#include "nameserver/nameserver_metrics.h"
#include "nameserver/registration_service.h"
#include "nameserver/routing_table.h"
#include "nameserver/watch_service.h"

namespace mansio::nameserver {

namespace {

constexpr absl::Duration kClientScan = absl::Seconds(1);

int ThreadsOf(const NameserverConfig& config) {
  if (config.rpc_threads > 0) return config.rpc_threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

rpc::ServerOptions ServerOptionsOf(const NameserverConfig& config) {
  const config::NetworkLimits& limits = config.network;
  rpc::ServerOptions options;
  options.listen = config.listen.ToString();
  options.certificate = config.certificate;
  options.private_key = config.private_key;
  options.generated_dir = config.generated_dir;
  options.threads = ThreadsOf(config);
  options.max_connections = limits.connections;
  options.max_streams_per_connection = limits.streams_per_connection;
  options.max_request_header_bytes = static_cast<int>(limits.request_header_bytes);
  options.max_request_bytes = static_cast<int>(limits.request_bytes);
  options.max_undelivered_bytes = limits.unsent_bytes_per_stream;
  options.memory_quota_bytes = config.rpc_memory_bytes;
  options.silent_connection = limits.silent_connection;
  options.count_calls = !config.monitor.listen.empty();
  return options;
}

// How this node names itself to other nodes; the port that it gets may not be known yet.
std::string NodeOf(const NameserverConfig& config) {
  const HostPort& known = config.advertise.empty() ? config.listen : config.advertise;
  return fmt::format("nameserver {}", known.ToString());
}

absl::StatusOr<std::string> AdvertisedOf(const NameserverConfig& config, const std::string& bound) {
  if (!config.advertise.empty()) return config.advertise.ToString();
  const absl::StatusOr<net::HostPort> address = net::ParseHostPort(bound);
  if (!address.ok()) return address.status();
  return net::DefaultAdvertised(*address).ToString();
}

}  // namespace

// Members are destroyed from last to first: the server before everything that its handlers use.
class Nameserver::Impl {
 public:
  Impl(const NameserverConfig& config, const Clock* clock)
      : clock_(clock),
        expiry_scan_(config.broker_expiry / 10),
        table_({.expiry = config.broker_expiry,
                .max_topics = static_cast<size_t>(config.topics),
                .max_groups = static_cast<size_t>(config.groups)},
               clock),
        clients_({.max_clients = static_cast<size_t>(config.network.clients),
                  .silence = config.client_silence,
                  .disconnected = config.client_disconnected},
                 clock),
        timers_([clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
        lists_([clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
        peers_(rpc::Client::Create({.max_unsent_bytes = config.network.unsent_bytes_per_stream})),
        relay_(NodeOf(config), {.directory = &table_,
                                .clients = &clients_,
                                .peers = peers_.get(),
                                .timers = &timers_}),
        gateway_({.max_body_bytes = config.body_bytes,
                  .receive_batch = config.receive_batch,
                  .long_polling = config.max_long_polling},
                 &table_, &clients_, nullptr, &relay_),
        forwarder_({.node = NodeOf(config),
                    .max_calls = config.network.forwarded_calls,
                    .max_bytes = config.network.forwarded_bytes},
                   {.directory = &table_,
                    .clients = &clients_,
                    .peers = peers_.get(),
                    .timers = &timers_,
                    .relay = &relay_}),
        registration_(static_cast<size_t>(config.topics + config.groups), &table_),
        watch_(&table_, clock, &timers_) {}

  absl::Status Start(const NameserverConfig& config) {
    auto monitor = metrics::Monitor::Start(
        config.monitor, {{"node_type", "nameserver"}, {"node_id", config.listen.ToString()}});
    if (!monitor.ok()) return monitor.status();
    monitor_ = *std::move(monitor);
    rpc::MethodTable methods;
    gateway_.Register(methods);
    registration_.Register(methods);
    watch_.Register(methods);
    AddAdminLists(
        &table_, [this] { return Advertised(); }, &lists_, methods);
    forwarder_.Install(methods);
    if (absl::Status status = AddAdmin(config, methods); !status.ok()) return status;
    gateway::Gateway::RegisterNotServed(methods, {}, [](std::string_view method) {
      return fmt::format(
          "{} is not served by this version of Mansio; docs/compatibility.md lists what is",
          method);
    });
    absl::StatusOr<std::unique_ptr<rpc::Server>> server =
        rpc::Server::Start(ServerOptionsOf(config), std::move(methods));
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    const absl::StatusOr<std::string> advertised = AdvertisedOf(config, server_->Address());
    if (!advertised.ok()) return advertised.status();
    {
      MutexLock lock(&mutex_);
      advertised_ = *advertised;
    }
    Repeat(expiry_scan_, [this] { table_.ExpireSilent(); });
    Repeat(kClientScan, [this] { clients_.ExpireSilent(); });
    relay_.Start(cluster_secret_);
    timers_.Start();
    lists_.Start();
    if (monitor_ != nullptr) ShowMetrics(static_cast<size_t>(config.network.clients));
    return absl::OkStatus();
  }

  void Shutdown(absl::Duration grace) {
    if (monitor_ != nullptr) monitor_->Stop();
    watch_.Stop();
    relay_.Stop();
    forwarder_.Stop();
    peers_->Stop();
    if (server_ != nullptr) server_->Shutdown(grace);
    lists_.Stop();
    timers_.Stop();
  }

  const rpc::Server& server() const { return *server_; }
  std::string Advertised() const {
    MutexLock lock(&mutex_);
    return advertised_;
  }
  const RoutingTable& table() const { return table_; }

 private:
  // Adds what is passed on to brokers, and puts the admin gate in front of all that is registered.
  absl::Status AddAdmin(const NameserverConfig& config, rpc::MethodTable& methods) {
    PosixFileSystem files;
    absl::StatusOr<std::string> secret = access::ReadSecret(files, config.admin.secret_file);
    if (!secret.ok()) return secret.status();
    absl::StatusOr<access::NetworkList> allow = access::NetworkList::Parse(config.admin.allow);
    if (!allow.ok()) return allow.status();
    admin_ = std::make_unique<gateway::AdminGateway>(
        gateway::AdminGateway::Options{.node = NodeOf(config),
                                       .cluster_secret = *secret,
                                       .broker_deadline = config.broker_deadline,
                                       .spread_lists = false},
        gateway::AdminGateway::Environment{
            .directory = &table_, .peers = peers_.get(), .timers = &timers_});
    admin_->Install(methods);
    cluster_secret_ = *secret;
    gate_ = std::make_unique<access::AdminGate>(
        access::AdminGate::Options{*std::move(allow), *std::move(secret)}, clock_);
    gate_->Protect(methods);
    return absl::OkStatus();
  }

  void ShowMetrics(size_t clients_limit) {
    monitor_->SetReady(
        [this, clients_limit](metrics::Exposition& page) {
          AddNameserver(page, table_, clients_, clients_limit);
          metrics::AddRpc(page, *server_);
          metrics::AddProcess(page, MANSIO_VERSION);
        },
        // It knows what brokers tell it; having none yet is no fault of its own.
        [] {
          return std::vector<metrics::Check>{{"routes", absl::OkStatus()}};
        });
    LOG_INFO("Metrics and health are on http://{}", monitor_->Address());
  }

  void Repeat(absl::Duration period, std::function<void()> work) {
    const int64_t due = absl::ToInt64Milliseconds(clock_->BootNow() + period);
    timers_.Schedule(due, [this, period, work = std::move(work)]() mutable {
      work();
      Repeat(period, std::move(work));
    });
  }

  const Clock* const clock_;
  const absl::Duration expiry_scan_;
  mutable Mutex mutex_;
  std::string advertised_ ABSL_GUARDED_BY(mutex_);  // known when the server listens
  RoutingTable table_;
  gateway::ClientRegistry clients_;
  TimerQueue timers_;
  TimerQueue lists_;  // a thread for long answers, so that routes do not wait for them
  const std::unique_ptr<rpc::Client> peers_;
  std::string cluster_secret_;  // empty: none
  gateway::ClientRelay relay_;
  gateway::Gateway gateway_;
  gateway::Forwarder forwarder_;
  RegistrationService registration_;
  WatchService watch_;
  std::unique_ptr<gateway::AdminGateway> admin_;
  std::unique_ptr<access::AdminGate> gate_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<metrics::Monitor> monitor_;
};

absl::StatusOr<std::unique_ptr<Nameserver>> Nameserver::Start(const NameserverConfig& config,
                                                              const Clock* clock) {
  auto impl = std::make_unique<Impl>(config, clock);
  if (absl::Status status = impl->Start(config); !status.ok()) {
    impl->Shutdown(absl::ZeroDuration());
    return status;
  }
  return std::unique_ptr<Nameserver>(new Nameserver(std::move(impl)));
}

Nameserver::Nameserver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Nameserver::~Nameserver() { Shutdown(absl::ZeroDuration()); }

std::string Nameserver::Address() const { return impl_->server().Address(); }
std::string Nameserver::Advertised() const { return impl_->Advertised(); }
bool Nameserver::SelfSigned() const { return impl_->server().SelfSigned(); }
const RoutingTable& Nameserver::table() const { return impl_->table(); }
void Nameserver::Shutdown(absl::Duration grace) { impl_->Shutdown(grace); }

}  // namespace mansio::nameserver
