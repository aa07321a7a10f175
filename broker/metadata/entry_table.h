#ifndef MANSIO_BROKER_METADATA_ENTRY_TABLE_H_
#define MANSIO_BROKER_METADATA_ENTRY_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "common/names/string_map.h"

namespace mansio::broker {

// What has a name, and an id that is never given to another; and which names have a change on its
// way into the log. `Ptr`: a pointer to something with `id` and `name` that does not change. Not
// thread-safe.
template <typename Ptr>
class EntryTable {
 public:
  using Retry = absl::AnyInvocable<void()>;

  // Null when there is none.
  Ptr Find(std::string_view name) const { return FindIn(by_name_, name); }
  Ptr Find(uint32_t id) const { return FindIn(by_id_, id); }
  size_t size() const { return by_name_.size(); }
  const StringMap<Ptr>& by_name() const { return by_name_; }
  std::vector<Ptr> Sorted() const {  // by name
    std::vector<Ptr> all;
    all.reserve(by_name_.size());
    for (const auto& [name, entry] : by_name_) all.push_back(entry);
    std::sort(all.begin(), all.end(), [](const Ptr& a, const Ptr& b) { return a->name < b->name; });
    return all;
  }

  // In the place of the one of this name; its id and those below it are taken from now on.
  void Put(const Ptr& entry) {
    by_name_[entry->name] = entry;
    by_id_[entry->id] = entry;
    NeverBelow(entry->id + 1);
  }
  void Erase(const Ptr& entry) {
    by_name_.erase(entry->name);
    by_id_.erase(entry->id);
  }

  uint32_t NewId() { return next_id_++; }
  // The one that NewId gives next, and what it is at least.
  uint32_t next_id() const { return next_id_; }
  void NeverBelow(uint32_t id) { next_id_ = std::max(next_id_, id); }

  // The entries and ids; claims stay until they are ended.
  void Clear() {
    by_name_.clear();
    by_id_.clear();
    next_id_ = 1;
  }

  // The name has a change on its way into the log, until EndClaim: a second one waits for that.
  void Claim(const std::string& name) { claims_[name]; }
  bool IsClaimed(std::string_view name) const { return claims_.contains(name); }
  size_t claims() const { return claims_.size(); }
  // Of a name that is claimed.
  void Wait(std::string_view name, Retry retry) {
    claims_.find(name)->second.push_back(std::move(retry));
  }
  // Who has waited, to be called without the table's lock.
  std::vector<Retry> EndClaim(std::string_view name) {
    const auto claim = claims_.find(name);
    std::vector<Retry> waiting = std::move(claim->second);
    claims_.erase(claim);
    return waiting;
  }

 private:
  template <typename Map, typename Key>
  static Ptr FindIn(const Map& map, Key key) {
    const auto it = map.find(key);
    return it == map.end() ? nullptr : it->second;
  }

  StringMap<Ptr> by_name_;
  absl::flat_hash_map<uint32_t, Ptr> by_id_;
  StringMap<std::vector<Retry>> claims_;
  uint32_t next_id_ = 1;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_ENTRY_TABLE_H_
