#ifndef MANSIO_BROKER_METADATA_GROUP_H_
#define MANSIO_BROKER_METADATA_GROUP_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "broker/metadata/records.h"
#include "common/backoff/backoff.h"

namespace mansio::broker {

// A consumer group as readers see it: immutable.
using GroupPtr = std::shared_ptr<const GroupRecord>;

// What of a group's policy is to change; the rest stays.
struct GroupChange {
  std::optional<uint32_t> max_attempts;
  std::optional<Backoff> backoff;
  std::optional<StartPolicy> start;
};

// The group with the change made.
GroupRecord Changed(GroupRecord group, GroupChange change);
// BAD_REQUEST (wire status) for a policy that no group can have.
absl::Status CheckPolicy(const GroupRecord& group);
// OK where a group that is there is as it is wanted, but for id and time; else PRECONDITION_FAILED
// with the cure.
absl::Status CheckSameGroup(const GroupRecord& is, const GroupRecord& wanted);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_GROUP_H_
