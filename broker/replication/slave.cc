#include "broker/replication/slave.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace mansio::broker {

// What a stream has come to.
struct Slave::Shared {
  Mutex mutex;
  MasterStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
  uint64_t generation ABSL_GUARDED_BY(mutex) = 0;  // of the stream
  bool welcomed ABSL_GUARDED_BY(mutex) = false;
  absl::Duration heard ABSL_GUARDED_BY(mutex);
  absl::Duration said ABSL_GUARDED_BY(mutex);
  v1::SlaveHeld last ABSL_GUARDED_BY(mutex);
};

Slave::Slave(SlaveOptions options, store::ReplicatedLog* log, const Clock* clock)
    : options_(std::move(options)), log_(log), clock_(clock), shared_(std::make_shared<Shared>()) {}

Slave::~Slave() = default;

void Slave::Opened(MasterStream* stream) {
  const store::LogHistory history = log_->History();
  v1::SlaveMessage message;
  v1::SlaveHello* const hello = message.mutable_hello();
  hello->set_cluster(options_.cluster);
  hello->set_broker(options_.broker);
  hello->set_id(options_.id);
  ToWire(history.epochs, hello->mutable_reigns());
  hello->set_log_begin(history.begin);
  hello->set_log_end(history.end);
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

void Slave::Received(const v1::MasterMessage& message) {
  bool welcomed = false;
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->stream == nullptr) return;  // on its way when the stream was ended
    shared_->heard = clock_->BootNow();
    welcomed = shared_->welcomed;
  }
  if (!welcomed && message.has_welcome()) return Welcomed(message.welcome());
  if (welcomed && message.has_frames()) return Take(message.frames());
  End(absl::InvalidArgumentError("the master's message is out of place"));
}

void Slave::Welcomed(const v1::MasterWelcome& welcome) {
  const absl::StatusOr<store::EpochHistory> epochs = FromWire(welcome.reigns());
  if (!epochs.ok()) return End(epochs.status());
  // The master's word alone does not cut a log.
  const std::optional<store::LogOffset> common =
      store::CommonPoint(log_->History(), {*epochs, welcome.log_begin(), welcome.log_end()});
  if (common != welcome.start()) {
    return End(absl::FailedPreconditionError(
        fmt::format("the master would begin at offset {}, and the logs are the same up to {}",
                    welcome.start(), common.has_value() ? fmt::to_string(*common) : "nowhere")));
  }
  if (absl::Status cut = log_->TruncateTo(*common); !cut.ok()) return End(cut);
  {
    const MutexLock lock(&shared_->mutex);
    shared_->welcomed = true;
  }
  SayHeld(clock_->BootNow(), /*anyway=*/true);
}

void Slave::Take(const v1::MasterFrames& frames) {
  if (frames.frames().empty()) {
    log_->AllowCommit(std::min(frames.committed(), log_->Reached().appended));
    return;
  }
  uint64_t generation = 0;
  {
    const MutexLock lock(&shared_->mutex);
    generation = shared_->generation;
  }
  log_->AppendFrames(frames.frames(), [shared = shared_, log = log_, generation,
                                       committed = frames.committed()](const absl::Status& status) {
    // Never ahead of the log: another master may write something else there.
    if (status.ok()) log->AllowCommit(std::min(committed, log->Reached().appended));
    if (status.ok()) return;
    const MutexLock lock(&shared->mutex);
    if (shared->stream == nullptr || shared->generation != generation) return;
    std::exchange(shared->stream, nullptr)->End(status);
  });
}

void Slave::Tick() {
  const absl::Duration now = clock_->BootNow();
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->stream == nullptr) return;
    if (now - shared_->heard > options_.silence) {
      std::exchange(shared_->stream, nullptr)
          ->End(absl::DeadlineExceededError("the master has fallen silent"));
      return;
    }
    if (!shared_->welcomed) return;
  }
  SayHeld(now, /*anyway=*/false);
}

void Slave::SayHeld(absl::Duration now, bool anyway) {
  const store::Cursors reached = log_->Reached();
  v1::SlaveHeld held;
  held.set_held(reached.appended);
  held.set_synced(reached.synced);
  held.set_applied(reached.applied);
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
