#ifndef MANSIO_BROKER_ADMIN_GROUP_REQUESTS_H_
#define MANSIO_BROKER_ADMIN_GROUP_REQUESTS_H_

#include "absl/status/statusor.h"
#include "broker/consumption/consumption.h"
#include "broker/metadata/group.h"
#include "mansio/v1/admin.pb.h"

// What is asked for of consumer groups. Pure functions.
namespace mansio::broker {

// A group as it is asked for; what is left out is the default. BAD_REQUEST (wire status) for what
// it cannot have.
absl::StatusOr<GroupRecord> GroupFrom(const v1::GroupInfo& info);

// A group as another broker has it, which also says whether it is paused, and since when it is one.
absl::StatusOr<GroupRecord> GroupElsewhereFrom(const v1::GroupInfo& info);

// A change of its policy, with the same errors.
absl::StatusOr<GroupChange> GroupChangeFrom(const v1::AlterGroupRequest& request);

// Where a reset is to go. BAD_REQUEST or ILLEGAL_OFFSET.
absl::StatusOr<ResetPoint> ResetPointFrom(const v1::ResetGroupRequest& request);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_GROUP_REQUESTS_H_
