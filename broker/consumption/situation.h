#ifndef MANSIO_BROKER_CONSUMPTION_SITUATION_H_
#define MANSIO_BROKER_CONSUMPTION_SITUATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/consumption/refusals.h"
#include "broker/metadata/records.h"
#include "store/types.h"

namespace mansio::broker {

struct ConsumptionContext;

// Who has a message.
struct LeaseHolder {
  std::string client;      // its id; empty: one that this broker does not know any more
  absl::Duration silence;  // since something was heard of it
  bool lost = false;       // it is dead, or seems to be: no stream, and silent for a while
  int64_t until_ms = 0;    // broker time at which the lease ends at the latest
};

// A message group whose messages wait behind its first ones.
struct BlockedGroup {
  std::string name;  // empty: messages without one, or not known without reading old messages
  uint32_t queue = 0;
  store::QueueOffset head = 0;
  LeaseHolder holder;
  bool backing_off = false;
  bool last_attempt = false;  // and that was the last one
  size_t waiting = 0;
};

// How a group stands on one topic, what it has to retry of it included. Of a broadcast group: how
// one client does.
struct TopicSituation {
  std::string topic;
  std::string client;
  uint64_t ready = 0;    // can be handed out
  uint64_t waiting = 0;  // FIFO: wait behind others of their message group
  uint64_t leased = 0;
  // Of the leases that were looked at (10,000 of a group, the first ones of each queue):
  uint64_t seen = 0;
  uint64_t backing_off = 0;
  uint64_t held_by_lost = 0;
  int64_t first_back_off_ms = 0;  // broker time at which the first of them ends
  uint64_t last_attempts = 0;     // of those that back off: they end as dead letters
  int64_t first_dead_ms = 0;      // broker time at which the first of them does
  int64_t first_end_ms = 0;       // the same of all leases
  LeaseHolder lost;               // the holder whose leases end last
  std::optional<BlockedGroup> blocked;
  // Messages that retention took before the group came to them.
  uint64_t gap = 0;
  uint32_t gap_queue = 0;
  uint64_t missed = 0;
  int64_t missed_ms = 0;
  // What the last filter did not want, since a message was last taken.
  uint64_t passed_over = 0;
  std::string filter;
  int64_t asked_ms = 0;          // broker time of the last receive; 0: none since the start
  size_t parked = 0;             // receives that wait
  uint64_t most_of_a_queue = 0;  // leases
};

// What consumers ask for on a topic is refused.
struct TopicRefusal {
  Refusal last;
  size_t clients = 1;
};

struct GroupSituation {
  std::string group;
  bool paused = false;
  bool fifo = false;
  int64_t now_ms = 0;
  std::vector<std::string> clients;  // consumers that are alive
  absl::Duration disconnected;       // a client without a connection counts as dead after that
  uint64_t group_leases = 0;
  uint64_t broker_leases = 0;
  uint64_t max_queue_leases = 0;
  uint64_t max_group_leases = 0;
  uint64_t max_broker_leases = 0;
  std::vector<TopicSituation> topics;  // by name and client
  std::vector<TopicRefusal> refusals;  // of the last minute, by topic
};

// Takes a picture of a group. Thread-safe. `may_read`: one message of each topic may be read from
// disk; then only inside Store::RunCold.
GroupSituation SituationOf(const ConsumptionContext& context, const GroupRecord& group,
                           bool may_read);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_SITUATION_H_
