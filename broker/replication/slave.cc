#include "broker/replication/slave.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/replication/catch_up.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

std::function<void()> HoldsAllOf(const SlaveOptions& options) {
  if (options.election == nullptr) return options.holds_all;
  return [election = options.election] { election->HoldsAll(); };
}

}  // namespace

// What a stream has come to.
struct Slave::Shared {
  Mutex mutex;
  MasterStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
  uint64_t generation ABSL_GUARDED_BY(mutex) = 0;  // of the stream
  bool welcomed ABSL_GUARDED_BY(mutex) = false;
  bool must_reopen ABSL_GUARDED_BY(mutex) = false;
  store::LogOffset copy_until ABSL_GUARDED_BY(mutex) = 0;  // the master's end at the welcome
  CatchUp catch_up ABSL_GUARDED_BY(mutex);
  // The reign of the stream's master, and where its first frame stands.
  store::EpochStart reign ABSL_GUARDED_BY(mutex);
  bool holds_all ABSL_GUARDED_BY(mutex) = false;  // that was told

  // What the log has for certain now, of a master that had committed this much.
  bool HasCaughtUp(store::LogOffset has, store::LogOffset committed) {
    const MutexLock lock(&mutex);
    // What was acknowledged in earlier reigns is before the beginning of this one.
    if (holds_all || has < committed || committed <= reign.first) return false;
    return holds_all = true;
  }
  // What had been committed when a master that this slave follows first said so; nullopt before.
  std::optional<store::LogOffset> heard_committed ABSL_GUARDED_BY(mutex);

  void HeardCommitted(store::LogOffset committed) {
    const MutexLock lock(&mutex);
    if (!heard_committed.has_value() && committed > reign.first) heard_committed = committed;
  }
  absl::Duration heard ABSL_GUARDED_BY(mutex);
  absl::Duration said ABSL_GUARDED_BY(mutex);
  v1::SlaveHeld last ABSL_GUARDED_BY(mutex);
  v1::GroupMembers members ABSL_GUARDED_BY(mutex);
};

Slave::Slave(SlaveOptions options, store::ReplicatedLog* log, const Clock* clock)
    : options_(std::move(options)),
      holds_all_(HoldsAllOf(options_)),
      log_(log),
      clock_(clock),
      shared_(std::make_shared<Shared>()) {}

Slave::~Slave() = default;

void Slave::Opened(MasterStream* stream) {
  const store::LogHistory history = log_->History();
  v1::SlaveMessage message;
  v1::SlaveHello* const hello = message.mutable_hello();
  hello->set_cluster(options_.cluster);
  hello->set_broker(options_.broker);
  hello->set_id(options_.id);
  hello->set_store(options_.store);
  hello->set_process(options_.process);
  ReignsToWire(history.epochs, hello->mutable_reigns());
  hello->set_log_begin(history.begin);
  hello->set_log_end(history.end);
  hello->set_whole(options_.is_whole && options_.is_whole());
  if (options_.identity) *hello->mutable_identity() = options_.identity();
  const MutexLock lock(&shared_->mutex);
  shared_->stream = stream;
  ++shared_->generation;
  shared_->welcomed = false;
  shared_->heard = shared_->said = clock_->BootNow();
  stream->Send(std::move(message));
}

void Slave::Closed() {
  const MutexLock lock(&shared_->mutex);
  shared_->stream = nullptr;
}

void Slave::End(const absl::Status& why) {
  const MutexLock lock(&shared_->mutex);
  if (MasterStream* const stream = std::exchange(shared_->stream, nullptr)) stream->End(why);
}

void Slave::Received(v1::MasterMessage message) {
  bool welcomed = false;
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->stream == nullptr) return;  // on its way when the stream was ended
    shared_->heard = clock_->BootNow();
    welcomed = shared_->welcomed;
  }
  if (!welcomed && message.has_welcome()) return Welcomed(message.welcome());
  if (welcomed && message.has_frames()) return Take(std::move(*message.mutable_frames()));
  if (welcomed && message.has_members()) {
    const MutexLock lock(&shared_->mutex);
    shared_->members = message.members();
    return;
  }
  if (welcomed && message.has_promise_request()) return AnswerPromise(message.promise_request());
  End(absl::InvalidArgumentError("the master's message is out of place"));
}

void Slave::Welcomed(const v1::MasterWelcome& welcome) {
  const absl::StatusOr<store::EpochHistory> epochs = ReignsFromWire(welcome.reigns());
  if (!epochs.ok()) return End(epochs.status());
  if (Refuses(epochs->last())) return;
  // The master's word alone does not cut a log.
  const std::optional<store::LogOffset> common =
      store::CommonPoint(log_->History(), {*epochs, welcome.log_begin(), welcome.log_end()});
  if (welcome.start_over()) return Replace(welcome, common);
  if (common != welcome.start()) {
    return End(absl::FailedPreconditionError(
        fmt::format("the master would begin at offset {}, and the logs are the same up to {}",
                    welcome.start(), common.has_value() ? fmt::to_string(*common) : "nowhere")));
  }
  if (absl::Status cut = log_->TruncateTo(*common); !cut.ok()) return Stopped(cut);
  {
    const MutexLock lock(&shared_->mutex);
    shared_->welcomed = true;
    shared_->copy_until = welcome.log_end();
    shared_->catch_up.Begin(*common, welcome.log_end(), clock_->BootNow());
    shared_->reign = epochs->starts().empty() ? store::EpochStart() : epochs->starts().back();
    shared_->holds_all = false;
  }
  SayHeld(clock_->BootNow(), /*anyway=*/true);
}

