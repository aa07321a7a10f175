#ifndef MANSIO_BROKER_REPLICATION_RECORDS_H_
#define MANSIO_BROKER_REPLICATION_RECORDS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/log/replicated_log.h"
#include "store/record.h"

namespace mansio::broker {

// A member's fixed number in its broker group; the configuration's `broker.id`.
using BrokerId = int32_t;

// Which store directory a member's log is in: 32 hexadecimal digits (server/store_id.h). Empty: not
// known, as an older version does not say it.
using StoreId = std::string;
using StoreIds = std::map<BrokerId, StoreId>;

// Whether both are known, and not the same.
inline bool IsAnotherStore(const StoreId& one, const StoreId& other) {
  return !one.empty() && !other.empty() && one != other;
}
// That of `member`; empty when it is not known.
inline StoreId StoreOf(const StoreIds& stores, BrokerId member) {
  const auto found = stores.find(member);
  return found == stores.end() ? StoreId() : found->second;
}

// The members that hold every record that was acknowledged with `replica` or `replica-sync` from
// here on (design section 9).
inline constexpr store::RecordKind kInSyncSetRecord = 80;

std::string EncodeInSyncSet(const std::set<BrokerId>& members);
// DataLoss for bytes that EncodeInSyncSet does not make.
absl::StatusOr<std::set<BrokerId>> DecodeInSyncSet(std::string_view body);

struct InSyncRecord {
  std::set<BrokerId> members;
  store::LogOffset end = 0;  // of its frame, or of what was read before there was one
};

// The last such record in [from, the end of the log), which need not be committed: who was in the
// set when the broker stopped. Without members when there is none. Reads files; errors as of
// ReadFrames.
absl::StatusOr<InSyncRecord> LastInSyncSet(store::ReplicatedLog& log, store::LogOffset from);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_RECORDS_H_
