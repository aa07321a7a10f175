#include "broker/server/group_member.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "broker/replication/slave_streams.h"
#include "broker/server/store_id.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

// How long a slave that ends waits for its master to go on without it: for etcd, or for the other
// members.
constexpr absl::Duration kGoodbyePatience = absl::Seconds(2);

MasterOptions MasterOptionsOf(const BrokerConfig& config) {
  MasterOptions options;
  options.cluster = config.cluster;
  options.broker = config.name;
  options.id = config.id;
  options.durability = config.store.durability;
  options.min_in_sync = config.min_in_sync;
  options.max_lag = config.max_lag;
  options.catch_up_bytes_per_second = config.catch_up_bytes_per_second;
  return options;
}

SlaveLinkOptions LinkOptionsOf(const BrokerConfig& config, const std::string& secret) {
  SlaveLinkOptions options;
  options.slave.cluster = config.cluster;
  options.slave.broker = config.name;
  options.slave.id = config.id;
  options.slave.durability = config.store.durability;
  options.master = config.master.ToString();
  options.cluster_secret = secret;
  return options;
}

// Of this process, whatever is opened in it.
const std::string& ProcessId() {
  static const auto* const id = [] {
    std::random_device random;
    return new std::string(fmt::format("{:08x}{:08x}", random(), random()));
  }();
  return *id;
}

HeldReceives::Options HeldOptionsOf(const BrokerConfig& config) {
  HeldReceives::Options options;
  options.max_held = config.parked_receives;
  options.max_polling = config.max_long_polling;
  return options;
}

constexpr absl::Duration kLookAtCommits = absl::Milliseconds(5);

}  // namespace

GroupMember::GroupMember(const BrokerConfig& config, std::string cluster_secret,
                         Environment environment)
    : config_(config),
      cluster_secret_(std::move(cluster_secret)),
      environment_(std::move(environment)),
      hold_(environment_.clock, environment_.hold),
      promotion_(PromotionEnvironmentOf()) {
  if (config_.id == 0) return;
  held_ = std::make_unique<HeldReceives>(HeldOptionsOf(config_), environment_.clients,
                                         environment_.timers);
}

GroupMember::~GroupMember() { Stop(); }

std::function<bool()> GroupMember::Permit() const {
  return environment_.elected != nullptr ? environment_.elected->Permit() : nullptr;
}

absl::Status GroupMember::Attach(store::Store* store) {
  store_ = store;
  if (config_.id != 0) {
    log_ = store->replicated_log();
    absl::StatusOr<StoreId> id = OpenStoreId(environment_.files, config_.store.path);
    if (!id.ok()) return id.status();
    store_id_ = *std::move(id);
    absl::Status attached = is_slave() ? AttachSlave() : AttachMaster();
    if (attached.ok() && environment_.run != nullptr) {
      attached = environment_.run->Attach(config_.store.role, log_->History().epochs.last() == 0);
    }
    if (!attached.ok()) return attached;
  }
  overview_.emplace(
      GroupOverview::Sources{.config = &config_,
                             .in_sync = &in_sync_,
                             .store = store_,
                             .log = log_,
                             .master = master_ != nullptr ? &master_->master() : nullptr,
                             .elected = environment_.elected,
                             .following = [this] { return link_ == nullptr || link_->following(); },
                             .run = environment_.run,
                             .returning = returning_.get()});
  if (environment_.elected == nullptr) return absl::OkStatus();
  const store::LogHistory history = log_->History();
  return environment_.elected->Attach(this, history.epochs.last(), history.end, log_->IsCopying(),
                                      store_id_);
}

absl::Status GroupMember::AttachSlave() {
  SlaveLinkOptions options = LinkOptionsOf(config_, cluster_secret_);
  options.slave.store = store_id_;
  options.slave.process = ProcessId();
  options.slave.identity = environment_.identity;
  options.slave.election = environment_.elected;
  if (StaticRun* const run = environment_.run; run != nullptr) {
    options.slave.is_whole = [run] { return run->is_whole(); };
    options.slave.holds_all = [run] { run->HoldsAll(); };
  }
  if (is_returning()) options.master.clear();
  options.reopen = environment_.reopen;
  options.following_changed = [this] { Look(); };
  link_ = std::make_unique<SlaveLink>(std::move(options), log_, environment_.clock);
  slave_gate_ =
      std::make_unique<SlaveGate>(config_.name, held_.get(), [this] { return link_->following(); });
  return is_returning() ? AttachReturning() : absl::OkStatus();
}

