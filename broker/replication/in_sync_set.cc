#include "broker/replication/in_sync_set.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace mansio::broker {

InSyncSet::InSyncSet(BrokerId self, std::set<BrokerId> members, size_t minimum, bool synced)
    : self_(self), minimum_(minimum), synced_(synced), members_(std::move(members)) {
  members_.insert(self_);
}

void InSyncSet::SetHeld(BrokerId member, const HeldLog& held) { held_[member] = held; }

void InSyncSet::Propose(std::set<BrokerId> members) {
  changes_.push_back({std::move(members), std::nullopt});
}

void InSyncSet::Placed(store::LogOffset record) { changes_.back().record = record; }

void InSyncSet::Withdraw() {
  // Unless it was recorded meanwhile.
  if (on_its_way()) changes_.pop_back();
}

HeldLog InSyncSet::HeldBy(BrokerId member) const {
  const auto held = held_.find(member);
  return held == held_.end() ? HeldLog() : held->second;
}

store::LogOffset InSyncSet::Least(const std::set<BrokerId>& members) const {
  store::LogOffset least = std::numeric_limits<store::LogOffset>::max();
  for (const BrokerId member : members) least = std::min(least, Counted(member));
  return least;
}

store::LogOffset InSyncSet::Counted(BrokerId member) const {
  const HeldLog held = HeldBy(member);
  return synced_ ? held.synced : held.held;
}

bool InSyncSet::Settle() {
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (!change->record.has_value()) continue;
    // Frames are atomic: whoever has anything behind the record's beginning has the record.
    const store::LogOffset record = *change->record;
    if (Least(change->members) <= record || HeldBy(self_).synced <= record) continue;
    members_ = std::move(change->members);
    changes_.erase(changes_.begin(), change.base());
    return true;
  }
  return false;
}

void InSyncSet::Recorded(std::set<BrokerId> members) {
  const auto same = std::find_if(changes_.rbegin(), changes_.rend(),
                                 [&](const Change& change) { return change.members == members; });
  if (same != changes_.rend()) changes_.erase(changes_.begin(), same.base());
  members_ = std::move(members);
}

bool InSyncSet::WaitsFor(BrokerId member) const {
  return members_.contains(member) ||
         std::any_of(changes_.begin(), changes_.end(),
                     [&](const Change& change) { return change.members.contains(member); });
}

store::LogOffset InSyncSet::Committed() const {
  if (members_.size() < minimum_) return 0;
  store::LogOffset least = std::min(Least(members_), Least(awaited_));
  for (const Change& change : changes_) least = std::min(least, Least(change.members));
  return least;
}

}  // namespace mansio::broker
