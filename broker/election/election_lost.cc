// The rules of a member that may have lost something: what it says, and when it may stand all the
// same (rule 8).

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <tuple>

#include "broker/election/election.h"

namespace mansio::broker {
namespace {

bool HasMore(const LostRecord& one, const LostRecord& other) {
  return std::tie(one.epoch, one.end) > std::tie(other.epoch, other.end);
}

}  // namespace

void Election::SetStanding(const Standing& standing) {
  standing_ = standing;
  if (reign_ != nullptr && standing.last_epoch >= reign_->epoch()) taken_up_ = true;
  if (!standing.log_end.has_value()) return;
  log_end_ = standing.log_end;
  end_wanted_ = false;
}

bool Election::IsLacking() const {
  return !standing_.whole && !HasAnotherStore() && view_.group.has_value() &&
         view_.group->in_sync.contains(options_.self);
}

bool Election::IsBoundByItsWord() const {
  if (view_.revision == 0) return true;  // it does not know
  return view_.group.has_value() && said_at_ == view_.group_modified;
}

bool Election::HasNothingToSay() const {
  return !standing_.may_stand || standing_.began_empty || standing_.last_epoch == 0;
}

std::optional<LostRecord> Election::WhatItHas() const {
  if (HasNothingToSay() || !log_end_.has_value()) return std::nullopt;
  return LostRecord{view_.group_modified, standing_.last_epoch, *log_end_};
}

void Election::SayWhatItHas(absl::Duration now) {
  if (resigned_ || view_.master.has_value() || !IsLacking()) return;
  if (!HasNothingToSay() && !log_end_.has_value()) {
    if (!std::exchange(end_wanted_, true)) work_.events.emplace_back(LogEndWanted{});
    return;
  }
  const std::optional<LostRecord> has = WhatItHas();
  const auto said = view_.lost.find(options_.self);
  if (said == view_.lost.end() ? !has.has_value() : has == said->second) return;
  said_at_ = view_.group_modified;
  EtcdTxn txn;
  txn.compares = {{.key = GroupKey(options_.prefix),
                   .field = EtcdCompare::Field::kModified,
                   .revision = view_.group_modified}};
  // What another disk has had is taken back: others would wait for it.
  txn.changes = {{LostKey(options_.prefix, options_.self), std::nullopt}};
  if (has.has_value()) txn.changes.front().value = EncodeLost(*has);
  Commit(now, Step::kSay, std::move(txn));
}

void Election::OnSaid(absl::Duration now, const EtcdReply& reply) {
  read_at_ = now + options_.retry;
  if (reply.status.ok()) read_now_ = true;
}

bool Election::HasAsMuchAsAny() const {
  const std::optional<LostRecord> has = WhatItHas();
  if (!has.has_value() || said_at_ != view_.group_modified) return false;
  for (const BrokerId member : view_.group->in_sync) {
    const auto found = view_.lost.find(member);
    if (found == view_.lost.end() || HasMore(found->second, *has)) return false;
    if (member == options_.self && found->second != *has) return false;
  }
  return true;
}

bool Election::AnotherHasMore() const {
  const LostRecord has = WhatItHas().value_or(LostRecord());
  for (const auto& [member, lost] : view_.lost) {
    if (member != options_.self && HasMore(lost, has)) return true;
  }
  return false;
}

std::string Election::WhyItWaitsForOthers() const {
  const char* const way_out =
      "If one of them is gone for good, election.allow-outside on all members lets another one take "
      "over, which loses what that one alone has";
  if (standing_.began_empty || standing_.last_epoch == 0) {
    return fmt::format(
        "there is no master, and this member has not got what it had confirmed, as its disk was "
        "replaced or is not where it was: start the others of the in-sync set {{{}}}. {}",
        fmt::join(view_.group->in_sync, ", "), way_out);
  }
  std::set<BrokerId> silent = view_.group->in_sync;
  silent.erase(options_.self);
  std::set<BrokerId> longer;
  for (const auto& [member, lost] : view_.lost) {
    silent.erase(member);
    if (HasMore(lost, WhatItHas().value_or(LostRecord()))) longer.insert(member);
  }
  longer.erase(options_.self);
  const std::string lacks =
      "there is no master, and this member may lack what it had confirmed, as its machine lost its "
      "power";
  if (!silent.empty()) {
    return fmt::format(
        "{}: it waits for members {{{}}} to say what they have, or to take over if they lack "
        "nothing. {}",
        lacks, fmt::join(silent, ", "), way_out);
  }
  if (longer.empty()) return fmt::format("{}: it is about to say what it has", lacks);
  return fmt::format("{}: it lets member {} take over, which has more. {}", lacks,
                     fmt::join(longer, " or "), way_out);
}

}  // namespace mansio::broker