absl::Status GroupMember::AttachReturning() {
  absl::StatusOr<InSyncRecord> in_sync = LastInSync();
  if (!in_sync.ok()) return in_sync.status();
  returning_ = std::make_unique<ReturningService>(
      ReturningMasterOptions{.cluster = config_.cluster,
                             .broker = config_.name,
                             .id = config_.id,
                             .log = log_->History(),
                             .in_sync = *std::move(in_sync),
                             .min_in_sync = config_.min_in_sync,
                             .is_whole = [run = environment_.run] { return run->is_whole(); }},
      ReturningService::Environment{
          .clock = environment_.clock,
          .begin =
              [this] {
                environment_.run->Decided();
                environment_.reopen();
              },
          .promote = [this](const auto& heir, auto done) { AskForPromotion(heir, done); }});
  return absl::OkStatus();
}

absl::Status GroupMember::AttachMaster() {
  absl::StatusOr<InSyncRecord> in_sync = LastInSync();
  if (!in_sync.ok()) return in_sync.status();
  MasterOptions options = MasterOptionsOf(config_);
  options.identity = environment_.identity;
  options.election = environment_.elected;
  if (options.election != nullptr) options.stores = environment_.elected->stores();
  if (environment_.run != nullptr) options.away = environment_.run->TakeSilent();
  master_ = std::make_unique<MasterService>(std::move(options), log_, environment_.clock,
                                            std::move(in_sync->members));
  reign_gate_ = std::make_unique<ReignGate>(
      held_.get(), [this] { return master_->master().CheckSends(); },
      [this] {
        return environment_.elected != nullptr ? environment_.elected->CheckPermit()
                                               : absl::OkStatus();
      });
  if (DecidesAtOnce()) reign_gate_->Open();
  hand_over_ = std::make_unique<HandOver>(HandOverEnvironmentOf());
  return absl::OkStatus();
}

HandOver::Environment GroupMember::HandOverEnvironmentOf() {
  HandOver::Environment environment;
  environment.broker = config_.name;
  environment.self = config_.id;
  environment.clock = environment_.clock;
  environment.timers = environment_.timers;
  environment.gate = reign_gate_.get();
  environment.slaves = [this] { return master_->master().Slaves(); };
  environment.in_sync = [this] { return master_->master().InSync(); };
  environment.committed_end = [this]() -> std::optional<store::LogOffset> {
    if (store_->usage().uncommitted_bytes != 0) return std::nullopt;
    return log_->Reached().appended;
  };
  environment.changed = [this] { Look(); };
  if (environment_.elected != nullptr) {
    environment.is_deposed = [this] { return environment_.elected->is_deposed(); };
    environment.may_elect = [this](BrokerId heir) {
      return environment_.elected->CheckHandOver(heir);
    };
    environment.elect = [this](BrokerId heir) {
      return environment_.elected->HandOver(heir, /*leaves=*/true);
    };
  }
  return environment;
}

absl::StatusOr<InSyncRecord> GroupMember::LastInSync() const {
  if (environment_.elected != nullptr) {
    return InSyncRecord{.members = environment_.elected->in_sync()};
  }
  if (!config_.store.WaitsForCommit()) return InSyncRecord{.members = in_sync_.members()};
  absl::StatusOr<InSyncRecord> last = LastInSyncSet(*log_, log_->Reached().applied);
  if (last.ok() && last->members.empty()) last->members = in_sync_.members();
  return last;
}

std::optional<HostPort> GroupMember::PresentMaster() const {
  if (is_returning()) return std::nullopt;
  if (environment_.elected == nullptr) return config_.master;
  const MutexLock lock(&mutex_);
  return present_master_;
}

void GroupMember::SetMaster(const std::string& address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  {
    const MutexLock lock(&mutex_);
    present_master_.reset();
    if (parsed.ok()) present_master_ = *parsed;
  }
  link_->SetMaster(parsed.ok() ? address : "");
}

void GroupMember::AskForPromise(BrokerId slave, const PromiseRequest& request) {
  master_->AskForPromise(slave, request);
}

void GroupMember::InSyncRecorded(std::set<BrokerId> members) {
  master_->InSyncRecorded(std::move(members));
}

