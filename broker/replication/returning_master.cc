#include "broker/replication/returning_master.h"

#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr absl::Duration kSilence = absl::Seconds(10);

bool IsLonger(const store::LogHistory& one, const store::LogHistory& other) {
  return std::tuple(one.epochs.last(), one.end) > std::tuple(other.epochs.last(), other.end);
}

}  // namespace

SlaveStreams::Session ReturningMaster::Opened(std::shared_ptr<SlaveStream> stream) {
  const MutexLock lock(&mutex_);
  peers_[++last_].stream = std::move(stream);
  return last_;
}

void ReturningMaster::Closed(Session session) {
  const MutexLock lock(&mutex_);
  peers_.erase(session);
}

absl::StatusOr<ReturningMaster::Peer> ReturningMaster::Heard(
    const v1::SlaveMessage& message) const {
  if (!message.has_hello())
    return absl::InvalidArgumentError("the slave's message is out of place");
  const v1::SlaveHello& hello = message.hello();
  absl::Status good = CheckHello(hello, options_.cluster, options_.broker, options_.id);
  if (!good.ok()) return good;
  absl::StatusOr<store::EpochHistory> epochs = ReignsFromWire(hello.reigns());
  if (!epochs.ok()) return epochs.status();
  return Peer{.id = hello.id(),
              .whole = hello.whole(),
              .log = {*std::move(epochs), hello.log_begin(), hello.log_end()},
              .identity = hello.identity()};
}

void ReturningMaster::Received(Session session, const v1::SlaveMessage& message) {
  absl::StatusOr<Peer> heard = Heard(message);
  const MutexLock lock(&mutex_);
  const auto found = peers_.find(session);
  if (found == peers_.end()) return;
  heard = found->second.id == 0 ? std::move(heard)
                                : absl::InvalidArgumentError("the slave was not welcomed yet");
  if (!heard.ok()) {
    found->second.stream->End(heard.status());
    peers_.erase(found);
    return;
  }
  LOG_INFO("Member {} has the log up to offset {} of epoch {}{}, and this one up to {} of {}",
           heard->id, heard->log.end, heard->log.epochs.last(),
           heard->whole ? "" : ", and may have lost something", options_.log.end,
           options_.log.epochs.last());
  heard->stream = std::move(found->second.stream);
  found->second = *std::move(heard);
}

void ReturningMaster::EndSilent(absl::Duration now) {
  const MutexLock lock(&mutex_);
  for (auto found = peers_.begin(); found != peers_.end();) {
    Peer& peer = found->second;
    if (!peer.seen.has_value()) peer.seen = now;
    const bool is_silent = now - *peer.seen > kSilence;
    if (is_silent) peer.stream->End(absl::DeadlineExceededError("the slave has fallen silent"));
    found = is_silent ? peers_.erase(found) : std::next(found);
  }
}

ReturningMaster::Verdict ReturningMaster::Decide() const {
  Verdict verdict{.silent = options_.in_sync.members};
  verdict.silent.erase(options_.id);
  const bool is_whole = options_.is_whole && options_.is_whole();
  bool has_all = is_whole;
  std::set<BrokerId> heard = {options_.id};
  const store::LogHistory* most = &options_.log;
  const Peer* heir = nullptr;
  const MutexLock lock(&mutex_);
  for (const auto& [session, peer] : peers_) {
    if (!options_.in_sync.members.contains(peer.id)) continue;
    if (peer.log.epochs.last() == 0) {
      // It has no more than this one; but where it is asked what was acknowledged, that is no
      // answer: somebody may look for a disk that was not mounted.
      if (!is_whole) continue;
      verdict.silent.erase(peer.id);
      heard.insert(peer.id);
      continue;
    }
    const std::optional<store::LogOffset> common = store::CommonPoint(options_.log, peer.log);
    // What each of them has behind the common end may have been acknowledged.
    if (!common.has_value() || (*common < options_.log.end && *common < peer.log.end)) {
      verdict.parted.insert(peer.id);
      continue;
    }
    verdict.silent.erase(peer.id);
    heard.insert(peer.id);
    // One that has not got the record of the set may be in no set that counts yet.
    has_all = has_all || (peer.whole && *common >= options_.in_sync.end);
    if (!IsLonger(peer.log, *most)) continue;
    most = &peer.log;
    heir = &peer;
  }
  const bool are_enough = has_all && heard.size() >= options_.min_in_sync;
  if (!are_enough && !verdict.silent.empty()) return verdict;
  verdict.master = heir != nullptr ? heir->id : options_.id;
  if (heir != nullptr) verdict.heir = heir->identity;
  return verdict;
}

std::vector<v1::BrokerIdentity> ReturningMaster::Members() const {
  std::vector<v1::BrokerIdentity> members;
  const MutexLock lock(&mutex_);
  for (const auto& [session, peer] : peers_) {
    if (peer.id != 0) members.push_back(peer.identity);
  }
  return members;
}

}  // namespace mansio::broker
