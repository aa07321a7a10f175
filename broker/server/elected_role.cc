#include "broker/server/elected_role.h"

#include <fmt/format.h>

#include <utility>

#include "common/clock/clock.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

// Much pending state takes some seconds to close and open.
constexpr absl::Duration kTakeUp = absl::Seconds(60);

ElectionOptions ElectionOptionsOf(const BrokerConfig& config, const std::string& address) {
  ElectionOptions options;
  options.self = config.id;
  options.address = address;
  options.prefix = ElectionPrefix(config.cluster, config.name);
  options.founds = config.founds;
  options.allow_outside = config.allow_outside;
  options.lease = config.lease;
  options.min_in_sync = config.min_in_sync;
  options.promise = config.lease - absl::Seconds(1);
  options.take_up = kTakeUp;
  return options;
}

bool MayAcknowledge(const std::shared_ptr<const Reign>& reign, const Clock* clock) {
  return reign == nullptr || reign->MayAcknowledge(clock->BootNow());
}

}  // namespace

ElectedRole::ElectedRole(const BrokerConfig& config, const std::string& address,
                         Environment environment)
    : self_(config.id),
      may_lose_(config.store.durability == store::Durability::kReplica),
      environment_(std::move(environment)),
      run_(environment_.files, config.store.path, environment_.boot),
      elector_(ElectionOptionsOf(config, address), environment_.etcd, environment_.clock, this) {}

ElectedRole::~ElectedRole() { elector_.Stop(); }

BrokerConfig ElectedRole::NextOpening(BrokerConfig config) {
  const MutexLock lock(&mutex_);
  reopening_ = false;
  opened_ = reign_;
  config.store.role = reign_ != nullptr ? store::Role::kMaster : store::Role::kSlave;
  config.store.reign = reign_ != nullptr ? reign_->epoch() : 0;
  return config;
}

void ElectedRole::End() {
  elector_.Stop();
  const MutexLock lock(&standing_mutex_);
  if (!failed_) run_.End();
}

absl::Status ElectedRole::Attach(ElectedMember* member, store::Epoch epoch, store::LogOffset end,
                                 bool copying, const StoreId& store) {
  bool is_master = false;
  {
    const MutexLock lock(&mutex_);
    member_ = member;
    is_master = opened_ != nullptr;
    if (is_master) {
      member_->InSyncRecorded(in_sync_);
    } else {
      member_->SetMaster(master_);
    }
  }
  bool is_first = false;
  {
    const MutexLock lock(&standing_mutex_);
    is_first = !run_.has_begun();
    if (absl::Status begun = run_.StoreWasOpened(epoch == 0); !begun.ok()) return begun;
    TakeOverRun();
    standing_.last_epoch = epoch;
    standing_.store = store;
    copying_ = copying;
    is_silent_ = false;
  }
  // What a master has is what the group has.
  if (is_master) BecomeWhole();
  TellStanding(end);
  if (is_first) elector_.Start();
  return absl::OkStatus();
}

void ElectedRole::Detach() {
  const MutexLock lock(&mutex_);
  member_ = nullptr;
}

void ElectedRole::TellStanding(std::optional<store::LogOffset> log_end) {
  const MutexLock lock(&standing_mutex_);
  standing_.may_stand = !failed_ && !copying_ && !is_second_ && !is_silent_;
  Standing standing = standing_;
  standing.log_end = log_end;
  elector_.SetStanding(standing);
}

void ElectedRole::TakeOverRun() {
  standing_.began_empty = run_.began_empty();
  standing_.whole = !run_.began_empty() && (run_.whole() || !may_lose_);
}

void ElectedRole::BecomeWhole() {
  {
    const MutexLock lock(&standing_mutex_);
    if (failed_ || !run_.BecomeWhole()) return;
    TakeOverRun();
  }
  LOG_INFO("This member has all that the others may count on it to have.");
  TellStanding();
}

void ElectedRole::HoldsAll() {
  bool was_second = false;
  {
    const MutexLock lock(&standing_mutex_);
    was_second = std::exchange(is_second_, false);
  }
  if (was_second) TellStanding();
  BecomeWhole();
}

void ElectedRole::IsSecond() {
  {
    const MutexLock lock(&standing_mutex_);
    if (std::exchange(is_second_, true)) return;
  }
  TellStanding();
}

void ElectedRole::StoreWasClosed(const absl::Status& closed) {
  const MutexLock lock(&standing_mutex_);
  run_.StoreWasClosed(closed);
}

