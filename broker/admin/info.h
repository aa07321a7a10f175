#ifndef MANSIO_BROKER_ADMIN_INFO_H_
#define MANSIO_BROKER_ADMIN_INFO_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/metadata/metadata.h"
#include "broker/metadata/records.h"
#include "common/gateway/client_registry.h"
#include "mansio/v1/admin.pb.h"

// Topics, groups and clients as nameservers and the command see them. Pure functions.
namespace mansio::broker {

v1::TopicInfo TopicInfoOf(const TopicRecord& topic);
// The same as it is now: one that is drained and finished can be used no more.
v1::TopicInfo TopicInfoOf(const Topic& topic);
// The back-off stays unset where it is the default one.
v1::GroupInfo GroupInfoOf(const GroupRecord& group);
// `silence`: how long nothing was heard of it.
v1::ClientDescription ClientDescriptionOf(const gateway::ClientInfo& client,
                                          absl::Duration silence);

// A group as it is asked for; what is left out is the default. BAD_REQUEST for what it cannot have.
absl::StatusOr<GroupRecord> GroupFrom(const v1::GroupInfo& info);

// A group as another broker has it, which also says whether it is paused, and since when it is one.
absl::StatusOr<GroupRecord> GroupElsewhereFrom(const v1::GroupInfo& info);

// The parts of that that commands name alone, too.
absl::Status CheckStart(v1::StartPolicy start);
absl::StatusOr<uint32_t> AttemptsFrom(int32_t attempts);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_INFO_H_
