#include "broker/election/election.h"

#include <algorithm>

namespace mansio::broker {

Election::Election(ElectionOptions options, absl::Duration now)
    : options_(std::move(options)),
      read_at_(now),
      retry_at_(now),
      own_promise_(options_.promise, now),
      no_master_since_(now),
      heir_seen_(now) {}

void Election::Tick(absl::Duration now) {
  if (reign_ != nullptr) {
    TickMaster(now);
  } else {
    TickMember(now);
  }
}

void Election::Send(absl::Duration now, Step step, EtcdRequest request) {
  request.id = ++last_request_;
  pending_ = Pending{request.id, step, now};
  work_.requests.push_back(std::move(request));
  if (step == Step::kRead) read_now_ = false;
}

void Election::Commit(absl::Duration now, Step step, EtcdTxn txn) {
  txn.read_prefix = options_.prefix;
  Send(now, step, {.kind = EtcdRequest::Kind::kCommit, .txn = std::move(txn)});
}

void Election::SendGrant(absl::Duration now) {
  Send(now, Step::kGrant, {.kind = EtcdRequest::Kind::kGrant, .ttl = options_.lease});
}

void Election::Forget(EtcdLeaseId lease) {
  work_.requests.push_back(
      {.id = ++last_request_, .kind = EtcdRequest::Kind::kRevoke, .lease = lease});
}

void Election::Replied(absl::Duration now, uint64_t request, const EtcdReply& reply) {
  if (reply.status.ok()) etcd_seen_ = now;
  if (renewal_.has_value() && renewal_->id == request) {
    const Renewal renewal = *std::exchange(renewal_, std::nullopt);
    OnKeepAlive(now, renewal, reply);
  } else if (pending_.has_value() && pending_->id == request) {
    const Pending answered = *std::exchange(pending_, std::nullopt);
    trouble_ = reply.status.ok() ? "" : std::string(reply.status.message());
    Answered(now, answered, reply);
  }
  Tick(now);
}

void Election::Answered(absl::Duration now, const Pending& request, const EtcdReply& reply) {
  switch (request.step) {
    case Step::kRead:
      return OnRead(now, reply);
    case Step::kGrant:
      return OnGrant(now, request, reply);
    case Step::kCampaign:
      return OnCampaign(now, reply);
    case Step::kSettle:
      return OnSettle(now, reply);
    case Step::kResume:
      return OnResume(now, reply);
    case Step::kRecord:
      return OnRecord(now, reply);
    case Step::kHandOver:
      return OnHandOver(now, reply);
    case Step::kSay:
      return OnSaid(now, reply);
  }
}

void Election::OnRead(absl::Duration now, const EtcdReply& reply) {
  read_at_ = now + (reply.status.ok() ? options_.poll : options_.retry);
  if (!reply.status.ok() || !Look(now, reply.snapshot)) return;
  if (reign_ != nullptr) {
    if (!key_held_) Resume(now);
    return;
  }
  if (MayStand(now)) {
    SendGrant(now);
  } else if (!view_.master.has_value() && !own_promise_.Ended(now)) {
    read_at_ = std::min(read_at_, own_promise_.until());
  } else {
    SayWhatItHas(now);
  }
}

EtcdTxn Election::TxnWhere(EtcdRevision master_created) const {
  EtcdTxn txn;
  txn.compares = {{.key = MasterKey(options_.prefix),
                   .field = EtcdCompare::Field::kCreated,
                   .revision = master_created},
                  {.key = GroupKey(options_.prefix),
                   .field = EtcdCompare::Field::kModified,
                   .revision = view_.group_modified}};
  return txn;
}

bool Election::Look(absl::Duration now, const EtcdSnapshot& snapshot) {
  const absl::StatusOr<GroupView> view = DecodeView(options_.prefix, snapshot);
  if (!view.ok()) {
    trouble_ = std::string(view.status().message());
    return false;
  }
  const GroupView before = std::exchange(view_, *view);
  // What the process before this one has said may even be on its way yet.
  if (before.revision == 0 && !view_.master.has_value()) said_at_ = view_.group_modified;
  if (reign_ != nullptr) LookAsMaster(now);
  // Perhaps not any more.
  if (reign_ == nullptr) {
    if (view_.group_modified != before.group_modified) heir_seen_ = now;
    LookAsMember(now, before.master);
  }
  return true;
}

void Election::OnGrant(absl::Duration now, const Pending& request, const EtcdReply& reply) {
  read_at_ = now + options_.retry;
  if (!reply.status.ok()) return;
  const bool wanted = reign_ != nullptr ? !key_held_ : MayStand(now);
  if (!wanted) return Forget(reply.lease.id);
  lease_ = Count(reply.lease, request.sent);
  if (reign_ != nullptr) {
    renew_at_ = now;
    Resume(now);
  } else {
    Campaign(now);
  }
}

Election::HeldLease Election::Count(const EtcdLease& lease, absl::Duration sent) const {
  return {lease.id, sent + lease.ttl - options_.margin};
}

MasterRecord Election::Self() const {
  return {options_.self, reign_ != nullptr ? reign_->epoch() : campaign_->epoch, options_.address};
}

ElectionState Election::State(absl::Duration now) const {
  ElectionState state;
  state.is_master = reign_ != nullptr;
  state.epoch = std::max(fence_, view_.group.has_value() ? view_.group->epoch : 0);
  state.master = view_.master;
  state.trouble = trouble_;
  if (reign_ != nullptr) {
    state.master = Self();
    state.in_sync = recorded_.members;
    state.acknowledges = std::max(absl::ZeroDuration(), Authority() - now);
    if (state.acknowledges == absl::ZeroDuration()) state.trouble = WhyItMustWait();
  } else if (view_.group.has_value()) {
    state.in_sync = view_.group->in_sync;
  }
  if (!state.trouble.empty()) return state;
  state.trouble = WhyItDoesNotStand();
  state.has_another_store = reign_ == nullptr && HasAnotherStore();
  return state;
}

void Election::StepDown(std::string why) {
  standing_.may_stand = false;
  if (reign_ != nullptr) Depose(std::move(why));
}

void Election::Resign() {
  resigned_ = true;
  if (reign_ != nullptr) Depose("this broker stops");
}

}  // namespace mansio::broker
