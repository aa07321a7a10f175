#include "broker/server/returning_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "broker/replication/slave_streams.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);

}  // namespace

struct ReturningService::Shared {
  Mutex mutex;
  bool begun ABSL_GUARDED_BY(mutex) = false;
  bool handed_over ABSL_GUARDED_BY(mutex) = false;
  bool asking ABSL_GUARDED_BY(mutex) = false;  // the heir
  absl::Duration asked ABSL_GUARDED_BY(mutex) = -absl::InfiniteDuration();
  absl::Duration said ABSL_GUARDED_BY(mutex) = -absl::InfiniteDuration();
  absl::Status refused ABSL_GUARDED_BY(mutex);  // what the heir has said
};

ReturningService::ReturningService(ReturningMasterOptions options, Environment environment)
    : self_(options.id),
      broker_(options.broker),
      is_whole_(options.is_whole ? options.is_whole : [] { return false; }),
      environment_(std::move(environment)),
      master_(std::move(options)),
      shared_(std::make_shared<Shared>()),
      pump_([this] { return Work(); }) {}

ReturningService::~ReturningService() { Stop(); }

void ReturningService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back(ServeSlaves(&master_, [this] { pump_.Wake(); }));
}

absl::Duration ReturningService::Work() {
  const absl::Duration now = environment_.clock->BootNow();
  master_.EndSilent(now);
  const ReturningMaster::Verdict verdict = master_.Decide();
  bool begins = false;
  bool says = false;
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->begun || shared_->handed_over) return kLook;
    begins = shared_->begun = verdict.master == self_;
    says = !begins && now - shared_->said >= environment_.said_each;
    if (says) shared_->said = now;
  }
  if (begins) {
    LOG_INFO("This member has all that the in-sync members have, and begins its reign");
    environment_.begin();
    return kLook;
  }
  if (says) LOG_WARNING("{}", trouble());
  if (verdict.master != 0) Promote(verdict.heir, now);
  return kLook;
}

void ReturningService::Promote(const v1::BrokerIdentity& heir, absl::Duration now) {
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->asking || now - shared_->asked < environment_.asked_each) return;
    shared_->asking = true;
    shared_->asked = now;
  }
  environment_.promote(heir, [shared = shared_](const absl::Status& status) {
    const MutexLock lock(&shared->mutex);
    shared->asking = false;
    shared->refused = status;
  });
}

absl::Status ReturningService::HandOver(BrokerId heir) {
  const BrokerId master = master_.Decide().master;
  const MutexLock lock(&shared_->mutex);
  if (master != heir || shared_->begun) {
    return absl::FailedPreconditionError(fmt::format(
        "it is not known that member {} has all that was acknowledged. {}", heir,
        master == 0 ? "Start the other members of the in-sync set first"
                    : fmt::format("Member {} has more, and is about to be the master", master)));
  }
  shared_->handed_over = true;
  return absl::OkStatus();
}

void ReturningService::Resume() {
  const MutexLock lock(&shared_->mutex);
  shared_->handed_over = false;
}

std::string ReturningService::trouble() const {
  const ReturningMaster::Verdict verdict = master_.Decide();
  const std::string lacks =
      "there is no master, and this member, which is to be it, may lack the end of the log, as its "
      "machine lost its power";
  if (verdict.master == self_) return lacks + ": it has heard enough, and begins";
  if (verdict.master != 0) {
    const MutexLock lock(&shared_->mutex);
    return fmt::format(
        "{}: member {} has more, and is to be the master{}. If that does not come by itself: mansio "
        "broker promote {} {} --demote",
        lacks, verdict.master,
        shared_->refused.ok() ? "" : fmt::format(" ({})", std::string(shared_->refused.message())),
        broker_, verdict.master);
  }
  if (is_whole_()) {
    return fmt::format(
        "{}: all that was acknowledged is here, and it waits until replication.min-in-sync members "
        "have answered, so that its reign can begin; {{{}}} have not. If they are gone for good, "
        "lower that number; if one of them has become the master, promote that one again",
        lacks, fmt::join(verdict.silent, ", "));
  }
  return fmt::format(
      "{}: it waits for one of the in-sync members {{{}}} that lost nothing, or for all of them{}. "
      "If they are gone for good: mansio broker promote {} {} --force, which loses what they alone "
      "have",
      lacks, fmt::join(verdict.silent, ", "),
      verdict.parted.empty() ? ""
                             : fmt::format(" (the log of {} has parted from this one's)",
                                           fmt::join(verdict.parted, " and ")),
      broker_, self_);
}

}  // namespace mansio::broker
