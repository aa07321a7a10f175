#ifndef MANSIO_BROKER_ELECTION_ETCD_H_
#define MANSIO_BROKER_ELECTION_ETCD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mansio::broker {

using EtcdLeaseId = int64_t;   // 0: none
using EtcdRevision = int64_t;  // of the whole key space; each change makes the next one

struct EtcdValue {
  std::string value;
  EtcdRevision created = 0;
  EtcdRevision modified = 0;
  EtcdLeaseId lease = 0;
};

// Keys and values at one revision.
struct EtcdSnapshot {
  EtcdRevision revision = 0;
  std::map<std::string, EtcdValue> values = {};
};

// What must be so of a key. One that is not there has the revisions 0.
struct EtcdCompare {
  enum class Field { kCreated, kModified };
  std::string key;
  Field field = Field::kModified;
  EtcdRevision revision = 0;
};

// A key that gets a value, or is deleted.
struct EtcdChange {
  std::string key;
  std::optional<std::string> value;
  EtcdLeaseId lease = 0;
};

// All or nothing: the changes are made when all comparisons hold; else what is below `read_prefix`
// is read at the same revision.
struct EtcdTxn {
  std::vector<EtcdCompare> compares;
  std::vector<EtcdChange> changes;
  std::string read_prefix;
};

struct EtcdCommit {
  bool succeeded = false;
  EtcdRevision revision = 0;  // of the changes
  EtcdSnapshot seen = {};     // when it has not succeeded
};

struct EtcdLease {
  EtcdLeaseId id = 0;
  absl::Duration ttl;  // from when etcd granted or renewed it; the server may give more than asked
};

// A watch under way; it is ended when this is destroyed.
class EtcdWatch {
 public:
  virtual ~EtcdWatch() = default;
};

// What an election asks of etcd. Nothing blocks: each call tells its outcome once, on a thread of
// the implementation's, before a time-out of some hundred milliseconds is over or soon after. An
// error other than NotFound says nothing of what has happened to the request: it may still be
// carried out, even later. Thread-safe.
class Etcd {
 public:
  virtual ~Etcd() = default;

  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  // All keys that begin with `prefix`, as the majority has them.
  virtual void Read(std::string prefix, Done<EtcdSnapshot> done) = 0;
  // NotFound when a lease of its changes is not there: then nothing has been changed.
  virtual void Commit(EtcdTxn txn, Done<EtcdCommit> done) = 0;
  virtual void Grant(absl::Duration ttl, Done<EtcdLease> done) = 0;
  // How long it lives from now on; zero or less when there is no such lease any more.
  virtual void KeepAlive(EtcdLeaseId lease, Done<absl::Duration> done) = 0;
  // Ends the lease, its keys with it. NotFound when there is none: it has ended before.
  virtual void Revoke(EtcdLeaseId lease, absl::AnyInvocable<void(absl::Status)> done) = 0;

  // `changed` is called when keys below `prefix` change, from about now on; `ended` once, when
  // nothing more will come: an error, or the end of the watch by its owner.
  virtual std::unique_ptr<EtcdWatch> Watch(std::string prefix, absl::AnyInvocable<void()> changed,
                                           absl::AnyInvocable<void(absl::Status)> ended) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_ETCD_H_
