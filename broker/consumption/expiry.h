#ifndef MANSIO_BROKER_CONSUMPTION_EXPIRY_H_
#define MANSIO_BROKER_CONSUMPTION_EXPIRY_H_

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "broker/consumption/context.h"
#include "broker/consumption/group_progress.h"
#include "broker/message/stored_message.h"
#include "broker/metadata/metadata.h"

// Messages that were not consumed in time: after the ttl of their topic or the milliseconds that
// they say themselves (kTtlProperty), whichever is less, since they were stored in their topic.
namespace mansio::broker {

// Whether nobody is to get a message of `topic` any more at `now_ms`, broker time. `stored_ms`: of
// this copy. `retried`: it is one of a retry queue; the time of the message itself counts then.
// Dead letters do not expire.
bool HasExpired(const TopicRecord& topic, const StoredContent& content, store::StoreTime stored_ms,
                bool retried, int64_t now_ms);

// Ends the leases of messages of a group that have expired: as if nobody wanted them, or with a
// move to the group's dead letters. `done` runs once, when that is decided, on any thread; what
// could not be moved is tried again while its lease lives. The context outlives it. Thread-safe.
void EndExpired(ConsumptionContext& context, uint32_t group, const ExpiryPolicy& policy,
                const std::vector<TakenMessage>& expired, absl::AnyInvocable<void()> done);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_EXPIRY_H_