void Slave::Replace(const v1::MasterWelcome& welcome, std::optional<store::LogOffset> common) {
  if (common.has_value() || welcome.start() != welcome.log_begin() || welcome.start() == 0) {
    return End(absl::FailedPreconditionError(
        fmt::format("the master would have this log replaced from offset {} on, and there is no "
                    "reason to",
                    welcome.start())));
  }
  Stopped(log_->StartOver(welcome.start()));
}

void Slave::Stopped(const absl::Status& why) {
  if (absl::IsFailedPrecondition(why)) {
    const MutexLock lock(&shared_->mutex);
    shared_->must_reopen = true;
  }
  End(why);
}

bool Slave::Refuses(store::Epoch reign) {
  if (options_.election == nullptr || options_.election->AcceptsFrames(reign)) return false;
  End(absl::FailedPreconditionError(
      fmt::format("nothing is taken of its reign, epoch {}: another member is master or stands for "
                  "election, or this one has not heard from etcd yet, or has said where its log "
                  "ends and waits for the election",
                  reign)));
  return true;
}

void Slave::AnswerPromise(const v1::PromiseRequest& asked) {
  if (options_.election == nullptr) return;
  {
    const MutexLock lock(&shared_->mutex);
    if (asked.epoch() != shared_->reign.epoch) return;
  }
  const std::optional<Promise> promise =
      options_.election->PromiseAsked({asked.epoch(), asked.sequence()});
  if (!promise.has_value()) return;
  v1::SlaveMessage message;
  message.mutable_promise()->set_epoch(promise->epoch);
  message.mutable_promise()->set_sequence(promise->sequence);
  message.mutable_promise()->set_lasts_ms(absl::ToInt64Milliseconds(promise->lasts));
  const MutexLock lock(&shared_->mutex);
  if (shared_->stream != nullptr) shared_->stream->Send(std::move(message));
}

void Slave::Take(v1::MasterFrames frames) {
  uint64_t generation = 0;
  store::Epoch reign = 0;
  {
    const MutexLock lock(&shared_->mutex);
    generation = shared_->generation;
    reign = shared_->reign.epoch;
  }
  if (Refuses(reign)) return;
  const bool must_be_synced = options_.durability == store::Durability::kReplicaSync;
  const auto commit = [shared = shared_, log = log_, holds_all = holds_all_, must_be_synced,
                       committed = frames.committed()] {
    const store::Cursors reached = log->Reached();
    // Never ahead of the log: another master may write something else there.
    log->AllowCommit(std::min(committed, reached.appended));
    shared->HeardCommitted(committed);
    if (!holds_all || log->IsCopying()) return;
    const store::LogOffset has = must_be_synced ? reached.synced : reached.appended;
    if (shared->HasCaughtUp(has, committed)) holds_all();
  };
  if (frames.frames().empty()) return commit();
  log_->AppendFrames(std::move(*frames.mutable_frames()),
                     [shared = shared_, generation, commit](const absl::Status& status) {
                       if (status.ok()) return commit();
                       const MutexLock lock(&shared->mutex);
                       if (shared->stream == nullptr || shared->generation != generation) return;
                       std::exchange(shared->stream, nullptr)->End(status);
                     });
}

bool Slave::HasFollowed() const {
  std::optional<store::LogOffset> committed;
  {
    const MutexLock lock(&shared_->mutex);
    committed = shared_->heard_committed;
  }
  return committed.has_value() && !log_->IsCopying() && log_->Reached().applied >= *committed;
}

void Slave::Tick() {
  const absl::Duration now = clock_->BootNow();
  bool copied = false;
  std::optional<std::string> line;
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->stream == nullptr) return;
    if (now - shared_->heard > options_.silence) {
      std::exchange(shared_->stream, nullptr)
          ->End(absl::DeadlineExceededError("the master has fallen silent"));
      return;
    }
    if (!shared_->welcomed) return;
    const store::LogOffset end = log_->Reached().appended;
    copied = log_->IsCopying() && end >= shared_->copy_until;
    line = shared_->catch_up.Line(end, now);
  }
  if (line.has_value()) LOG_INFO("{}", *line);
  if (copied) return Stopped(log_->EndCopy());
  SayHeld(now, /*anyway=*/false);
}

bool Slave::SayGoodbye() {
  v1::SlaveMessage message;
  message.mutable_leave();
  const MutexLock lock(&shared_->mutex);
  if (shared_->stream == nullptr || !shared_->welcomed) return false;
  shared_->stream->Send(std::move(message));
  return true;
}

std::vector<v1::BrokerIdentity> Slave::Members() const {
  const MutexLock lock(&shared_->mutex);
  return {shared_->members.members().begin(), shared_->members.members().end()};
}

bool Slave::welcomed() const {
  const MutexLock lock(&shared_->mutex);
  return shared_->stream != nullptr && shared_->welcomed;
}

bool Slave::must_reopen() const {
  const MutexLock lock(&shared_->mutex);
  return shared_->must_reopen;
}

void Slave::SayHeld(absl::Duration now, bool anyway) {
  const store::Cursors reached = log_->Reached();
  v1::SlaveHeld held;
  held.set_held(reached.appended);
  held.set_synced(reached.synced);
  held.set_applied(reached.applied);
  held.set_copying(log_->IsCopying());
  const MutexLock lock(&shared_->mutex);
  if (shared_->stream == nullptr) return;
  const v1::SlaveHeld& last = shared_->last;
  const bool is_new = held.held() != last.held() || held.synced() != last.synced() ||
                      held.applied() != last.applied();
  if (!anyway && !is_new && now - shared_->said < options_.heartbeat) return;
  shared_->said = now;
  shared_->last = held;
  v1::SlaveMessage message;
  *message.mutable_held() = std::move(held);
  shared_->stream->Send(std::move(message));
}

}  // namespace mansio::broker
