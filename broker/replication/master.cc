#include "broker/replication/master.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/logging/logging.h"
#include "store/log/frame.h"

namespace mansio::broker {

// One stream.
struct Master::Peer {
  SlaveStream* stream = nullptr;
  BrokerId id = 0;  // 0: it has not said hello
  bool streaming = false;
  store::LogOffset next = 0;  // to be sent
  v1::SlaveHeld held;
  store::LogOffset told_committed = 0;
  absl::Duration heard;
  absl::Duration said;
  // What the master had at `mark_time`: when the slave has it, it was no further behind than that.
  store::LogOffset mark = 0;
  absl::Duration mark_time;
};

struct Master::Shared {
  explicit Shared(InSyncSet in_sync) : set(std::move(in_sync)) {}

  mutable Mutex mutex;
  InSyncSet set ABSL_GUARDED_BY(mutex);
  Session last ABSL_GUARDED_BY(mutex) = 0;
  std::map<Session, Peer> peers ABSL_GUARDED_BY(mutex);
  // When a member of the set was last known to have all there was.
  std::map<BrokerId, absl::Duration> good ABSL_GUARDED_BY(mutex);

  Peer* Find(Session session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = peers.find(session);
    return found == peers.end() ? nullptr : &found->second;
  }
};

// The record of a new in-sync set.
class Master::ChangeAppend final : public store::Append {
 public:
  ChangeAppend(std::shared_ptr<Shared> shared, const std::set<BrokerId>& members)
      : shared_(std::move(shared)) {
    AddRecord(kInSyncSetRecord, EncodeInSyncSet(members));
  }
  void Appended(const store::AppendResult& result) override {
    const MutexLock lock(&shared_->mutex);
    shared_->set.Placed(result.records.front());
    placed_ = true;
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {
    // One that is in the log stays in force: it may be what the next start finds.
    if (placed_) return;
    const MutexLock lock(&shared_->mutex);
    shared_->set.Withdraw();
  }

 private:
  const std::shared_ptr<Shared> shared_;
  bool placed_ = false;
};

Master::Master(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
               std::set<BrokerId> in_sync)
    : options_(std::move(options)),
      keeps_set_(options_.durability == store::Durability::kReplica ||
                 options_.durability == store::Durability::kReplicaSync),
      log_(log),
      clock_(clock),
      shared_(std::make_shared<Shared>(
          InSyncSet(options_.id, std::move(in_sync), options_.min_in_sync,
                    options_.durability == store::Durability::kReplicaSync))) {
  const Lock lock(&shared_->mutex);
  for (const BrokerId member : shared_->set.members()) shared_->good[member] = clock_->BootNow();
}

Master::~Master() = default;

Master::Session Master::Opened(SlaveStream* stream) {
  const Lock lock(&shared_->mutex);
  const Session session = ++shared_->last;
  Peer& peer = shared_->peers[session];
  peer.stream = stream;
  peer.heard = peer.said = clock_->BootNow();
  return session;
}

void Master::Closed(Session session) {
  const Lock lock(&shared_->mutex);
  const Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return;
  if (peer->streaming) shared_->set.Forget(peer->id);
  shared_->peers.erase(session);
}

void Master::End(Session session, const absl::Status& why) {
  SlaveStream* stream = nullptr;
  {
    const Lock lock(&shared_->mutex);
    const Peer* const peer = shared_->Find(session);
    if (peer == nullptr) return;
    stream = peer->stream;
    if (peer->id != 0) {
      LOG_WARNING("Replication to slave {} of {} has ended: {}", peer->id, options_.broker,
                  std::string(why.message()));
    }
  }
  Closed(session);
  stream->End(why);
}

void Master::Received(Session session, const v1::SlaveMessage& message) {
  bool greeted = false;
  {
    const Lock lock(&shared_->mutex);
    Peer* const peer = shared_->Find(session);
    if (peer == nullptr) return;  // on its way when the stream was ended
    peer->heard = clock_->BootNow();
    greeted = peer->id != 0;
  }
  if (!greeted && message.has_hello()) return Hello(session, message.hello());
  if (greeted && message.has_held()) return Held(session, message.held());
  End(session, absl::InvalidArgumentError("the slave's message is out of place"));
}

absl::Status Master::CheckHello(const v1::SlaveHello& hello) const {
  if (hello.cluster() != options_.cluster || hello.broker() != options_.broker) {
    return absl::FailedPreconditionError(
        fmt::format("this is the master of {}/{}, and the slave is one of {}/{}: correct its "
                    "replication.master, cluster or broker.name",
                    options_.cluster, options_.broker, hello.cluster(), hello.broker()));
  }
  if (hello.id() < 1 || hello.id() == options_.id) {
    return absl::FailedPreconditionError(
        fmt::format("the slave's broker.id is {}; each member of a group has one of its own, "
                    "from 1 on, and the master's is {}",
                    hello.id(), options_.id));
  }
  return absl::OkStatus();
}

bool Master::LacksWhatIsHeldBy(const v1::SlaveHello& hello, store::LogOffset common) const {
  if (!keeps_set_ || log_->WasSlave() || hello.log_end() <= common) return false;
  const Lock lock(&shared_->mutex);
  return shared_->set.members().contains(hello.id());
}

void Master::Hello(Session session, const v1::SlaveHello& hello) {
  if (absl::Status fits = CheckHello(hello); !fits.ok()) return End(session, fits);
  const absl::StatusOr<store::EpochHistory> epochs = FromWire(hello.reigns());
  if (!epochs.ok()) return End(session, epochs.status());
  const store::LogHistory own = log_->History();
  if (epochs->last() > own.epochs.last()) {
    return End(session, absl::FailedPreconditionError(fmt::format(
                            "the slave's log is of epoch {}, and this master's of epoch {}: "
                            "another broker has been master since. Make that one the master",
                            epochs->last(), own.epochs.last())));
  }
  const std::optional<store::LogOffset> common =
      store::CommonPoint(own, {*epochs, hello.log_begin(), hello.log_end()});
  if (!common.has_value()) {
    return End(session,
               absl::FailedPreconditionError(fmt::format(
                   "the logs have parted below what both still hold (the master's begins at {}, "
                   "the slave's at {}): give the slave a copy of the master's store directory",
                   own.begin, hello.log_begin())));
  }
  if (LacksWhatIsHeldBy(hello, *common)) {
    return End(session,
               absl::FailedPreconditionError(fmt::format(
                   "the slave holds {} bytes that this master has lost, from offset {} on, "
                   "and they may have been acknowledged: make the slave the master",
                   hello.log_end() - *common, *common)));
  }
  std::vector<Session> older;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [other, peer] : shared_->peers) {
      if (peer.id == hello.id()) older.push_back(other);
    }
  }
  for (const Session other : older) {
    End(other, absl::AbortedError("a newer stream of the same slave has come"));
  }
  v1::MasterMessage message;
  v1::MasterWelcome* const welcome = message.mutable_welcome();
  ToWire(own.epochs, welcome->mutable_reigns());
  welcome->set_log_begin(own.begin);
  welcome->set_log_end(own.end);
  welcome->set_start(*common);
  const Lock lock(&shared_->mutex);
  Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return;
  peer->id = hello.id();
  peer->next = *common;
  peer->said = clock_->BootNow();
  peer->stream->Send(std::move(message));
}

