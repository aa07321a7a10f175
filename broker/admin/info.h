#ifndef MANSIO_BROKER_ADMIN_INFO_H_
#define MANSIO_BROKER_ADMIN_INFO_H_

#include "broker/metadata/records.h"
#include "mansio/v1/registration.pb.h"

// Topics and groups as nameservers and the command see them. Pure functions.
namespace mansio::broker {

v1::TopicInfo TopicInfoOf(const TopicRecord& topic);
// The back-off stays unset where it is the default one.
v1::GroupInfo GroupInfoOf(const GroupRecord& group);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_INFO_H_
