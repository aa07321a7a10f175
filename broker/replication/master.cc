#include "broker/replication/master.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/replication/master_peers.h"
#include "common/logging/logging.h"
#include "store/log/frame.h"

namespace mansio::broker {
namespace {

// As long as the longest lease.
constexpr absl::Duration kLongestPromise = absl::Minutes(1);
// A process that is refused comes again some times a second.
constexpr absl::Duration kRefusalShown = absl::Seconds(10);

}  // namespace

Master::Master(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
               std::set<BrokerId> in_sync)
    : options_(std::move(options)),
      waits_for_set_(store::WaitsForInSyncSet(options_.durability)),
      keeps_set_(waits_for_set_ || options_.election != nullptr),
      log_(log),
      clock_(clock),
      shared_(std::make_shared<Shared>(
          InSyncSet(options_.id, std::move(in_sync), options_.min_in_sync,
                    options_.durability == store::Durability::kReplicaSync))) {
  const Lock lock(&shared_->mutex);
  shared_->stores = options_.stores;
  shared_->left = options_.away;
  for (const BrokerId member : shared_->set.members()) shared_->good[member] = clock_->BootNow();
}

Master::~Master() = default;

Master::Session Master::Opened(std::shared_ptr<SlaveStream> stream) {
  const Lock lock(&shared_->mutex);
  const Session session = ++shared_->last;
  Peer& peer = shared_->peers[session];
  peer.stream = std::move(stream);
  peer.heard = peer.said = clock_->BootNow();
  return session;
}

void Master::Closed(Session session) {
  const Lock lock(&shared_->mutex);
  const Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return;
  if (peer->id != 0) {
    LOG_WARNING("Replication to slave {} of {} has ended: it has gone", peer->id, options_.broker);
  }
  shared_->Drop(session);
}

void Master::End(Session session, const absl::Status& why) {
  std::shared_ptr<SlaveStream> stream;
  {
    const Lock lock(&shared_->mutex);
    const Peer* const peer = shared_->Find(session);
    if (peer == nullptr) return;
    stream = peer->stream;
    if (why.ok()) {
      LOG_INFO("Slave {} of {} has left", peer->id, options_.broker);
    } else if (peer->id != 0) {
      LOG_WARNING("Replication to slave {} of {} has ended: {}", peer->id, options_.broker,
                  std::string(why.message()));
    }
    shared_->Drop(session);
  }
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
  if (greeted && message.has_promise()) return Promised(session, message.promise());
  if (greeted && message.has_leave()) return Leaves(session);
  End(session, absl::InvalidArgumentError("the slave's message is out of place"));
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
    }
  }
  if (!fits) {
    End(session, absl::InvalidArgumentError("the slave says it holds what it was not sent"));
  }
}

void Master::Promised(Session session, const v1::Promise& promise) {
  if (options_.election == nullptr) return;
  BrokerId from = 0;
  {
    const Lock lock(&shared_->mutex);
    const Peer* const peer = shared_->Find(session);
    if (peer == nullptr || !shared_->Counts(*peer)) return;
    from = peer->id;
  }
  const absl::Duration lasts = std::min(absl::Milliseconds(promise.lasts_ms()), kLongestPromise);
  options_.election->Promised(from, {promise.epoch(), promise.sequence(), lasts});
}

void Master::Leaves(Session session) {
  const Lock lock(&shared_->mutex);
  Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return;
  LOG_INFO("Slave {} of {} leaves, as it ends in order", peer->id, options_.broker);
  peer->leaving = true;
  // Else the number's place is another's.
  if (shared_->Counts(*peer)) shared_->left.insert(peer->id);
}

void Master::AskForPromise(BrokerId slave, const PromiseRequest& request) {
  v1::MasterMessage message;
  message.mutable_promise_request()->set_epoch(request.epoch);
  message.mutable_promise_request()->set_sequence(request.sequence);
  const Lock lock(&shared_->mutex);
  for (auto& [session, peer] : shared_->peers) {
    if (peer.id == slave && shared_->Counts(peer)) peer.stream->Send(message);
  }
}

