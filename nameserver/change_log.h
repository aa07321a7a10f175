#ifndef MANSIO_NAMESERVER_CHANGE_LOG_H_
#define MANSIO_NAMESERVER_CHANGE_LOG_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/gateway/cluster_table.h"
#include "common/names/string_map.h"
#include "mansio/v1/registration.pb.h"
#include "nameserver/broker_updates.h"

namespace mansio::nameserver {

// The brokers in the order in which they changed last, and what of them changed: what has to be
// told to somebody who knows everything up to a certain change. A broker stands in it once, so
// that whoever is behind is told its latest state and not how it came about, and all that is kept
// is bounded by what is registered. Changes are gathered, and take their places together. Not
// thread-safe.
class ChangeLog {
 public:
  using Key = gateway::ClusterTable::Key;
  using Member = gateway::ClusterTable::Member;
  using Version = uint64_t;  // grows by 1 with each change; 0 is before the first one

  // To be called after the change. A broker has registered, or has done so again.
  void Joined(const Key& broker);
  void Changed(const Member& broker, const v1::Delta& delta);
  void Left(const Key& broker);
  // What has changed takes its place.
  void Show();
  // The last change, and the last one that has its place.
  Version latest() const { return latest_; }
  Version shown() const { return shown_; }

  // How far somebody is who is told batch after batch: everything up to `known`, and of what
  // follows all that stands up to `at`. When `at` is all there is, so is `known`: whatever moved
  // on meanwhile was met at its new place.
  struct Position {
    Version known = 0;
    Version at = 0;
    friend auto operator<=>(const Position&, const Position&) = default;
  };
  // What is told together: of what somebody lacks, what changed longest ago.
  struct Batch {
    Position behind;  // where he is then
    // Each is about 128 KiB, or a part of one broker. None: nothing has to be told.
    std::vector<UpdateBytes> messages;
  };
  // `cluster` is what the changes have led to.
  Batch After(Position from, const gateway::ClusterTable& cluster);

  // Everybody knows what changed up to `known`, but for those who begin at 0: forgets what has left
  // until then, and details of changes.
  void Forget(Version known);
  // Forgets what is kept of brokers as a whole, until somebody asks again.
  void DropEncoded();

 private:
  struct Entry {
    Version place = 0;  // in the order; 0: none yet
    Version last = 0;   // its last change
    Version whole = 0;  // whoever is behind this needs all of it
    bool left = false;
    StringMap<Version> topics;  // when each changed, after `whole`
    StringMap<Version> groups;
    std::vector<UpdateBytes> encoded;  // as a whole; empty: not needed since the last change
  };

  Entry& Touch(const Key& broker);
  // From now on it has to be told as a whole.
  static void Restart(Entry& entry, bool left);
  // What one broker's entry tells somebody.
  std::vector<UpdateBytes> Tell(const Key& broker, Entry& entry, Position from,
                                const gateway::ClusterTable& cluster);
  Position Reached(Position from, Version at) const { return {at == shown_ ? at : from.known, at}; }

  Version latest_ = 0;
  Version shown_ = 0;
  Version forgotten_ = 0;
  bool any_encoded_ = false;
  std::map<Key, Entry> entries_;
  std::map<Version, Key> order_;  // by place
  std::set<Key> gathered_;        // those that have changed since they took their places
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_CHANGE_LOG_H_
