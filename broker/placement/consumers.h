#ifndef MANSIO_BROKER_PLACEMENT_CONSUMERS_H_
#define MANSIO_BROKER_PLACEMENT_CONSUMERS_H_

#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"

// The groups that a topic's messages are for, on every broker that has some of them. What a group
// has no position on, it has not finished, but nobody could know that: a broker that is drained
// would leave the routes before a group that is offline has had what is there. So brokers tell each
// other. Thread-safe.
namespace mansio::broker {

// The groups with a position on the topic here, by name. Clients of broadcast groups are on their
// own: those that live tell every broker of the topic themselves.
std::vector<GroupPtr> ConsumersOf(const Metadata& metadata, const Consumption& consumption,
                                  const Topic& topic);

// Makes these groups, as they are elsewhere, where this broker does not know them, and gives each a
// position on the topic where it has none. Calls `done` when all of that is applied, on the log
// thread or at once; with the first refusal when there is one, and then it can be tried again.
void AdmitConsumers(Metadata* metadata, Consumption* consumption, const TopicPtr& topic,
                    std::vector<GroupRecord> groups,
                    absl::AnyInvocable<void(const absl::Status&)> done);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_CONSUMERS_H_
