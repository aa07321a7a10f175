#ifndef MANSIO_BROKER_SEND_QUEUE_CHOICE_H_
#define MANSIO_BROKER_SEND_QUEUE_CHOICE_H_

#include <cstdint>
#include <string_view>

// Which queue of a topic a message goes to. The server decides, because the SDKs hash message
// groups in three different ways (RocketMQ 5 API). Pure functions.
namespace mansio::broker {

// Jump consistent hash (Lamping and Veach, 2014): a number in [0, buckets) for a key. When buckets
// are added, a key stays or moves to a new bucket, never between old ones. `buckets` >= 1.
uint32_t JumpHash(uint64_t key, uint32_t buckets);

// The queue of a message group on a topic with `queues` queues; the same on every broker and in
// every version, since the order within a group depends on it.
uint32_t QueueOfGroup(std::string_view message_group, uint32_t queues);

// The queue of a priority, 0 or higher: higher priorities in higher queues, those beyond the last
// queue in that one (RocketMQ 5 API).
uint32_t QueueOfPriority(int32_t priority, uint32_t queues);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_QUEUE_CHOICE_H_