void Master::InSyncRecorded(std::set<BrokerId> members) {
  const Lock lock(&shared_->mutex);
  shared_->set.Recorded(std::move(members));
}

absl::Duration Master::Pump() {
  const absl::Duration now = clock_->BootNow();
  LookAtSilence(now);
  std::vector<Session> sessions;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [session, peer] : shared_->peers) {
      if (peer.streaming) sessions.push_back(session);
    }
  }
  absl::Duration again = options_.heartbeat;
  // One that lacks much is not to keep the others, and the commits, until it has it.
  for (const Session session : sessions) SendRun(session, now, &again);
  if (keeps_set_) KeepSet(now, &again);
  SayCommitted(now);
  LetGo();
  return again;
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

void Master::SendRun(Session session, absl::Duration now, absl::Duration* again) {
  store::LogOffset next = 0;
  bool limited = false;
  {
    const Lock lock(&shared_->mutex);
    const Peer* const peer = shared_->Find(session);
    if (peer == nullptr || peer->held.held() + options_.window_bytes <= peer->next) return;
    next = peer->next;
    limited = options_.catch_up_bytes_per_second > 0 &&
              log_->Reached().appended > next + options_.window_bytes;
    if (limited && peer->next_send > now) {
      *again = std::min(*again, peer->next_send - now);
      return;
    }
  }
  const absl::StatusOr<store::FrameRun> run = log_->ReadFrames(next, options_.run_bytes);
  if (!run.ok()) return End(session, run.status());
  if (run->bytes.bytes.empty()) return;
  v1::MasterMessage message;
  v1::MasterFrames* const frames = message.mutable_frames();
  frames->set_offset(run->first);
  frames->set_frames(run->bytes.bytes.data(), run->bytes.bytes.size());
  frames->set_committed(log_->Reached().committed);
  const Lock lock(&shared_->mutex);
  Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return;
  peer->next = run->next;
  if (limited) {
    const double seconds = static_cast<double>(frames->frames().size()) /
                           static_cast<double>(options_.catch_up_bytes_per_second);
    peer->next_send = std::max(peer->next_send, now) + absl::Seconds(seconds);
    *again = std::min(*again, peer->next_send - now);
  } else if (log_->Reached().appended > run->next) {
    *again = absl::ZeroDuration();
  }
  peer->told_committed = frames->committed();
  peer->said = clock_->BootNow();
  peer->stream->Send(std::move(message));
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

std::vector<SlaveState> Master::Slaves() const {
  const Lock lock(&shared_->mutex);
  std::map<BrokerId, SlaveState> states;
  for (const auto& [id, identity] : shared_->known) {
    states[id] = {.id = id, .identity = identity};
  }
  for (const BrokerId member : shared_->set.members()) {
    if (member == options_.id) continue;
    states[member].id = member;
    states[member].in_sync = keeps_set_;
  }
  for (const auto& [session, peer] : shared_->peers) {
    if (!peer.streaming) continue;
    SlaveState& state = states[peer.id];
    state.id = peer.id;
    state.connected = !peer.leaving;
    state.in_sync = state.in_sync && shared_->Counts(peer);
    state.copying = peer.held.copying();
    state.held = peer.held.held();
    state.synced = peer.held.synced();
    state.applied = peer.held.applied();
    state.identity = peer.identity;
    const auto differs = shared_->differs.find(peer.id);
    if (differs != shared_->differs.end()) state.trouble = differs->second;
    state.settings_differ = !state.trouble.empty();
  }
  for (const auto& [id, refusal] : shared_->refused) {
    if (clock_->BootNow() - refusal.at > kRefusalShown) continue;
    states[id].id = id;
    states[id].settings_differ = false;
    states[id].trouble = fmt::format(
        "a second process with broker.id {} at {} is refused: give one of the two another broker.id",
        id, refusal.address);
  }
  std::vector<SlaveState> all;
  for (const auto& [id, state] : states) all.push_back(state);
  return all;
}

}  // namespace mansio::broker