void GroupMember::NoteHealth(const absl::Status& health) {
  ElectedRole* const elected = environment_.elected;
  if (elected == nullptr) return;
  const std::string why(health.message());
  if (absl::IsDeadlineExceeded(health)) return elected->DiskIsSilent(why);
  elected->DiskAnswers();
  // Else it is a full disk, which may come to have room again, or a log that is to be opened again.
  if (absl::IsUnavailable(health)) elected->StoreHasFailed(why);
}

void GroupMember::AddBehindForwarder(rpc::MethodTable& methods) {
  if (slave_gate_ != nullptr) slave_gate_->KeepReads(methods);
  if (reign_gate_ != nullptr) reign_gate_->Protect(methods);
  if (master_ != nullptr) {
    master_->Register(methods);
  } else if (returning_ != nullptr) {
    returning_->Register(methods);
  } else {
    // A server cannot get methods later, and this broker may become the master.
    methods.bidi.push_back(RefuseSlaves("this broker is not the master of its group"));
  }
}

void GroupMember::AddBeforeForwarder(rpc::MethodTable& methods) {
  if (slave_gate_ != nullptr) slave_gate_->Install(methods);
  promotion_.Register(methods);
}

void GroupMember::Start(std::function<absl::Status()> decide, std::function<void()> appear) {
  if (link_ != nullptr) link_->Start();
  if (master_ != nullptr) master_->Start();
  if (returning_ != nullptr) returning_->Start();
  if (hand_over_ != nullptr && DecidesAtOnce()) hand_over_->TakeCalls();
  Look();
  if (DecidesAtOnce() || is_slave()) return appear();
  LOG_INFO("Waits until {} of the in-sync members {{{}}} of {} confirm the beginning of its reign",
           config_.min_in_sync, fmt::join(master_->master().InSync(), ", "), config_.name);
  beginning_ = std::thread([this, decide = std::move(decide), appear = std::move(appear)] {
    pthread_setname_np(pthread_self(), "mansio-reign");
    Begin(decide, appear);
  });
}

void GroupMember::Begin(const std::function<absl::Status()>& decide,
                        const std::function<void()>& appear) {
  if (!master_->AwaitReign()) return;
  const absl::Status status = decide();
  begun_ = true;
  if (!status.ok()) {
    LOG_ERROR("The reign cannot begin: {}", std::string(status.message()));
    return;
  }
  hand_over_->TakeCalls();
  appear();
  LOG_INFO("The reign has begun");
}

void GroupMember::StepAside() {
  if (hand_over_ != nullptr) hand_over_->StepAside();
  if (link_ != nullptr) link_->SayGoodbye(kGoodbyePatience);
}

void GroupMember::StopBeginning() {
  // What waits for a commit waits in vain, and so would the end.
  const bool is_deposed = environment_.elected != nullptr && environment_.elected->is_deposed();
  if (is_deposed && log_ != nullptr) log_->StopCommits();
  if (!beginning_.joinable()) return;
  master_->GiveUp();
  // It may wait for a commit that does not come.
  if (!begun_) log_->StopCommits();
  beginning_.join();
}

void GroupMember::EndCommits(absl::Duration patience) {
  if (master_ == nullptr || DecidesAtOnce()) return;
  reign_gate_->Close("the broker ends, or changes its role; try again soon");
  const absl::Time deadline = absl::Now() + patience;
  while (store_->usage().uncommitted_bytes != 0 && master_->master().CheckSends().ok() &&
         absl::Now() < deadline) {
    absl::SleepFor(kLookAtCommits);
  }
  log_->StopCommits();
}

void GroupMember::ReleaseCalls() {
  if (held_ != nullptr) held_->Stop();
}

void GroupMember::Stop() {
  if (stopped_.exchange(true)) return;
  if (environment_.elected != nullptr) environment_.elected->Detach();
  StopBeginning();
  if (link_ != nullptr) link_->Stop();
  if (master_ != nullptr) master_->Stop();
  if (returning_ != nullptr) returning_->Stop();
}

void GroupMember::Look() {
  const bool decided = SomebodyDecides();
  hold_.Look(decided);
  const bool permitted =
      environment_.elected == nullptr || is_slave() || environment_.elected->CheckPermit().ok();
  // Also those that came to be held while that changed.
  if (decided && permitted && held_ != nullptr) held_->ReleaseAll();
}

bool GroupMember::SomebodyDecides() const {
  if (link_ != nullptr) return link_->following();
  return hand_over_ == nullptr || hand_over_->reigns();
}

// ---- roles by command ----