void Master::Held(Session session, const v1::SlaveHeld& held) {
  bool fits = false;
  {
    const Lock lock(&shared_->mutex);
    Peer* const peer = shared_->Find(session);
    if (peer == nullptr) return;
    // The first one confirms the truncation; later ones can only name what was sent.
    const store::LogOffset least = peer->streaming ? peer->held.held() : peer->next;
    // Less than a frame more: what is left of a segment counts for the one or not for the other.
    fits = held.held() >= least && held.held() < peer->next + store::kFrameHeaderBytes;
    fits = fits && held.synced() <= held.held() && held.applied() <= held.held();
    if (fits) {
      peer->streaming = true;
      peer->held = held;
      shared_->set.SetHeld(peer->id, {held.held(), held.synced()});
    }
  }
  if (!fits) {
    End(session, absl::InvalidArgumentError("the slave says it holds what it was not sent"));
  }
}

void Master::Pump() {
  const absl::Duration now = clock_->BootNow();
  LookAtSilence(now);
  std::vector<Session> sessions;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [session, peer] : shared_->peers) {
      if (peer.streaming) sessions.push_back(session);
    }
  }
  for (const Session session : sessions) {
    while (SendRun(session)) {
    }
  }
  if (keeps_set_) KeepSet(now);
  SayCommitted(now);
}

void Master::LookAtSilence(absl::Duration now) {
  std::vector<Session> silent;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [session, peer] : shared_->peers) {
      if (now - peer.heard > options_.silence) silent.push_back(session);
    }
  }
  for (const Session session : silent) {
    End(session, absl::DeadlineExceededError("the slave has fallen silent"));
  }
}

bool Master::SendRun(Session session) {
  store::LogOffset next = 0;
  {
    const Lock lock(&shared_->mutex);
    const Peer* const peer = shared_->Find(session);
    if (peer == nullptr || peer->held.held() + options_.window_bytes <= peer->next) return false;
    next = peer->next;
  }
  const absl::StatusOr<store::FrameRun> run = log_->ReadFrames(next, options_.run_bytes);
  if (!run.ok()) {
    End(session, run.status());
    return false;
  }
  if (run->bytes.bytes.empty()) return false;
  v1::MasterMessage message;
  v1::MasterFrames* const frames = message.mutable_frames();
  frames->set_offset(run->first);
  frames->set_frames(run->bytes.bytes.data(), run->bytes.bytes.size());
  frames->set_committed(log_->Reached().committed);
  const Lock lock(&shared_->mutex);
  Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return false;
  peer->next = run->next;
  peer->told_committed = frames->committed();
  peer->said = clock_->BootNow();
  peer->stream->Send(std::move(message));
  return true;
}

