#ifndef MANSIO_BROKER_ADMIN_INFO_H_
#define MANSIO_BROKER_ADMIN_INFO_H_

#include "absl/time/time.h"
#include "broker/metadata/records.h"
#include "broker/metadata/topic.h"
#include "common/gateway/client_info.h"
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

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_INFO_H_
