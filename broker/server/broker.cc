#include "broker/server/broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "broker/admin/admin_service.h"
#include "broker/admin/info.h"
#include "broker/consumption/consumption.h"
#include "broker/core/feature_set.h"
#include "broker/deadletter/dead_letter_moves.h"
#include "broker/deadletter/dead_letter_service.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/delay/delay.h"
#include "broker/delay/delay_admin.h"
#include "broker/inspection/inspection_service.h"
#include "broker/message/message_keys.h"
#include "broker/metadata/metadata.h"
#include "broker/metrics/broker_metrics.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "broker/offsets/offsets.h"
#include "broker/placement/drain_watch.h"
#include "broker/placement/hold_service.h"
#include "broker/registration/cluster_view.h"
#include "broker/registration/cluster_watch.h"
#include "broker/registration/registration_client.h"
#include "broker/send/send_service.h"
#include "broker/server/advertise.h"
#include "broker/server/config_service.h"
#include "broker/server/group_member.h"
#include "broker/server/groups_elsewhere.h"
#include "broker/server/local_directory.h"
#include "broker/server/local_registration.h"
#include "broker/server/part_options.h"
#include "broker/transaction/transactions.h"
#include "common/access/admin_gate.h"
#include "common/access/cluster_secret.h"
#include "common/clock/broker_time.h"
#include "common/files/file_system.h"
#include "common/gateway/admin_gateway.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/forwarder.h"
#include "common/gateway/gateway.h"
#include "common/gateway/relay_service.h"
#include "common/gateway/send_holds.h"
#include "common/hash/siphash.h"
#include "common/logging/logging.h"
#include "common/metrics/monitor.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/rpc_metrics.h"
#include "common/net/address.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/timer/timer_queue.h"
#include "store/store.h"

