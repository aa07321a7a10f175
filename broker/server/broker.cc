#include "broker/server/broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "broker/admin/info.h"
#include "broker/core/feature_set.h"
#include "broker/message/message_keys.h"
#include "broker/metrics/broker_metrics.h"
#include "broker/server/advertise.h"
#include "broker/server/broker_features.h"
#include "broker/server/cluster_node.h"
#include "broker/server/config_service.h"
#include "broker/server/group_member.h"
#include "broker/server/part_options.h"
#include "broker/server/process_config.h"
#include "broker/server/static_run.h"
#include "common/access/admin_gate.h"
#include "common/access/cluster_secret.h"
#include "common/clock/broker_time.h"
#include "common/files/file_system.h"
#include "common/gateway/gateway.h"
#include "common/gateway/send_holds.h"
#include "common/hash/siphash.h"
#include "common/logging/logging.h"
#include "common/metrics/monitor.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/rpc_metrics.h"
#include "common/net/address.h"
#include "common/rpc/server.h"
#include "common/timer/timer_queue.h"
#include "store/store.h"

namespace mansio::broker {
namespace {

// What running calls get to end in at shutdown; receives are answered before it begins.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);
// The same where calls wait for the next opening, which they do not do for long; and how long
// commits that are to come may wait for slaves at the end of a master.
constexpr absl::Duration kLeaveGrace = absl::Seconds(1);
constexpr int64_t kHousekeepingMs = 1000;
constexpr uint64_t kRoundsToDisk = 10;  // of housekeeping
constexpr absl::Duration kReachTimeout = absl::Seconds(3);

void ReportTime(const BrokerTime::Report& report) {
  const std::string difference = absl::FormatDuration(report.difference);
  switch (report.action) {
    case BrokerTime::Report::Action::kObserved:
      LOG_WARNING("The wall clock and broker time are {} apart; broker time follows in a minute",
                  difference);
      break;
    case BrokerTime::Report::Action::kSteppedForward:
      LOG_WARNING("Broker time went forward by {} to the wall clock", difference);
      break;
    case BrokerTime::Report::Action::kStandsStill:
      LOG_WARNING("Broker time stands still until the wall clock has caught up ({})", difference);
      break;
    case BrokerTime::Report::Action::kAgreesAgain:
      LOG_INFO("The wall clock and broker time agree again");
      break;
  }
}

constexpr metrics::Metric kRegistered{
    "mansio_registered", "1 while the broker is registered with the nameserver, else 0."};

void AddRegistrations(const std::vector<RegistrationState>& states, metrics::Exposition& page) {
  for (const RegistrationState& state : states) {
    page.Add(kRegistered, {{"nameserver", state.nameserver}}, state.registered ? 1 : 0);
  }
}

}  // namespace

// Everything that makes up a broker, in the order of construction; nothing calls upwards before
// Start.
class Broker::Parts {
 public:
  Parts(const BrokerConfig& config, const HostPort& advertised, const Environment& environment,
        access::AdminGate::Options access)
      : config_(config),
        environment_(environment),
        advertised_(advertised),
        time_(environment.clock, absl::InfinitePast(), ReportTime),
        timers_(
            [this] { return time_.NowMillis(); },
            [clock = environment.clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
        clients_({.max_clients = static_cast<size_t>(config.network.clients),
                  .silence = config.client_silence,
                  .disconnected = config.client_disconnected},
                 environment.clock),
        holds_({config.network.forwarded_calls, config.network.forwarded_bytes}, &timers_),
        features_(config, advertised,
                  {.clock = environment.clock,
                   .time = &time_,
                   .timers = &timers_,
                   .clients = &clients_,
                   .holds = &holds_}),
        config_service_(config, environment.process,
                        [this](const BrokerConfig& changed) { ApplyChanges(changed); }),
        node_(config, access.secret, DirectoryOptions(),
              {.clock = environment.clock,
               .metadata = features_.metadata(),
               .consumption = features_.consumption(),
               .clients = &clients_,
               .holds = &holds_,
               .observer = ClientObserver()}),
        group_(config, access.secret,
               {.clock = environment.clock,
                .timers = &timers_,
                .clients = &clients_,
                .reopen = environment.reopen,
                .hold = [this](rpc::Holding what) { server_->Hold(what); },
                .elected = environment.elected,
                .run = environment.run,
                .identity = [this] { return Identity(); },
                .roles = environment.roles,
                .peers = node_.peers(),
                .advertised = advertised,
                .files = environment.files}),
        gate_(std::move(access), environment.clock) {
    features_.AddTo(&folded_);
    folded_.Add(group_.feature());
    clients_.SetObserver(ClientObserver());
    features_.metadata()->SetMayLack([this] { return group_.may_lack(); });
  }

  absl::Status Start(std::unique_ptr<rpc::Server> port);
  void StepAside() { group_.StepAside(); }
  // The port, if it is to be kept and could be.
  std::unique_ptr<rpc::Server> Stop(bool keep_port);

  std::string Address() const { return server_->Address(); }
  std::string Advertised() const { return advertised_.ToString(); }
  bool WaitsForMaster() const { return group_.is_alone(); }
  absl::Status Health() const { return store_->Health(); }

 private:
  v1::BrokerIdentity Identity() const;
  // Told of clients' life; a slave's clients are its master's business. May be null.
  gateway::ClientObserver* ClientObserver() {
    return config_.store.role == store::Role::kSlave ? nullptr
                                                     : features_.consumption()->observer();
  }
  absl::Status OpenPort(std::unique_ptr<rpc::Server> port);
  rpc::MethodTable Methods();
  LocalDirectory::Options DirectoryOptions();
  // From now on the monitor shows what this broker is and does; that it stops, and why.
  void StartMetrics();
  void StopMetrics(std::string why);
  std::vector<metrics::Check> Checks() const;
  // Runs each second on the timers' thread.
  void KeepHouse();
  // Asks how much room the disk has, which may take its time.
  void LookAtDisk();
  v1::StoreState StoreStateNow() const;
  // The keys that change while the broker runs.
  void ApplyChanges(const BrokerConfig& changed);
  void WarnIfUnreachable() const;

  const BrokerConfig config_;
  const Environment environment_;
  const HostPort advertised_;
  BrokerTime time_;
  TimerQueue timers_;
  FeatureSet folded_;
  gateway::ClientRegistry clients_;
  gateway::SendHolds holds_;
  BrokerFeatures features_;
  ConfigService config_service_;
  ClusterNode node_;
  GroupMember group_;
  access::AdminGate gate_;
  const ContentKeys keys_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<rpc::Server> server_;
  store::StoreStats store_stats_;
  std::unique_ptr<BrokerMetrics> metrics_;
  std::thread reach_check_;
  bool unhealthy_reported_ = false;  // timers' thread only
  uint64_t rounds_ = 0;              // of KeepHouse
  std::atomic<int64_t> disk_bytes_{0};
  std::atomic<int64_t> disk_free_bytes_{0};
  std::atomic<bool> stopping_{false};
};

absl::Status Broker::Parts::Start(std::unique_ptr<rpc::Server> port) {
  auto store = store::Store::Open(config_.store,
                                  {.files = environment_.files,
                                   .time = &time_,
                                   .stats = &store_stats_,
                                   .keys = &keys_,
                                   .may_commit = group_.Permit(),
                                   .give_up = environment_.give_up},
                                  &folded_);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  if (environment_.give_up()) return absl::CancelledError("the broker is to end");
  if (absl::Status status = group_.Attach(store_.get()); !status.ok()) return status;
  features_.Attach(store_.get());
  LookAtDisk();
  timers_.Start();
  if (group_.DecidesAtOnce()) {
    if (absl::Status status = features_.BeginDeciding(); !status.ok()) return status;
  }
  features_.admin().SetNode(store_.get(), Identity(), [this] { return StoreStateNow(); });
  features_.admin().SetGroup(
      [this](v1::ListBrokersResponse* list) { group_.overview().CompleteList(list); });
  node_.Attach(
      store_.get(), [this] { return Identity(); }, features_.HasPast());
  if (absl::Status status = OpenPort(std::move(port)); !status.ok()) return status;
  timers_.ScheduleAfter(kHousekeepingMs, [this] { KeepHouse(); });
  if (server_->SelfSigned()) {
    LOG_WARNING(
        "TLS uses a self-signed certificate in {}, which clients cannot verify; set "
        "tls.certificate and tls.key for one of your own",
        JoinPath(config_.store.path, "tls"));
  }
  const absl::StatusOr<net::HostPort> bound = net::ParseHostPort(server_->Address());
  if (!gate_.OpenToOthers() && bound.ok() && !bound->IsLoopback()) {
    LOG_WARNING(
        "Commands that show messages or change things are served to this machine only, although "
        "the broker listens on {}; admin.allow or admin.cluster-secret-file opens them to others",
        server_->Address());
  }
  StartMetrics();
  reach_check_ = std::thread([this] { WarnIfUnreachable(); });
  group_.Start([this] { return features_.BeginDeciding(); }, [this] { node_.Appear(); });
  return absl::OkStatus();
}

LocalDirectory::Options Broker::Parts::DirectoryOptions() {
  LocalDirectory::Options options = DirectoryOptionsOf(config_, advertised_);
  options.alone = [this] { return group_.is_alone(); };
  const bool is_returning = environment_.run != nullptr && environment_.run->is_returning();
  if (!config_.etcd.empty() || is_returning) {
    options.elected = [this]() -> std::optional<gateway::HostPort> {
      const std::optional<HostPort> master = group_.PresentMaster();
      if (!master.has_value()) return std::nullopt;
      return gateway::HostPort{master->host, master->port};
    };
  }
  options.slaves = [this] { return group_.overview().SlaveAddresses(); };
  return options;
}

absl::Status Broker::Parts::OpenPort(std::unique_ptr<rpc::Server> port) {
  if (port != nullptr) {
    server_ = std::move(port);
    return server_->Resume(Methods(), rpc::Holding::kDecisions);
  }
  auto server = rpc::Server::Start(ServerOptionsOf(config_), Methods());
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

std::unique_ptr<rpc::Server> Broker::Parts::Stop(bool keep_port) {
  if (stopping_.exchange(true)) return nullptr;
  StopMetrics(keep_port ? "its store is closed and opened again, as its role changes" : "it ends");
  if (store_ == nullptr) return nullptr;
  keep_port = keep_port && server_ != nullptr;
  if (keep_port) server_->Hold(rpc::Holding::kEverything);
  group_.StopBeginning();
  node_.Leave();
  features_.Stop();
  group_.EndCommits(kLeaveGrace);
  group_.ReleaseCalls();
  keep_port = keep_port && server_->Suspend(kLeaveGrace);
  if (server_ != nullptr && !keep_port) server_->Shutdown(kShutdownGrace);
  node_.Stop();
  group_.Stop();
  timers_.Stop();
  // What the timers did last may have left something on the port's threads.
  if (keep_port) keep_port = server_->Suspend(kLeaveGrace);
  if (reach_check_.joinable()) reach_check_.join();
  const bool is_to_reopen = absl::IsFailedPrecondition(store_->Health());
  const absl::Status closed = store_->Close();
  if (!closed.ok() && !is_to_reopen) {
    LOG_ERROR("The store was not closed in order: {}; the next start repairs what is missing",
              std::string(closed.message()));
  }
  if (environment_.elected != nullptr) environment_.elected->StoreWasClosed(closed);
  if (environment_.run != nullptr) environment_.run->StoreWasClosed(closed);
  return keep_port ? std::move(server_) : nullptr;
}

v1::BrokerIdentity Broker::Parts::Identity() const {
  v1::BrokerIdentity identity;
  identity.set_cluster(config_.cluster);
  identity.set_name(config_.name);
  auto* address = identity.add_addresses();
  address->set_host(advertised_.host);
  address->set_port(advertised_.port);
  identity.set_version(environment_.version);
  identity.set_lineage(SipHash24(features_.metadata().handle_key(), "lineage"));
  group_.overview().CompleteIdentity(&identity);
  return identity;
}

rpc::MethodTable Broker::Parts::Methods() {
  rpc::MethodTable methods;
  features_.RegisterOwned(methods);
  group_.AddBehindForwarder(methods);
  node_.InstallForwarder(methods);
  group_.AddBeforeForwarder(methods);
  node_.Register(methods);
  features_.RegisterAdmin(methods);
  config_service_.Register(methods);
  node_.InstallAdminGateway(methods);
  gate_.Protect(methods);
  MarkDecisions(methods);
  gateway::Gateway::RegisterNotServed(methods, {}, [](std::string_view method) {
    return fmt::format(
        "{} is not served by this version of Mansio; docs/compatibility.md lists what is", method);
  });
  return methods;
}

void Broker::Parts::KeepHouse() {
  clients_.ExpireSilent();
  node_.KeepHouse();
  group_.Look();
  const absl::Status health = store_->Health();
  const bool is_unhealthy = !FailureOf(health).empty();
  if (is_unhealthy && !unhealthy_reported_) {
    LOG_ERROR("The broker stores no messages: {}. It goes on answering",
              std::string(health.message()));
  }
  unhealthy_reported_ = is_unhealthy;
  group_.LookForSuccessor(node_.Registrations());
  group_.NoteHealth(health);
  server_->SetServing(health.ok());
  // A busy cold pool has other worries; the figures are those of the last look then.
  if (++rounds_ % kRoundsToDisk == 0) store_->RunCold([this] { LookAtDisk(); });
  if (stopping_) return;
  timers_.ScheduleAfter(kHousekeepingMs, [this] { KeepHouse(); });
}

void Broker::Parts::LookAtDisk() {
  const auto space = environment_.files->Space(config_.store.path);
  if (!space.ok()) return;
  disk_bytes_ = static_cast<int64_t>(space->total);
  disk_free_bytes_ = static_cast<int64_t>(space->available);
}

v1::StoreState Broker::Parts::StoreStateNow() const {
  v1::StoreState state;
  state.set_disk_bytes(disk_bytes_);
  state.set_disk_free_bytes(disk_free_bytes_);
  const store::Cursors cursors = store_->cursors();
  state.set_log_bytes(static_cast<int64_t>(cursors.appended - cursors.min));
  state.set_retention_bytes(
      static_cast<int64_t>(environment_.process->Current().store.retention_bytes));
  if (const uint64_t left = store_->CarryBudgetLeft(); left != UINT64_MAX) {
    state.set_carry_left_bytes(static_cast<int64_t>(left));
  }
  state.set_failure(FailureOf(store_->Health()));
  return state;
}

void Broker::Parts::ApplyChanges(const BrokerConfig& changed) {
  store_->SetRetention(changed.store.retention_age, changed.store.retention_bytes);
  features_.ApplyChanges(changed);
  logging::SetLevel(changed.log.level);
}

void Broker::Parts::StartMetrics() {
  if (environment_.monitor == nullptr) return;
  BrokerMetrics::Sources sources{.store = store_.get(),
                                 .store_stats = &store_stats_,
                                 .files = environment_.files,
                                 .clients = &clients_,
                                 .time = &time_};
  features_.AddSources(&sources);
  metrics_ = std::make_unique<BrokerMetrics>(sources, MetricLimitsOf(config_), config_.store.path,
                                             std::string(DurabilityName(config_.store.durability)),
                                             group_.is_slave());
  environment_.monitor->SetReady(
      [this](metrics::Exposition& page) {
        AddMember(group_.View(), page);
        metrics_->Collect(page);
        metrics::AddRpc(page, *server_);
        AddRegistrations(node_.Registrations(), page);
        metrics::AddProcess(page, environment_.version);
      },
      [this] { return Checks(); });
}

void Broker::Parts::StopMetrics(std::string why) {
  if (environment_.monitor == nullptr || metrics_ == nullptr) return;
  environment_.monitor->SetReady(
      [version = environment_.version](metrics::Exposition& page) {
        metrics::AddProcess(page, version);
      },
      [stopped = absl::UnavailableError(why)] {
        return std::vector<metrics::Check>{{"store", stopped}};
      });
}

std::vector<metrics::Check> Broker::Parts::Checks() const {
  std::vector<metrics::Check> checks = {{"store", store_->Health()}};
  const std::vector<RegistrationState> states = node_.Registrations();
  if (states.empty()) return checks;
  metrics::Check registered{"nameservers", absl::UnavailableError(states.front().last_error)};
  for (const RegistrationState& state : states) {
    if (state.registered) registered.status = absl::OkStatus();
  }
  checks.push_back(std::move(registered));
  return checks;
}

void Broker::Parts::WarnIfUnreachable() const {
  const absl::Status reached = CheckReachable(advertised_, kReachTimeout);
  if (reached.ok()) return;
  LOG_WARNING(
      "The advertised address {} cannot be reached from here: {}. Clients get it in routes; set "
      "advertise=HOST:PORT to an address that they can connect to",
      advertised_.ToString(), std::string(reached.message()));
}

absl::StatusOr<std::unique_ptr<Broker>> Broker::Start(const BrokerConfig& config,
                                                      Environment environment,
                                                      std::unique_ptr<rpc::Server> port) {
  const absl::StatusOr<HostPort> advertised = AdvertisedAddress(config);
  if (!advertised.ok()) return advertised.status();
  absl::StatusOr<std::string> secret =
      access::ReadSecret(*environment.files, config.admin.secret_file);
  if (!secret.ok()) return secret.status();
  absl::StatusOr<access::NetworkList> allow = access::NetworkList::Parse(config.admin.allow);
  if (!allow.ok()) return allow.status();
  auto broker = std::unique_ptr<Broker>(new Broker(
      std::make_unique<Parts>(config, *advertised, environment,
                              access::AdminGate::Options{*std::move(allow), *std::move(secret)})));
  if (absl::Status status = broker->parts_->Start(std::move(port)); !status.ok()) return status;
  return broker;
}

Broker::Broker(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Broker::~Broker() { Stop(); }

std::string Broker::Address() const { return parts_->Address(); }
std::string Broker::Advertised() const { return parts_->Advertised(); }
absl::Status Broker::Health() const { return parts_->Health(); }
bool Broker::WaitsForMaster() const { return parts_->WaitsForMaster(); }

void Broker::StepAside() { parts_->StepAside(); }
void Broker::Stop() { parts_->Stop(/*keep_port=*/false); }
std::unique_ptr<rpc::Server> Broker::Leave() { return parts_->Stop(/*keep_port=*/true); }

}  // namespace mansio::broker
