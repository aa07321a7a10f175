#ifndef MANSIO_BROKER_CONSUMPTION_MESSAGE_GROUP_ORDER_H_
#define MANSIO_BROKER_CONSUMPTION_MESSAGE_GROUP_ORDER_H_

#include <cstddef>
#include <optional>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/message/stored_message.h"
#include "store/types.h"

namespace mansio::broker {

// What a FIFO group may be handed of one queue (design section 6). The unit
// of order is the message group; messages without one are one group together. What one take hands
// out of it is its *batch*; while there is one, the group's other messages wait.
//
// An index over the messages that a take has looked at and that are not finished: QueueProgress
// owns them and says what each of them is. Not thread-safe.
class MessageGroupOrder {
 public:
  using Offsets = absl::btree_set<store::QueueOffset>;

  // The first message that waits of every group without a batch, and of the groups that the present
  // take takes from. A take that hands out the lowest of them each time keeps the order.
  const Offsets& ready() const { return ready_; }
  // Messages that wait.
  size_t waiting() const { return waiting_; }
  // What is handed out of a group.
  const Offsets& Batch(MessageGroupHash group) const;
  // How many messages of a group wait.
  size_t WaitingOf(MessageGroupHash group) const;
  // Whether a message behind all that were looked at has to wait if it is of this group.
  bool MustWait(MessageGroupHash group) const;

  // A take hands out a message. The group's next messages may join it in the batch until EndTake.
  void Take(MessageGroupHash group, store::QueueOffset offset);
  void EndTake();

  // The message is handed out, waits, or is finished, whatever it was before. Wait and Finish
  // return how many messages may be handed out now that could not before.
  void Lease(MessageGroupHash group, store::QueueOffset offset);
  size_t Wait(MessageGroupHash group, store::QueueOffset offset);
  size_t Finish(MessageGroupHash group, store::QueueOffset offset);

 private:
  struct Group {
    Offsets batch;
    Offsets waiting;
    std::optional<store::QueueOffset> ready;  // its place in ready_
  };
  // Brings ready_ up to date with a group, and forgets a group of which nothing is left.
  size_t Update(MessageGroupHash group);

  absl::flat_hash_map<MessageGroupHash, Group> groups_;
  absl::flat_hash_set<MessageGroupHash> taking_;
  Offsets ready_;
  size_t waiting_ = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_MESSAGE_GROUP_ORDER_H_
