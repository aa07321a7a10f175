// The rules of a member that is not master: when it stands, and what it promises.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "broker/election/election.h"

namespace mansio::broker {
namespace {

constexpr int kLeasesBeforeOutsiders = 10;

}  // namespace

void Election::TickMember(absl::Duration now) {
  if (pending_.has_value()) return;
  if (in_doubt_) {
    if (now < retry_at_) return;
    return Send(now, Step::kSettle, {.kind = EtcdRequest::Kind::kRevoke, .lease = lease_.id});
  }
  if (!resigned_ && (read_now_ || now >= read_at_)) SendRead(now);
}

void Election::LookAsMember(absl::Duration now, const std::optional<MasterRecord>& before) {
  if (view_.group.has_value()) fence_ = std::max(fence_, view_.group->epoch);
  if (view_.master.has_value()) {
    no_master_since_ = now;
    last_master_ = view_.master;
  }
  if (view_.master != before) work_.events.emplace_back(MasterSeen{view_.master});
}

store::Epoch Election::LastEpoch() const {
  const store::Epoch counted = view_.group.has_value() ? view_.group->epoch : 0;
  return std::max({counted, standing_.last_epoch, fence_});
}

bool Election::MayStand(absl::Duration now) {
  if (resigned_ || !standing_.may_stand || view_.master.has_value()) return false;
  if (LastEpoch() >= store::kMaxEpoch) return false;
  if (!view_.group.has_value()) return options_.founds && own_promise_.Ended(now);
  if (view_.group->heir == options_.self) {
    own_promise_.Release(view_.group->epoch);
  } else if (view_.group->heir.has_value() && now < heir_seen_ + options_.lease) {
    return false;
  }
  if (!own_promise_.Ended(now)) return false;
  if (IsInSync()) return true;
  const int leases = AnotherHasMore() ? 2 * kLeasesBeforeOutsiders : kLeasesBeforeOutsiders;
  return options_.allow_outside && now >= no_master_since_ + leases * options_.lease;
}

bool Election::IsInSync() const {
  if (HasAnotherStore()) return false;
  const std::set<BrokerId>& set = view_.group->in_sync;
  if (!set.contains(options_.self)) return false;
  return standing_.whole || (set.size() == 1 && standing_.last_epoch > 0) || HasAsMuchAsAny();
}

bool Election::HasAnotherStore() const {
  return view_.group.has_value() &&
         IsAnotherStore(StoreOf(view_.group->stores, options_.self), standing_.store);
}

std::string Election::WhyItsStoreDoesNotCount() const {
  const bool is_master = view_.master.has_value() && view_.master->id == options_.self;
  return fmt::format(
      "broker.id {0} of this group belongs to another store{1}. Two processes have the same number: "
      "give one of them another broker.id. Or this one's disk was replaced: then the master takes "
      "it in when it has not heard of the other for replication.max-lag",
      options_.self,
      is_master ? fmt::format(", of the master at {}", view_.master->address) : std::string());
}

std::string Election::WhyItDoesNotStand() const {
  if (reign_ == nullptr && HasAnotherStore()) return WhyItsStoreDoesNotCount();
  if (reign_ != nullptr || view_.master.has_value() || view_.revision == 0) return "";
  if (!standing_.may_stand) {
    return "this member cannot be master: its store has failed, or is not complete, or its disk "
           "does not answer, or another process follows with a copy of it, as the log says";
  }
  if (LastEpoch() >= store::kMaxEpoch) {
    return fmt::format(
        "no epoch is left: this member has heard of epoch {}, which counting does not reach. "
        "Somebody has changed the group's keys in etcd, or a log",
        LastEpoch());
  }
  if (!view_.group.has_value()) {
    return options_.founds ? ""
                           : "etcd knows nothing of this broker group: set election.founds on the "
                             "one member that has its messages, and start that again";
  }
  if (IsInSync()) return "";
  const std::string others = fmt::format("{{{}}}", fmt::join(view_.group->in_sync, ", "));
  if (!view_.group->in_sync.contains(options_.self)) {
    return fmt::format(
        "there is no master, and this member is not one of the in-sync set {}: start one of those. "
        "If none is left, election.allow-outside on all members lets another one take over, which "
        "loses what this one lacks",
        others);
  }
  return WhyItWaitsForOthers();
}

void Election::Campaign(absl::Duration now) {
  ElectionRecord group;
  if (view_.group.has_value()) group = *view_.group;
  // Its lease has ended, or it has given up: it is away, or as one that was.
  if (last_master_.has_value() && last_master_->epoch == group.epoch && !group.heir.has_value()) {
    Leave(group, last_master_->id);
  }
  group.epoch = LastEpoch() + 1;
  group.heir.reset();
  if (!view_.group.has_value() || !IsInSync()) {
    group.in_sync = {options_.self};
    group.stores.clear();
  }
  if (!standing_.store.empty()) group.stores[options_.self] = standing_.store;
  campaign_ = group;
  EtcdTxn txn = TxnWhere(kNoKey);
  txn.changes = {{MasterKey(options_.prefix), EncodeMaster(Self()), lease_.id},
                 {GroupKey(options_.prefix), EncodeGroup(group)}};
  Commit(now, Step::kCampaign, std::move(txn));
}

void Election::Leave(ElectionRecord& group, BrokerId member) const {
  const bool is_self = reign_ == nullptr && member == options_.self;
  if (is_self || group.in_sync.size() <= options_.min_in_sync) return;
  group.in_sync.erase(member);
  group.stores.erase(member);
}

void Election::OnCampaign(absl::Duration now, const EtcdReply& reply) {
  if (!reply.status.ok() && !absl::IsNotFound(reply.status)) {
    in_doubt_ = true;
    retry_at_ = now;
    return;
  }
  const bool won = reply.status.ok() && reply.commit.succeeded;
  // After the lease another member may have reigned already.
  const bool wants = !resigned_ && standing_.may_stand;  // it may have stepped down meanwhile
  if (won && wants && now < lease_.until) return BeginReign(now, reply.commit.revision);
  campaign_.reset();
  Forget(lease_.id);
  lease_ = {};
  read_at_ = now + options_.retry;
  if (reply.status.ok() && !won) static_cast<void>(Look(now, reply.commit.seen));
}

void Election::OnSettle(absl::Duration now, const EtcdReply& reply) {
  if (!reply.status.ok() && !absl::IsNotFound(reply.status)) {
    retry_at_ = now + options_.retry;
    return;
  }
  in_doubt_ = false;
  campaign_.reset();
  lease_ = {};
  read_now_ = true;
}

void Election::BeginReign(absl::Duration now, EtcdRevision revision) {
  const ElectionRecord group = *campaign_;
  reign_ = std::make_shared<Reign>(group.epoch);
  view_.master = Self();
  view_.group = group;
  view_.master_created = view_.group_modified = revision;
  view_.master_lease = lease_.id;
  campaign_.reset();
  log_end_.reset();
  fence_ = group.epoch;
  promises_.emplace(group.epoch, options_.promise_margin);
  recorded_ = wanted_ = {group.in_sync, group.stores};
  maybe_ = group.in_sync;
  key_held_ = true;
  key_created_ = revision;
  renew_at_ = ask_at_ = now;
  taken_up_ = false;
  take_up_until_ = now + options_.take_up;
  UpdateAuthority();
  work_.events.emplace_back(Elected{reign_, recorded_.members, recorded_.stores});
}

std::optional<Promise> Election::PromiseAsked(absl::Duration now, const PromiseRequest& request) {
  if (reign_ != nullptr || !Accepts(request.epoch)) return std::nullopt;
  if (campaign_.has_value()) return std::nullopt;  // it may be carried out yet
  fence_ = request.epoch;
  return own_promise_.Give(now, request);
}

bool Election::Accepts(store::Epoch epoch) const {
  if (IsBoundByItsWord()) return false;
  if (campaign_.has_value() && epoch < campaign_->epoch) return false;
  return epoch >= std::max(fence_, standing_.last_epoch) && epoch <= store::kMaxEpoch;
}

bool Election::AcceptsFrames(store::Epoch epoch) {
  if (!Accepts(epoch)) return false;
  log_end_.reset();
  return true;
}

}  // namespace mansio::broker
