#include "broker/promotion/promotion_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <tuple>

#include "broker/server/broker_config.h"

namespace mansio::broker {
namespace {

bool HasMore(const MemberState& a, const MemberState& b) {
  return std::tie(a.epoch, a.end) > std::tie(b.epoch, b.end);
}

void AddAnswers(const Candidacy& candidacy, std::vector<std::string>& losses) {
  const MemberState& self = candidacy.candidate;
  for (const MemberState& other : candidacy.answers) {
    if (other.role == store::Role::kMaster) {
      losses.push_back(fmt::format(
          "member {} at {} is the master and answers: stop it, or let it hand over (--demote)",
          other.id, other.address));
    } else if (HasMore(other, self)) {
      losses.push_back(fmt::format(
          "member {} at {} has more of the log, epoch {} up to offset {}, than member "
          "{}, epoch {} up to offset {}: make that one the master",
          other.id, other.address, other.epoch, other.end, self.id, self.epoch, self.end));
    }
  }
}

void AddSet(const Candidacy& candidacy, std::vector<std::string>& losses) {
  const BrokerId self = candidacy.candidate.id;
  if (!candidacy.in_sync.contains(self)) {
    losses.push_back(
        fmt::format("member {} was not in sync when it last heard of the master; the members "
                    "{{{}}} were: make one of those the master",
                    self, fmt::join(candidacy.in_sync, ", ")));
  }
  std::set<BrokerId> silent = candidacy.members;
  silent.insert(candidacy.in_sync.begin(), candidacy.in_sync.end());
  std::set<BrokerId> asked = {self};
  for (const MemberState& other : candidacy.answers) asked.insert(other.id);
  for (const BrokerId member : asked) silent.erase(member);
  // What all of a set that acknowledged it have lost is lost anyway.
  if (silent.empty()) return;
  std::set<BrokerId> lacking;
  if (!candidacy.candidate.whole) lacking.insert(self);
  for (const MemberState& other : candidacy.answers) {
    if (!other.whole) lacking.insert(other.id);
  }
  if (silent.size() + lacking.size() < candidacy.min_in_sync) return;
  if (!lacking.empty()) {
    losses.push_back(fmt::format(
        "the members {{{}}} may have lost what they had acknowledged together with {{{}}}, who do "
        "not answer and follow, as their machines lost their power (replication.min-in-sync is "
        "{}): start one of the latter, or say where it is (--member)",
        fmt::join(lacking, ", "), fmt::join(silent, ", "), candidacy.min_in_sync));
    return;
  }
  losses.push_back(
      fmt::format("only the members {{{}}} answer and follow; {{{}}}, who do not, may have "
                  "acknowledged messages among themselves (replication.min-in-sync is {}): start "
                  "one of those, or say where it is (--member)",
                  fmt::join(asked, ", "), fmt::join(silent, ", "), candidacy.min_in_sync));
}

}  // namespace

std::vector<std::string> LossesOf(const Candidacy& candidacy) {
  std::vector<std::string> losses;
  if (candidacy.handed_over) return losses;
  AddAnswers(candidacy, losses);
  if (store::WaitsForInSyncSet(candidacy.durability)) {
    AddSet(candidacy, losses);
  } else {
    losses.push_back(fmt::format(
        "with durability {} the master waits for no slave: what it acknowledged last "
        "may not have come to member {}, whose log ends at offset {}. Start the old "
        "master if you can",
        DurabilityName(candidacy.durability), candidacy.candidate.id, candidacy.candidate.end));
  }
  return losses;
}

}  // namespace mansio::broker