void ElectedRole::StoreHasFailed(const std::string& why) {
  if (failed_.exchange(true)) return;
  TellStanding();
  elector_.StepDown(why);
  // Last, as it writes to a disk that may answer nothing more.
  const MutexLock lock(&standing_mutex_);
  // With `replica` it has confirmed what the system was to write, and now may forget.
  const absl::Status doubted = may_lose_ && run_.has_begun() ? run_.Doubt() : absl::OkStatus();
  if (!doubted.ok()) {
    LOG_WARNING("The next start does not know that something may be lost: {}",
                std::string(doubted.message()));
  }
}

void ElectedRole::DiskIsSilent(const std::string& why) {
  {
    const MutexLock lock(&standing_mutex_);
    if (std::exchange(is_silent_, true)) return;
  }
  TellStanding();
  elector_.StepDown(why);
}

void ElectedRole::DiskAnswers() {
  {
    const MutexLock lock(&standing_mutex_);
    if (!std::exchange(is_silent_, false)) return;
  }
  TellStanding();
}

std::set<BrokerId> ElectedRole::in_sync() const {
  const MutexLock lock(&mutex_);
  return in_sync_;
}

StoreIds ElectedRole::stores() const {
  const MutexLock lock(&mutex_);
  return stores_;
}

std::function<bool()> ElectedRole::Permit() const {
  const MutexLock lock(&mutex_);
  return [reign = opened_, clock = environment_.clock] { return MayAcknowledge(reign, clock); };
}

absl::Status ElectedRole::CheckPermit() const {
  {
    const MutexLock lock(&mutex_);
    if (MayAcknowledge(opened_, environment_.clock)) return absl::OkStatus();
  }
  std::string why = State().trouble;
  if (why.empty()) why = "another member may be master by now";
  return absl::UnavailableError(
      fmt::format("this broker stores nothing at the moment: {}; try again soon", why));
}

bool ElectedRole::is_deposed() const {
  const MutexLock lock(&mutex_);
  return opened_ != nullptr && opened_ != reign_;
}

void ElectedRole::Reopen() {
  const MutexLock lock(&mutex_);
  AskToReopen();
}

bool ElectedRole::WantsOpening() const {
  const MutexLock lock(&mutex_);
  return reopening_ && !failed_;
}

void ElectedRole::AskToReopen() {
  if (failed_) return;
  if (!std::exchange(reopening_, true)) environment_.reopen();
}

void ElectedRole::OnElected(std::shared_ptr<const Reign> reign, std::set<BrokerId> in_sync,
                            StoreIds stores) {
  ++elections_won_;
  const MutexLock lock(&mutex_);
  reign_ = std::move(reign);
  in_sync_ = std::move(in_sync);
  stores_ = std::move(stores);
  master_.clear();
  AskToReopen();
}

void ElectedRole::OnDeposed(store::Epoch, const std::string&) {
  const MutexLock lock(&mutex_);
  reign_.reset();
  AskToReopen();
}

void ElectedRole::OnMaster(const std::optional<MasterRecord>& master) {
  // A master that has lost its key goes on as long as the others promise, which they do on its
  // stream; one that is gone ends that by itself.
  if (!master.has_value() || master->id == self_) return;
  const MutexLock lock(&mutex_);
  master_ = master->address;
  if (member_ != nullptr && opened_ == nullptr) member_->SetMaster(master_);
}

void ElectedRole::OnInSyncRecorded(std::set<BrokerId> in_sync) {
  const MutexLock lock(&mutex_);
  in_sync_ = in_sync;
  if (member_ != nullptr && opened_ != nullptr && opened_ == reign_) {
    member_->InSyncRecorded(std::move(in_sync));
  }
}

void ElectedRole::OnLogEndWanted() {
  const MutexLock lock(&mutex_);
  AskToReopen();
}

void ElectedRole::AskForPromise(BrokerId slave, const PromiseRequest& request) {
  const MutexLock lock(&mutex_);
  if (member_ != nullptr && opened_ != nullptr) member_->AskForPromise(slave, request);
}

absl::Status ElectedRole::ProposeInSync(std::set<BrokerId> members, StoreIds stores) {
  // Held until that is done, so that no other reign begins meanwhile.
  const MutexLock lock(&mutex_);
  if (opened_ == nullptr || opened_ != reign_) {
    return absl::FailedPreconditionError("the reign that the store was opened for is over");
  }
  return elector_.ProposeInSync(std::move(members), std::move(stores));
}

void ElectedRole::Promised(BrokerId from, const Promise& promise) {
  elector_.Promised(from, promise);
}

bool ElectedRole::AcceptsFrames(store::Epoch reign) { return elector_.AcceptsFrames(reign); }

std::optional<Promise> ElectedRole::PromiseAsked(const PromiseRequest& request) {
  return elector_.PromiseAsked(request);
}

}  // namespace mansio::broker
