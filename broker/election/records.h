#ifndef MANSIO_BROKER_ELECTION_RECORDS_H_
#define MANSIO_BROKER_ELECTION_RECORDS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/election/etcd.h"
#include "broker/replication/records.h"
#include "store/types.h"

// What etcd holds of a broker group, as JSON that an operator can read:
//
//   /mansio/CLUSTER/BROKER/master   {"id":1,"epoch":7,"address":"10.0.0.1:8081"}
//                                   there as long as the master's lease lives
//   /mansio/CLUSTER/BROKER/group    {"epoch":7,"in_sync":[1,2],"stores":{"1":"…","2":"…"},"heir":2}
//                                   stays; `epoch` counts the reigns. A number in the set means
//                                   that member's store; one that is not named, any
//   /mansio/CLUSTER/BROKER/lost/2   {"group":17,"epoch":7,"end":4096}
//                                   what member 2 still has, which may have lost something; void
//                                   once `group` has another revision than 17
//
// Nobody but the members of the group may change these keys.
namespace mansio::broker {

struct MasterRecord {
  BrokerId id = 0;
  store::Epoch epoch = 0;
  std::string address = {};  // where slaves open their streams, HOST:PORT
  friend bool operator==(const MasterRecord&, const MasterRecord&) = default;
};

struct ElectionRecord {
  store::Epoch epoch = 0;  // of the last reign that has begun
  std::set<BrokerId> in_sync;
  std::optional<BrokerId> heir = {};  // whom the last master has handed the group over to
  StoreIds stores = {};               // of `in_sync`, as far as known
  friend bool operator==(const ElectionRecord&, const ElectionRecord&) = default;
};

// What a member has that may have lost something.
struct LostRecord {
  EtcdRevision group = 0;    // when the group's record was changed last: it speaks of that one
  store::Epoch epoch = 0;    // of the last frame of its log
  store::LogOffset end = 0;  // of its log
  friend bool operator==(const LostRecord&, const LostRecord&) = default;
};

// What all keys say at one moment.
struct GroupView {
  EtcdRevision revision = 0;  // 0: nothing was read yet
  std::optional<MasterRecord> master;
  EtcdRevision master_created = 0;
  EtcdLeaseId master_lease = 0;
  std::optional<ElectionRecord> group;
  EtcdRevision group_modified = 0;
  std::map<BrokerId, LostRecord> lost = {};  // those that are not void
};

// Of a group's keys; ends with a slash.
std::string ElectionPrefix(std::string_view cluster, std::string_view broker);
std::string MasterKey(std::string_view prefix);
std::string GroupKey(std::string_view prefix);
std::string LostKey(std::string_view prefix, BrokerId member);

std::string EncodeMaster(const MasterRecord& master);
std::string EncodeGroup(const ElectionRecord& group);
std::string EncodeLost(const LostRecord& lost);
// DataLoss names the key whose value is not one that these functions make.
absl::StatusOr<GroupView> DecodeView(std::string_view prefix, const EtcdSnapshot& snapshot);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_RECORDS_H_
