#ifndef MANSIO_BROKER_REPLICATION_MASTER_PEERS_H_
#define MANSIO_BROKER_REPLICATION_MASTER_PEERS_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker/replication/master.h"

// What a master knows of its slaves; internal to this folder.
namespace mansio::broker {

// How long ago somebody had all there was.
class Lag {
 public:
  // It has `has` now, of `all`. When it is known to have had everything, if that is news.
  std::optional<absl::Duration> Look(store::LogOffset has, store::LogOffset all,
                                     absl::Duration now) {
    if (has < mark_) return std::nullopt;
    // However long ago that was looked at last.
    const std::optional<absl::Duration> had_all = has >= all ? now : marked_at_;
    mark_ = all;
    marked_at_ = now;
    return had_all;
  }

 private:
  // What there was at `marked_at_`: whoever has that now was no further behind.
  store::LogOffset mark_ = 0;
  std::optional<absl::Duration> marked_at_;
};

// One stream.
struct Master::Peer {
  std::shared_ptr<SlaveStream> stream;
  BrokerId id = 0;  // 0: it has not said hello
  StoreId store;
  std::string process;
  v1::BrokerIdentity identity;
  bool streaming = false;
  bool leaving = false;       // it has said goodbye
  store::LogOffset next = 0;  // to be sent
  v1::SlaveHeld held;
  store::LogOffset told_committed = 0;
  absl::Duration next_send;  // since boot; of a slave that catches up
  absl::Duration heard;
  absl::Duration said;
  Lag lag;       // by what counts for commits
  Lag held_lag;  // by what it holds
  absl::Duration held_all = -absl::InfiniteDuration();
  // When commits began to wait for it to join.
  absl::Duration awaited = -absl::InfiniteDuration();
};

struct Master::Shared {
  explicit Shared(InSyncSet in_sync) : set(std::move(in_sync)) {}

  mutable Mutex mutex;
  InSyncSet set ABSL_GUARDED_BY(mutex);
  Session last ABSL_GUARDED_BY(mutex) = 0;
  std::map<Session, Peer> peers ABSL_GUARDED_BY(mutex);
  // Whoever has been a slave since the start.
  std::map<BrokerId, v1::BrokerIdentity> known ABSL_GUARDED_BY(mutex);
  std::map<BrokerId, std::string> differs ABSL_GUARDED_BY(mutex);  // SettingsDifference
  // What the numbers of the set mean, and of those that are to join; as far as known.
  StoreIds stores ABSL_GUARDED_BY(mutex);
  bool store_is_new ABSL_GUARDED_BY(mutex) = false;  // one of them, and the election does not know
  struct Refusal {
    std::string address;
    absl::Duration at;
  };
  // Second processes with the number of a member; the last of each.
  std::map<BrokerId, Refusal> refused ABSL_GUARDED_BY(mutex);
  // The log was told so far that it may commit up to here.
  store::LogOffset allowed ABSL_GUARDED_BY(mutex) = 0;
  // When a member of the set was last known to have all there was, as far as it counts for commits.
  std::map<BrokerId, absl::Duration> good ABSL_GUARDED_BY(mutex);
  // Members of the set that have said goodbye, or were away when the reign began, and have not come
  // since.
  std::set<BrokerId> left ABSL_GUARDED_BY(mutex);

  void Drop(Session session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const Peer* const peer = Find(session);
    if (peer != nullptr && peer->streaming) set.Forget(peer->id);
    peers.erase(session);
  }
  // Its store is the one that its number means. Else it is to take a place over, and is nobody
  // until the one before has left the set.
  bool Counts(const Peer& peer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return !IsAnotherStore(StoreOf(stores, peer.id), peer.store);
  }
  // Of whoever has left the set.
  void DropStores() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    for (auto store = stores.begin(); store != stores.end();) {
      const bool is_needed =
          set.members().contains(store->first) || set.coming().contains(store->first);
      store = is_needed ? std::next(store) : stores.erase(store);
    }
  }
  // Those of `members` that leave, or were last known to have all before `since`: whoever has gone
  // or leaves comes first, then who is behind longest.
  std::vector<BrokerId> Behind(const std::set<BrokerId>& members, BrokerId self,
                               absl::Duration since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::set<BrokerId> connected;
    for (const auto& [session, peer] : peers) {
      const bool is_there = peer.streaming && Counts(peer) && !peer.leaving;
      if (is_there) connected.insert(peer.id);
    }
    std::set<std::tuple<bool, absl::Duration, BrokerId>> behind;
    for (const BrokerId member : members) {
      if (member == self || (good[member] >= since && !left.contains(member))) continue;
      behind.emplace(connected.contains(member), good[member], member);
    }
    std::vector<BrokerId> ids;
    for (const auto& [is_connected, time, member] : behind) ids.push_back(member);
    return ids;
  }
  // Whether a slave that leaves is in the set, and may be out of it soon: others are enough, or
  // somebody is there that may join. `least`: members of the set.
  bool IsAboutToGo(const Peer& slave, size_t least) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!Counts(slave) || !set.WaitsFor(slave.id)) return false;
    if (set.coming() != set.members() || set.members().size() > least) return true;
    for (const auto& [session, peer] : peers) {
      const bool is_outside = peer.id != 0 && !set.members().contains(peer.id);
      if (is_outside && !peer.leaving) return true;
    }
    return false;
  }
  Peer* Find(Session session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = peers.find(session);
    return found == peers.end() ? nullptr : &found->second;
  }
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_MASTER_PEERS_H_
