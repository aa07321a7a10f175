#ifndef MANSIO_BROKER_ADMIN_TOPIC_REQUESTS_H_
#define MANSIO_BROKER_ADMIN_TOPIC_REQUESTS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "broker/metadata/topic.h"
#include "mansio/v1/admin.pb.h"

// What is asked for of topics. Pure functions.
namespace mansio::broker {

// A topic as it is asked for; what is left out is the default. BAD_REQUEST for what it cannot have,
// NOT_IMPLEMENTED for what comes later (wire statuses).
absl::StatusOr<TopicRecord> TopicFrom(const v1::TopicInfo& wanted, uint32_t default_queues);

// A change of its settings, with the same errors.
absl::StatusOr<TopicChange> TopicChangeFrom(const v1::AlterTopicRequest& request);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_TOPIC_REQUESTS_H_