void Master::SayCommitted(absl::Duration now) {
  const store::LogOffset committed = log_->Reached().committed;
  const Lock lock(&shared_->mutex);
  for (auto& [session, peer] : shared_->peers) {
    const bool is_new = committed > peer.told_committed && peer.held.applied() < committed;
    if (!peer.streaming || (!is_new && now - peer.said < options_.heartbeat)) continue;
    v1::MasterMessage message;
    message.mutable_frames()->set_offset(peer.next);
    message.mutable_frames()->set_committed(committed);
    peer.told_committed = committed;
    peer.said = now;
    peer.stream->Send(std::move(message));
  }
}

void Master::MeasureLag(absl::Duration now) {
  const store::Cursors reached = log_->Reached();
  const Lock lock(&shared_->mutex);
  shared_->set.SetHeld(options_.id, {reached.appended, reached.synced});
  for (auto& [session, peer] : shared_->peers) {
    if (!peer.streaming || peer.held.held() < peer.mark) continue;
    if (peer.mark_time != absl::ZeroDuration()) shared_->good[peer.id] = peer.mark_time;
    peer.mark = reached.appended;
    peer.mark_time = now;
  }
}

std::optional<std::set<BrokerId>> Master::ChangeDue(absl::Duration now) {
  const store::LogOffset committed = log_->Reached().committed;
  const Lock lock(&shared_->mutex);
  if (shared_->set.on_its_way()) return std::nullopt;
  std::set<BrokerId> members = shared_->set.coming();
  for (const auto& [session, peer] : shared_->peers) {
    if (peer.streaming && peer.held.held() >= std::max(committed, log_->ReignStart()) &&
        members.insert(peer.id).second) {
      shared_->good[peer.id] = now;
    }
  }
  for (auto member = members.begin(); member != members.end();) {
    const bool behind = *member != options_.id && now - shared_->good[*member] > options_.max_lag;
    member =
        behind && members.size() > options_.min_in_sync ? members.erase(member) : std::next(member);
  }
  if (members == shared_->set.coming()) return std::nullopt;
  LOG_WARNING("The in-sync set of {} changes from {{{}}} to {{{}}}.", options_.broker,
              fmt::join(shared_->set.coming(), ", "), fmt::join(members, ", "));
  shared_->set.Propose(members);
  return members;
}

void Master::KeepSet(absl::Duration now) {
  MeasureLag(now);
  if (const auto members = ChangeDue(now); members.has_value()) {
    const absl::Status taken =
        log_->SubmitRecord(std::make_unique<ChangeAppend>(shared_, *members));
    if (!taken.ok()) {
      const Lock lock(&shared_->mutex);
      shared_->set.Withdraw();
    }
  }
  store::LogOffset committed = 0;
  {
    const Lock lock(&shared_->mutex);
    while (shared_->set.Settle()) {
    }
    committed = shared_->set.Committed();
  }
  log_->AllowCommit(committed);
}

absl::Status Master::CheckSends() const {
  if (!keeps_set_) return absl::OkStatus();
  const Lock lock(&shared_->mutex);
  size_t connected = 1;
  for (const auto& [session, peer] : shared_->peers) {
    if (peer.streaming && shared_->set.members().contains(peer.id)) ++connected;
  }
  if (connected >= options_.min_in_sync) return absl::OkStatus();
  return absl::UnavailableError(fmt::format(
      "{} of the in-sync members of {} are connected, and replication.min-in-sync is {}: look "
      "why its slaves are not there, or lower that number",
      connected, options_.broker, options_.min_in_sync));
}

std::vector<SlaveState> Master::Slaves() const {
  const Lock lock(&shared_->mutex);
  std::map<BrokerId, SlaveState> states;
  for (const BrokerId member : shared_->set.members()) {
    if (member != options_.id) states[member] = {.id = member, .in_sync = keeps_set_};
  }
  for (const auto& [session, peer] : shared_->peers) {
    if (!peer.streaming) continue;
    SlaveState& state = states[peer.id];
    state.id = peer.id;
    state.connected = true;
    state.held = peer.held.held();
    state.synced = peer.held.synced();
    state.applied = peer.held.applied();
  }
  std::vector<SlaveState> all;
  for (const auto& [id, state] : states) all.push_back(state);
  return all;
}

std::set<BrokerId> Master::InSync() const {
  if (!keeps_set_) return {};
  const Lock lock(&shared_->mutex);
  return shared_->set.members();
}

}  // namespace mansio::broker