namespace mansio::broker {
namespace {

// What running calls get to end in at shutdown; receives are answered before it begins.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);
// The same where calls wait for the next opening, which they do not do for long.
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
        metadata_({.topics = config.topics,
                   .queues_per_topic = config.queues_per_topic,
                   .groups = config.groups},
                  &time_),
        dead_letters_(&metadata_),
        clients_({.max_clients = static_cast<size_t>(config.network.clients),
                  .silence = config.client_silence,
                  .disconnected = config.client_disconnected},
                 environment.clock),
        holds_({config.network.forwarded_calls, config.network.forwarded_bytes}, &timers_),
        mover_({}, &timers_),
        budget_(config.move_bytes_per_second, environment.clock),
        consumption_(Consumption::Create(ConsumptionOptionsOf(config, advertised),
                                         {.metadata = &metadata_,
                                          .dead_letters = &dead_letters_,
                                          .clients = &clients_,
                                          .time = &time_,
                                          .timers = &timers_,
                                          .mover = &mover_,
                                          .budget = &budget_})),
        delay_(DelayOptionsOf(config), {.metadata = &metadata_,
                                        .clients = &clients_,
                                        .mover = &mover_,
                                        .budget = &budget_,
                                        .time = &time_,
                                        .timers = &timers_}),
        offsets_(Offsets::Create(OffsetsOptionsOf(config, advertised),
                                 {.metadata = &metadata_,
                                  .clients = &clients_,
                                  .consumption = consumption_.get(),
                                  .time = &time_,
                                  .timers = &timers_})),
        transactions_(
            Transactions::Create(TransactionOptionsOf(config, advertised), {.metadata = &metadata_,
                                                                            .clients = &clients_,
                                                                            .mover = &mover_,
                                                                            .budget = &budget_,
                                                                            .time = &time_,
                                                                            .timers = &timers_})),
        send_(SendOptionsOf(config), {.metadata = &metadata_,
                                      .clients = &clients_,
                                      .time = &time_,
                                      .delay = &delay_,
                                      .halves = transactions_->halves(),
                                      .holds = &holds_}),
        admin_({.broker_name = config.name, .default_queues = config.default_queues},
               {.metadata = &metadata_,
                .consumption = consumption_.get(),
                .clients = &clients_,
                .holds = &holds_}),
        hold_service_(
            config.name,
            {.metadata = &metadata_, .consumption = consumption_.get(), .holds = &holds_}),
        dead_letter_moves_({.max_resends = config.max_resends}, {.metadata = &metadata_,
                                                                 .state = &dead_letters_,
                                                                 .delay = &delay_,
                                                                 .budget = &budget_,
                                                                 .time = &time_,
                                                                 .timers = &timers_}),
        dead_letter_service_({.broker_name = config.name, .limits = SendOptionsOf(config).limits},
                             {.metadata = &metadata_,
                              .state = &dead_letters_,
                              .moves = &dead_letter_moves_,
                              .time = &time_}),
        delay_admin_(&delay_, &metadata_),
        config_service_(config, [this](const BrokerConfig& changed) { ApplyChanges(changed); }),
        inspection_(config.name, {.metadata = &metadata_, .clients = &clients_}),
        others_(config.name, environment.clock),
        groups_elsewhere_(&others_),
        directory_(DirectoryOptions(), &metadata_, &others_),
        cluster_secret_(access.secret),
        peers_(rpc::Client::Create({.max_unsent_bytes = config.network.unsent_bytes_per_stream})),
        node_timers_(
            [clock = environment.clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
        relay_(NodeOf(config), {.directory = &directory_,
                                .clients = &clients_,
                                .peers = peers_.get(),
                                .timers = &node_timers_}),
        group_(config, access.secret,
               {.clock = environment.clock,
                .timers = &timers_,
                .clients = &clients_,
                .reopen = environment.reopen,
                .hold = [this](rpc::Holding what) { server_->Hold(what); },
                .elected = environment.elected,
                .identity = [this] { return Identity(); },
                .roles = environment.roles,
                .peers = peers_.get(),
                .advertised = advertised}),
        relayed_(&clients_, ClientObserver()),
        gateway_({.max_body_bytes = static_cast<int32_t>(config.body_bytes),
                  .receive_batch = config.receive_batch,
                  .long_polling = config.max_long_polling},
                 &directory_, &clients_, ClientObserver(), &relay_),
        forwarder_({.node = NodeOf(config),
                    .max_calls = config.network.forwarded_calls,
                    .max_bytes = config.network.forwarded_bytes},
                   {.directory = &directory_,
                    .clients = &clients_,
                    .peers = peers_.get(),
                    .timers = &node_timers_,
                    .relay = &relay_,
                    .holds = &holds_}),
        admin_gateway_({.node = NodeOf(config), .cluster_secret = access.secret},
                       {.directory = &directory_, .peers = peers_.get(), .timers = &node_timers_}),
        registered_(&metadata_),
        drains_(&metadata_, consumption_.get(),
                [this](const TopicPtr& topic) { registered_.TellTopic(topic); }),
        registration_(RegistrationOptionsOf(config, access.secret), &registered_),
        watch_({.nameservers = NameserversOf(config), .cluster_secret = access.secret}, &others_),
        gate_(std::move(access), environment.clock) {
    features_.Add(&metadata_);
    features_.Add(&dead_letters_);
    for (Feature* feature : consumption_->features()) features_.Add(feature);
    features_.Add(delay_.feature());
    features_.Add(offsets_->feature());
    features_.Add(transactions_->feature());
    features_.Add(group_.feature());
    clients_.SetObserver(ClientObserver());
    metadata_.SetGroupElsewhere(
        [this](std::string_view name, Metadata::Done<std::optional<GroupRecord>> done) {
          groups_elsewhere_.Find(name, std::move(done));
        });
  }

  absl::Status Start(std::unique_ptr<rpc::Server> port);
  void StepAside() { group_.StepAside(); }
  // The port, if it is to be kept and could be.
  std::unique_ptr<rpc::Server> Stop(bool keep_port);

  std::string Address() const { return server_->Address(); }
  std::string Advertised() const { return advertised_.ToString(); }
  absl::Status Health() const { return store_->Health(); }

 private:
  v1::BrokerIdentity Identity() const;
  // Told of clients' life; a slave's clients are its master's business. May be null.
  gateway::ClientObserver* ClientObserver() {
    return group_.is_slave() ? nullptr : consumption_->observer();
  }
  absl::Status OpenPort(std::unique_ptr<rpc::Server> port);
  // Whether the log had topics or groups when it was opened.
  bool HasPast() const;
  rpc::MethodTable Methods();
  LocalDirectory::Options DirectoryOptions();
  // From now on decides what the log will say.
  absl::Status BeginDeciding();
  // From now on clients find this broker, also through others.
  void Appear();
  // From now on the monitor shows what this broker is and does.
  void StartMetrics();
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
  FeatureSet features_;
  Metadata metadata_;
  DeadLetterState dead_letters_;
  gateway::ClientRegistry clients_;
  gateway::SendHolds holds_;
  Mover mover_;
  AppendBudget budget_;
  std::unique_ptr<Consumption> consumption_;
  Delay delay_;
  std::unique_ptr<Offsets> offsets_;
  std::unique_ptr<Transactions> transactions_;
  SendService send_;
  AdminService admin_;
  HoldService hold_service_;
  DeadLetterMoves dead_letter_moves_;
  DeadLetterService dead_letter_service_;
  DelayAdmin delay_admin_;
  ConfigService config_service_;
  InspectionService inspection_;
  ClusterView others_;
  GroupsElsewhere groups_elsewhere_;
  LocalDirectory directory_;
  const std::string cluster_secret_;  // empty: none
  const std::unique_ptr<rpc::Client> peers_;
  // What has to be told other nodes can be much: clients' timers do not wait for it.
  TimerQueue node_timers_;
  gateway::ClientRelay relay_;
  GroupMember group_;
  gateway::RelayService relayed_;
  gateway::Gateway gateway_;
  gateway::Forwarder forwarder_;
  gateway::AdminGateway admin_gateway_;
  LocalRegistration registered_;
  DrainWatch drains_;
  RegistrationClient registration_;
  ClusterWatch watch_;
  access::AdminGate gate_;
  const ContentKeys keys_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<rpc::Server> server_;
  store::StoreStats store_stats_;
  std::unique_ptr<BrokerMetrics> metrics_;
  std::unique_ptr<metrics::Monitor> monitor_;
  std::thread reach_check_;
  bool unhealthy_reported_ = false;  // timers' thread only
  uint64_t rounds_ = 0;              // of KeepHouse
  std::atomic<int64_t> disk_bytes_{0};
  std::atomic<int64_t> disk_free_bytes_{0};
  std::atomic<bool> stopping_{false};
};

absl::Status Broker::Parts::Start(std::unique_ptr<rpc::Server> port) {
  auto monitor = metrics::Monitor::Start(
      config_.monitor,
      {{"cluster", config_.cluster}, {"node_type", "broker"}, {"node_id", config_.name}});
  if (!monitor.ok()) return monitor.status();
  monitor_ = *std::move(monitor);
  auto store = store::Store::Open(config_.store,
                                  {.files = environment_.files,
                                   .time = &time_,
                                   .stats = &store_stats_,
                                   .keys = &keys_,
                                   .may_commit = group_.Permit()},
                                  &features_);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  if (absl::Status status = group_.Attach(store_.get()); !status.ok()) return status;
  send_.Attach(store_.get());
  mover_.Attach(store_.get());
  LookAtDisk();
  inspection_.Attach(store_.get());
  drains_.Attach(store_.get());
  timers_.Start();
  node_timers_.Start();
  if (group_.DecidesAtOnce()) {
    if (absl::Status status = BeginDeciding(); !status.ok()) return status;
  }
  admin_.SetNode(store_.get(), Identity(), [this] { return StoreStateNow(); });
  admin_.SetGroup([this](v1::ListBrokersResponse* list) { group_.CompleteList(list); });
  registered_.SetIdentity([this] { return Identity(); });
  if (!config_.nameservers.empty()) others_.Expect(HasPast());
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
  group_.Start([this] { return BeginDeciding(); }, [this] { Appear(); });
  return absl::OkStatus();
}

LocalDirectory::Options Broker::Parts::DirectoryOptions() {
  LocalDirectory::Options options = DirectoryOptionsOf(config_, advertised_);
  options.alone = [this] { return group_.is_alone(); };
  if (!config_.etcd.empty()) {
    options.elected = [this]() -> std::optional<gateway::HostPort> {
      const std::optional<HostPort> master = group_.PresentMaster();
      if (!master.has_value()) return std::nullopt;
      return gateway::HostPort{master->host, master->port};
    };
  }
  options.slaves = [this] { return group_.SlaveAddresses(); };
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

absl::Status Broker::Parts::BeginDeciding() {
  if (absl::Status status = metadata_.EnsureHandleKey(); !status.ok()) return status;
  if (absl::Status status = transactions_->Start(); !status.ok()) return status;
  consumption_->Start();
  return delay_.Start();
}

void Broker::Parts::Appear() {
  registration_.Start();
  watch_.Start();
  relay_.Start(cluster_secret_);
}

std::unique_ptr<rpc::Server> Broker::Parts::Stop(bool keep_port) {
  if (stopping_.exchange(true)) return nullptr;
  if (monitor_ != nullptr) monitor_->Stop();
  if (store_ == nullptr) return nullptr;
  keep_port = keep_port && server_ != nullptr;
  if (keep_port) server_->Hold(rpc::Holding::kEverything);
  group_.StopBeginning();
  if (server_ != nullptr) registration_.Stop();
  watch_.Stop();
  others_.Stop();
  relay_.Stop();
  forwarder_.Stop();
  holds_.Stop();
  peers_->Stop();
  consumption_->Stop();
  delay_.Stop();
  offsets_->Stop();
  transactions_->Stop();
  mover_.Stop();
  group_.ReleaseCalls();
  keep_port = keep_port && server_->Suspend(kLeaveGrace);
  if (server_ != nullptr && !keep_port) server_->Shutdown(kShutdownGrace);
  node_timers_.Stop();
  group_.Stop();
  timers_.Stop();
  // What the timers did last may have left something on the port's threads.
  if (keep_port) keep_port = server_->Suspend(kLeaveGrace);
  if (reach_check_.joinable()) reach_check_.join();
  if (absl::Status status = store_->Close(); !status.ok()) {
    LOG_ERROR("The store was not closed in order: {}; the next start repairs what is missing",
              std::string(status.message()));
  }
  return keep_port ? std::move(server_) : nullptr;
}

bool Broker::Parts::HasPast() const {
  const std::vector<TopicPtr> topics = metadata_.Topics();
  return !metadata_.Groups().empty() ||
         std::any_of(topics.begin(), topics.end(),
                     [](const TopicPtr& topic) { return topic->kind != TopicKind::kSystem; });
}

v1::BrokerIdentity Broker::Parts::Identity() const {
  v1::BrokerIdentity identity;
  identity.set_cluster(config_.cluster);
  identity.set_name(config_.name);
  auto* address = identity.add_addresses();
  address->set_host(advertised_.host);
  address->set_port(advertised_.port);
  identity.set_version(environment_.version);
  identity.set_lineage(SipHash24(metadata_.handle_key(), "lineage"));
  group_.CompleteIdentity(&identity);
  return identity;
}

rpc::MethodTable Broker::Parts::Methods() {
  rpc::MethodTable methods;
  send_.Register(methods);
  delay_.Register(methods);
  consumption_->Register(methods);
  offsets_->Register(methods);
  transactions_->Register(methods);
  group_.AddBehindForwarder(methods);
  forwarder_.Install(methods);
  group_.AddBeforeForwarder(methods);
  gateway_.Register(methods);
  relayed_.Register(methods);
  admin_.Register(methods);
  hold_service_.Register(methods);
  dead_letter_service_.Register(methods);
  delay_admin_.Register(methods);
  config_service_.Register(methods);
  inspection_.Register(methods);
  admin_gateway_.Install(methods);
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
  others_.KeepHouse();
  group_.Look();
  drains_.Look();
  const absl::Status health = store_->Health();
  if (!health.ok() && !unhealthy_reported_) {
    LOG_ERROR("The broker stores no messages: {}. It goes on answering",
              std::string(health.message()));
  }
  unhealthy_reported_ = !health.ok();
  group_.LookForSuccessor(registration_.States());
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
  state.set_retention_bytes(static_cast<int64_t>(config_service_.Current().store.retention_bytes));
  if (const uint64_t left = store_->CarryBudgetLeft(); left != UINT64_MAX) {
    state.set_carry_left_bytes(static_cast<int64_t>(left));
  }
  if (const absl::Status health = store_->Health(); !health.ok()) {
    state.set_failure(std::string(health.message()));
  }
  return state;
}

void Broker::Parts::ApplyChanges(const BrokerConfig& changed) {
  store_->SetRetention(changed.store.retention_age, changed.store.retention_bytes);
  dead_letter_moves_.SetMaxResends(changed.max_resends);
  budget_.SetRate(changed.move_bytes_per_second);
  logging::SetLevel(changed.log.level);
}

void Broker::Parts::StartMetrics() {
  if (monitor_ == nullptr) return;
  metrics_ =
      std::make_unique<BrokerMetrics>(BrokerMetrics::Sources{.store = store_.get(),
                                                             .store_stats = &store_stats_,
                                                             .files = environment_.files,
                                                             .metadata = &metadata_,
                                                             .dead_letters = &dead_letters_,
                                                             .consumption = consumption_.get(),
                                                             .offsets = offsets_.get(),
                                                             .delay = &delay_,
                                                             .transactions = transactions_.get(),
                                                             .clients = &clients_,
                                                             .time = &time_},
                                      MetricLimitsOf(config_), config_.store.path,
                                      std::string(DurabilityName(config_.store.durability)));
  monitor_->SetReady(
      [this](metrics::Exposition& page) {
        metrics_->Collect(page);
        metrics::AddRpc(page, *server_);
        AddRegistrations(registration_.States(), page);
        metrics::AddProcess(page, environment_.version);
      },
      [this] { return Checks(); });
  LOG_INFO("Metrics and health are on http://{}", monitor_->Address());
}

std::vector<metrics::Check> Broker::Parts::Checks() const {
  std::vector<metrics::Check> checks = {{"store", store_->Health()}};
  const std::vector<RegistrationState> states = registration_.States();
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
void Broker::StepAside() { parts_->StepAside(); }
void Broker::Stop() { parts_->Stop(/*keep_port=*/false); }
std::unique_ptr<rpc::Server> Broker::Leave() { return parts_->Stop(/*keep_port=*/true); }

}  // namespace mansio::broker