PromotionEnvironment GroupMember::PromotionEnvironmentOf() {
  PromotionEnvironment promotion;
  promotion.cluster = config_.cluster;
  promotion.broker = config_.name;
  promotion.self = environment_.advertised;
  promotion.durability = config_.store.durability;
  promotion.min_in_sync = config_.min_in_sync;
  promotion.cluster_secret = cluster_secret_;
  promotion.roles = environment_.roles;
  promotion.peers = environment_.peers;
  promotion.master = is_slave() ? config_.master : HostPort();
  promotion.reopen = [this] {
    // Also a member that may lack something is what a command says.
    if (environment_.run != nullptr) environment_.run->Decided();
    environment_.reopen();
  };
  promotion.promoted = [this](std::set<BrokerId> silent) {
    if (environment_.run != nullptr) environment_.run->Promoted(std::move(silent));
  };
  promotion.state = [this] { return OwnState(); };
  promotion.in_sync = [this]() -> absl::StatusOr<std::set<BrokerId>> {
    absl::StatusOr<InSyncRecord> last = LastInSync();
    if (!last.ok()) return last.status();
    return std::move(last->members);
  };
  promotion.run_cold = [this](absl::AnyInvocable<void()> job) {
    return store_->RunCold(std::move(job));
  };
  promotion.leave_master = [this] {
    if (link_ != nullptr) link_->Stop();
  };
  promotion.hand_over = [this](BrokerId heir, HandOver::Done done) {
    HandOverTo(heir, std::move(done));
  };
  promotion.resume = [this] { Resume(); };
  if (environment_.elected != nullptr) {
    promotion.elect = [this](BrokerId heir) {
      return environment_.elected->HandOver(heir, /*leaves=*/false);
    };
  }
  promotion.members = [this] { return Members(); };
  return promotion;
}

std::vector<v1::BrokerIdentity> GroupMember::Members() const {
  if (returning_ != nullptr) return returning_->Members();
  if (link_ != nullptr) return link_->Members();
  std::vector<v1::BrokerIdentity> slaves;
  for (const SlaveState& slave : master_->master().Slaves()) slaves.push_back(slave.identity);
  return slaves;
}

void GroupMember::HandOverTo(BrokerId heir, HandOver::Done done) {
  if (hand_over_ != nullptr) return hand_over_->To(heir, std::move(done));
  if (returning_ != nullptr) return done(returning_->HandOver(heir));
  done(absl::FailedPreconditionError("this broker is not the master of its group"));
}

void GroupMember::Resume() {
  if (hand_over_ != nullptr) hand_over_->TakeCalls();
  if (returning_ != nullptr) returning_->Resume();
}

void GroupMember::AskForPromotion(const v1::BrokerIdentity& heir,
                                  std::function<void(const absl::Status&)> done) {
  v1::PromoteBrokerRequest request;
  request.set_broker(config_.name);
  request.set_member(heir.member());
  request.set_demote(true);
  for (const v1::BrokerIdentity& member : Members()) {
    if (member.addresses_size() > 0) *request.add_others() = member.addresses(0);
  }
  AskToPromote(PromotionEnvironmentOf(), heir, request, std::move(done));
}

MemberState GroupMember::OwnState() const {
  MemberState state{
      .id = config_.id, .address = environment_.advertised.ToString(), .role = config_.store.role};
  if (log_ == nullptr) return state;
  state.epoch = store_->epoch();
  state.end = log_->Reached().appended;
  state.copying = log_->IsCopying();
  state.whole = environment_.run == nullptr || environment_.run->is_whole();
  state.returning = is_returning();
  return state;
}

void GroupMember::LookForSuccessor(const std::vector<RegistrationState>& registrations) {
  if (reign_gate_ == nullptr) return;
  std::string successor;
  for (const RegistrationState& state : registrations) {
    if (!state.superseded_by.empty()) successor = state.superseded_by;
  }
  if (successor == successor_) return;
  successor_ = successor;
  if (successor.empty()) {
    LOG_INFO("Serves as the master of {} again", config_.name);
    return reign_gate_->SetSuperseded("");
  }
  LOG_ERROR(
      "{} has become the master of {} while this broker was away, and this one takes nothing any "
      "more. Make it a slave: `mansio broker promote` with that member again, with --member {}, or "
      "role=slave and replication.master in its configuration. It then cuts what that one does not "
      "have, and says so",
      successor, config_.name, environment_.advertised.ToString());
  reign_gate_->SetSuperseded(fmt::format("{} is the master of this broker group now", successor));
}

}  // namespace mansio::broker
