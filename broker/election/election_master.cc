// The rules of the master: its lease, the promises of the others, and what it changes in etcd.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "broker/election/election.h"

namespace mansio::broker {

absl::Status EtcdIsAway(const std::string& why) {
  return absl::UnavailableError(fmt::format(
      "etcd is not reached{}{}: nobody could be elected in the master's place; try again when "
      "mansio cluster check shows no trouble of the election any more",
      why.empty() ? "" : ": ", why));
}

void Election::TickMaster(absl::Duration now) {
  if (!taken_up_ && now >= take_up_until_) {
    return StepDown(fmt::format("its store was not opened within {} s: its disk may not answer",
                                absl::ToInt64Seconds(options_.take_up)));
  }
  if (lease_.id != 0 && !renewal_.has_value() && now >= renew_at_) {
    renewal_ = Renewal{++last_request_, lease_.id, now};
    work_.requests.push_back(
        {.id = renewal_->id, .kind = EtcdRequest::Kind::kKeepAlive, .lease = lease_.id});
  }
  if (now >= ask_at_) AskForPromises(now);
  if (pending_.has_value()) return;
  if (heir_.has_value() && !key_held_) return Depose("its lease ended while it handed over");
  if (read_now_ || (!key_held_ && now >= read_at_)) return SendRead(now);
  if (!key_held_ || now < retry_at_) return;
  if (heir_.has_value()) return SendHandOver(now);
  if (wanted_ != recorded_ || set_in_doubt_) Record(now);
}

std::set<BrokerId> Election::Others() const {
  std::set<BrokerId> others = maybe_;
  others.erase(options_.self);
  return others;
}

void Election::AskForPromises(absl::Duration now) {
  ask_at_ = now + options_.renew;
  const PromiseRequest request = promises_->Ask(now);
  for (const BrokerId other : Others()) work_.promises.emplace_back(other, request);
}

void Election::Promised(absl::Duration, BrokerId from, const Promise& promise) {
  if (reign_ == nullptr) return;
  // Whoever has its number might stand, as far as etcd says.
  const InSync& in_sync = recorded_.members.contains(from) ? recorded_ : wanted_;
  if (!standing_.store.empty() && StoreOf(in_sync.stores, from).empty()) return;
  promises_->Take(from, promise);
  UpdateAuthority();
}

absl::Duration Election::Authority() const {
  if (heir_.has_value()) return -absl::InfiniteDuration();
  const absl::Duration lease = key_held_ ? lease_.until : -absl::InfiniteDuration();
  return options_.allow_outside ? lease : std::max(lease, promises_->Until(Others()));
}

std::string Election::WhyItMustWait() const {
  return fmt::format(
      "its lease from etcd is not renewed{}{}, and not all of the in-sync members {{{}}} are there "
      "to say that they elect nobody else",
      trouble_.empty() ? "" : ": ", trouble_, fmt::join(maybe_, ", "));
}

void Election::UpdateAuthority() { reign_->SetUntil(Authority()); }

void Election::OnKeepAlive(absl::Duration now, const Renewal& renewal, const EtcdReply& reply) {
  if (reign_ == nullptr || renewal.lease != lease_.id) return;
  if (!reply.status.ok()) {
    trouble_ = std::string(reply.status.message());
    renew_at_ = now + options_.retry;
    return;
  }
  renew_at_ = renewal.sent + options_.renew;
  if (reply.lease.ttl > absl::ZeroDuration()) {
    lease_.until = Count({lease_.id, reply.lease.ttl}, renewal.sent).until;
    trouble_.clear();
  } else {
    lease_ = {};
    key_held_ = false;
    read_now_ = true;
  }
  UpdateAuthority();
}

void Election::LookAsMaster(absl::Duration now) {
  const store::Epoch epoch = reign_->epoch();
  if (view_.master.has_value() &&
      (view_.master->id != options_.self || view_.master->epoch != epoch)) {
    return Depose(fmt::format("member {} has been elected with epoch {}", view_.master->id,
                              view_.master->epoch));
  }
  if (view_.group.has_value() && view_.group->epoch > epoch) {
    return Depose(fmt::format("epoch {} has begun", view_.group->epoch));
  }
  if (view_.group.has_value() && view_.group->epoch == epoch) {
    recorded_ = {view_.group->in_sync, view_.group->stores};
    maybe_.insert(recorded_.members.begin(), recorded_.members.end());
  } else {
    set_in_doubt_ = true;  // etcd has forgotten: it is told again
  }
  const bool held = view_.master.has_value() && lease_.id != 0 && view_.master_lease == lease_.id;
  if (key_held_ && !held) read_at_ = now;
  key_held_ = held;
  if (held) key_created_ = view_.master_created;
  UpdateAuthority();
}

void Election::Resume(absl::Duration now) {
  if (view_.master.has_value()) return;  // its own of an older lease: it ends soon
  if (lease_.id == 0 || now >= lease_.until) {
    if (lease_.id != 0) Forget(lease_.id);
    lease_ = {};
    return SendGrant(now);
  }
  EtcdTxn txn = TxnWhere(kNoKey);
  txn.changes = {{MasterKey(options_.prefix), EncodeMaster(Self()), lease_.id},
                 {GroupKey(options_.prefix), EncodeGroup(GroupOf(recorded_))}};
  recording_ = recorded_;
  Commit(now, Step::kResume, std::move(txn));
}

void Election::OnResume(absl::Duration now, const EtcdReply& reply) {
  if (reign_ == nullptr) return;
  read_at_ = now + options_.retry;
  if (!reply.status.ok()) {
    if (absl::IsNotFound(reply.status)) lease_ = {};
    return;
  }
  if (!reply.commit.succeeded) return static_cast<void>(Look(now, reply.commit.seen));
  key_held_ = true;
  key_created_ = reply.commit.revision;
  Recorded(recording_, reply.commit.revision);
}

ElectionRecord Election::GroupOf(const InSync& in_sync) const {
  return {.epoch = reign_->epoch(), .in_sync = in_sync.members, .stores = in_sync.stores};
}

absl::Status Election::ProposeInSync(std::set<BrokerId> members, StoreIds stores) {
  if (reign_ == nullptr) return absl::FailedPreconditionError("this broker is not the master");
  if (!members.contains(options_.self)) {
    return absl::InvalidArgumentError("the master is always in the in-sync set");
  }
  stores[options_.self] = standing_.store;
  std::erase_if(stores, [&](const auto& store) {
    return store.second.empty() || !members.contains(store.first);
  });
  wanted_ = {std::move(members), std::move(stores)};
  return absl::OkStatus();
}

void Election::Record(absl::Duration now) {
  recording_ = wanted_;
  maybe_.insert(wanted_.members.begin(), wanted_.members.end());
  UpdateAuthority();  // it may be in force before the answer comes
  EtcdTxn txn = TxnWhere(key_created_);
  txn.changes = {{GroupKey(options_.prefix), EncodeGroup(GroupOf(wanted_))}};
  Commit(now, Step::kRecord, std::move(txn));
}

void Election::OnRecord(absl::Duration now, const EtcdReply& reply) {
  if (reign_ == nullptr) return;
  if (!reply.status.ok()) {
    // It may be made yet, until another change of the same record has been.
    set_in_doubt_ = true;
    read_now_ = true;
    retry_at_ = now + options_.retry;
  } else if (!reply.commit.succeeded) {
    retry_at_ = now + options_.retry;
    static_cast<void>(Look(now, reply.commit.seen));
  } else {
    Recorded(recording_, reply.commit.revision);
  }
}

void Election::Recorded(InSync in_sync, EtcdRevision revision) {
  // It may come back with another store.
  for (const BrokerId member : maybe_) {
    if (!in_sync.members.contains(member)) promises_->Forget(member);
  }
  recorded_ = std::move(in_sync);
  maybe_ = recorded_.members;
  set_in_doubt_ = false;
  view_.group = GroupOf(recorded_);
  view_.group_modified = revision;
  UpdateAuthority();
  work_.events.emplace_back(InSyncRecorded{recorded_.members});
}

absl::Status Election::CheckHandOver(absl::Duration now, BrokerId heir) const {
  if (reign_ == nullptr) return absl::FailedPreconditionError("this broker is not the master");
  // Two renewals: with less than that a slow answer would look like none.
  if (!key_held_ || now - etcd_seen_ > 2 * options_.renew) return EtcdIsAway(trouble_);
  if (heir == options_.self || !recorded_.members.contains(heir)) {
    return absl::FailedPreconditionError(
        fmt::format("member {} is not another one of the in-sync set", heir));
  }
  return absl::OkStatus();
}

absl::Status Election::HandOver(absl::Duration now, BrokerId heir, bool leaves) {
  if (absl::Status status = CheckHandOver(now, heir); !status.ok()) return status;
  heir_ = heir;
  leaves_ = leaves;
  UpdateAuthority();
  return absl::OkStatus();
}

void Election::SendHandOver(absl::Duration now) {
  ElectionRecord group = GroupOf(recorded_);
  group.heir = heir_;
  if (leaves_) Leave(group, options_.self);
  EtcdTxn txn = TxnWhere(key_created_);
  txn.changes = {{MasterKey(options_.prefix), std::nullopt},
                 {GroupKey(options_.prefix), EncodeGroup(group)}};
  Commit(now, Step::kHandOver, std::move(txn));
}

void Election::OnHandOver(absl::Duration now, const EtcdReply& reply) {
  if (reign_ == nullptr) return;
  if (reply.status.ok() && !reply.commit.succeeded) {
    retry_at_ = now + options_.retry;
    return static_cast<void>(Look(now, reply.commit.seen));
  }
  // In doubt it has given up all the same: the others elect somebody.
  Depose(fmt::format("it has handed over to member {}", *heir_));
}

void Election::Depose(std::string why) {
  reign_->End();
  work_.events.emplace_back(Deposed{reign_->epoch(), std::move(why)});
  if (lease_.id != 0) Forget(lease_.id);
  lease_ = {};
  if (view_.master == Self()) view_.master.reset();
  reign_.reset();
  promises_.reset();
  renewal_.reset();
  key_held_ = false;
  heir_.reset();
  set_in_doubt_ = false;
  read_now_ = true;
}

}  // namespace mansio::broker
