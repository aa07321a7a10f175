#ifndef MANSIO_TESTS_BROKER_ELECTION_FAKE_ETCD_H_
#define MANSIO_TESTS_BROKER_ELECTION_FAKE_ETCD_H_

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "broker/election/election.h"

namespace mansio::broker::testing {

// etcd's keys, leases and transactions in memory, with a time of its own. Each request is carried
// out at once and as a whole. Not thread-safe.
class FakeEtcd {
 public:
  // A lease ends so much later than it could.
  std::function<absl::Duration()> lateness = [] { return absl::ZeroDuration(); };
  // Called with the keys before and after each transaction that succeeds.
  std::function<void(const EtcdSnapshot& before, const EtcdSnapshot& after)> committed =
      [](const EtcdSnapshot&, const EtcdSnapshot&) {};

  EtcdReply Apply(const EtcdRequest& request, absl::Duration now) {
    Expire(now);
    EtcdReply reply;
    switch (request.kind) {
      case EtcdRequest::Kind::kRead:
        reply.snapshot = keys_;
        return reply;
      case EtcdRequest::Kind::kCommit:
        return Commit(request.txn);
      case EtcdRequest::Kind::kGrant:
        leases_[++last_lease_] = {request.ttl, now + request.ttl + lateness()};
        reply.lease = {last_lease_, request.ttl};
        return reply;
      case EtcdRequest::Kind::kKeepAlive:
        if (const auto lease = leases_.find(request.lease); lease != leases_.end()) {
          lease->second.ends = std::max(lease->second.ends, now + lease->second.ttl + lateness());
          reply.lease.ttl = lease->second.ttl;
        }
        return reply;
      case EtcdRequest::Kind::kRevoke:
        if (!leases_.contains(request.lease)) reply.status = NoLease();
        End(request.lease);
        return reply;
    }
    return reply;
  }

  // Ends the leases whose time is over.
  void Expire(absl::Duration now) {
    std::set<EtcdLeaseId> over;
    for (const auto& [id, lease] : leases_) {
      if (lease.ends <= now) over.insert(id);
    }
    for (const EtcdLeaseId id : over) End(id);
  }

  const EtcdSnapshot& keys() const { return keys_; }
  void Put(const std::string& key, const std::string& value, EtcdLeaseId lease = 0) {
    ++keys_.revision;
    EtcdValue& entry = keys_.values[key];
    if (entry.created == 0) entry.created = keys_.revision;
    entry.modified = keys_.revision;
    entry.value = value;
    entry.lease = lease;
  }

 private:
  struct Lease {
    absl::Duration ttl;
    absl::Duration ends;
  };

  static absl::Status NoLease() { return absl::NotFoundError("requested lease not found"); }

  void End(EtcdLeaseId lease) {
    if (leases_.erase(lease) == 0) return;
    ++keys_.revision;
    std::erase_if(keys_.values, [lease](const auto& key) { return key.second.lease == lease; });
  }

  bool Holds(const EtcdCompare& compare) const {
    const auto found = keys_.values.find(compare.key);
    const EtcdValue value = found == keys_.values.end() ? EtcdValue() : found->second;
    switch (compare.field) {
      case EtcdCompare::Field::kCreated:
        return value.created == compare.revision;
      case EtcdCompare::Field::kModified:
        return value.modified == compare.revision;
    }
    return false;
  }

  EtcdReply Commit(const EtcdTxn& txn) {
    EtcdReply reply;
    const bool holds = std::all_of(txn.compares.begin(), txn.compares.end(),
                                   [this](const EtcdCompare& c) { return Holds(c); });
    if (!holds) {
      reply.commit = {false, keys_.revision, keys_};
      return reply;
    }
    for (const EtcdChange& change : txn.changes) {
      if (change.lease != 0 && !leases_.contains(change.lease)) {
        reply.status = NoLease();
        return reply;
      }
    }
    const EtcdSnapshot before = keys_;
    const EtcdRevision revision = keys_.revision + 1;
    for (const EtcdChange& change : txn.changes) {
      keys_.revision = revision - 1;
      if (change.value.has_value()) {
        Put(change.key, *change.value, change.lease);
      } else {
        keys_.values.erase(change.key);
      }
    }
    keys_.revision = revision;
    reply.commit = {true, revision, {}};
    committed(before, keys_);
    return reply;
  }

  EtcdSnapshot keys_{.revision = 1};  // as that of an empty etcd
  std::map<EtcdLeaseId, Lease> leases_;
  EtcdLeaseId last_lease_ = 0;
};

}  // namespace mansio::broker::testing

#endif  // MANSIO_TESTS_BROKER_ELECTION_FAKE_ETCD_H_
