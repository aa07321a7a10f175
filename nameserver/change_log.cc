#include "nameserver/change_log.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace mansio::nameserver {

using gateway::ClusterTable;

namespace {

constexpr size_t kBatchBytes = 128 << 10;

}  // namespace

ChangeLog::Entry& ChangeLog::Touch(const Key& broker) {
  Entry& entry = entries_[broker];
  entry.last = ++latest_;
  entry.encoded.clear();
  gathered_.insert(broker);
  return entry;
}

void ChangeLog::Restart(Entry& entry, bool left) {
  entry.whole = entry.last;
  entry.left = left;
  entry.topics.clear();
  entry.groups.clear();
}

void ChangeLog::Joined(const Key& broker) { Restart(Touch(broker), /*left=*/false); }
void ChangeLog::Left(const Key& broker) { Restart(Touch(broker), /*left=*/true); }

void ChangeLog::Changed(const Member& broker, const v1::Delta& delta) {
  Entry& entry = Touch(ClusterTable::KeyOf(broker.identity));
  for (const v1::TopicInfo& topic : delta.topics()) entry.topics[topic.name()] = entry.last;
  for (const v1::GroupInfo& group : delta.groups()) entry.groups[group.name()] = entry.last;
  for (const std::string& name : delta.deleted_topics()) entry.topics[name] = entry.last;
  for (const std::string& name : delta.deleted_groups()) entry.groups[name] = entry.last;
  // More than all of it is never told.
  if (entry.topics.size() + entry.groups.size() > broker.topics.size() + broker.groups.size()) {
    Restart(entry, /*left=*/false);
  }
}

void ChangeLog::Show() {
  for (const Key& broker : gathered_) {
    Entry& entry = entries_[broker];
    order_.erase(entry.place);
    entry.place = entry.last;
    order_.emplace(entry.place, broker);
  }
  gathered_.clear();
  shown_ = latest_;
}

std::vector<UpdateBytes> ChangeLog::Tell(const Key& broker, Entry& entry, Position from,
                                         const ClusterTable& cluster) {
  if (entry.left) {
    if (from.at == 0) return {};  // whoever begins was never told of it
    return {EncodeLeft(broker)};
  }
  const Member& member = *cluster.Find(broker);
  if (from.known < entry.whole) {
    if (entry.encoded.empty()) entry.encoded = EncodeWhole(member);
    any_encoded_ = true;
    return entry.encoded;
  }
  const auto after = [known = from.known](const StringMap<Version>& changed) {
    return [known, &changed](const std::function<void(const std::string&)>& see) {
      for (const auto& [name, version] : changed) {
        if (version > known) see(name);
      }
    };
  };
  return EncodeChanges(member, after(entry.topics), after(entry.groups));
}

ChangeLog::Batch ChangeLog::After(Position from, const ClusterTable& cluster) {
  std::vector<UpdateBytes> small;
  size_t bytes = 0;
  Version at = shown_;
  for (auto it = order_.upper_bound(from.at); it != order_.end(); ++it) {
    std::vector<UpdateBytes> updates = Tell(it->second, entries_[it->second], from, cluster);
    if (updates.empty()) continue;
    const bool fits = updates.size() == 1 && bytes + updates[0]->size() <= kBatchBytes;
    if (small.empty() && !fits) return {Reached(from, it->first), std::move(updates)};
    if (!fits) {
      at = it->first - 1;
      break;
    }
    bytes += updates[0]->size();
    small.push_back(std::move(updates[0]));
  }
  if (small.size() <= 1) return {Reached(from, at), std::move(small)};
  std::string joined;
  joined.reserve(bytes);
  for (const UpdateBytes& update : small) joined += *update;
  return {Reached(from, at), {std::make_shared<const std::string>(std::move(joined))}};
}

void ChangeLog::Forget(Version known) {
  for (auto it = order_.upper_bound(forgotten_); it != order_.end() && it->first <= known;) {
    const auto entry = entries_.find(it->second);
    // What it has gathered is not known to anybody, and will come to its new place.
    const bool changes = entry->second.last != entry->second.place;
    if (!changes) {
      entry->second.topics.clear();
      entry->second.groups.clear();
    }
    if (changes || !entry->second.left) {
      ++it;
      continue;
    }
    entries_.erase(entry);
    it = order_.erase(it);
  }
  forgotten_ = std::max(forgotten_, known);
}

void ChangeLog::DropEncoded() {
  if (!std::exchange(any_encoded_, false)) return;
  for (auto& [broker, entry] : entries_) entry.encoded.clear();
}

}  // namespace mansio::nameserver
