#ifndef MANSIO_COMMON_GATEWAY_DIRECTORY_H_
#define MANSIO_COMMON_GATEWAY_DIRECTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/backoff/backoff.h"

// What a node knows of the cluster's topics and groups. The broker answers from its own tables, the
// nameserver from the registrations; the gateway cannot tell (design section 2).
namespace mansio::gateway {

struct HostPort {
  std::string host;
  int port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// The queues of a topic on one broker.
struct BrokerQueues {
  std::string broker;               // broker name, never empty
  int32_t broker_id = 0;            // 0: master
  std::vector<HostPort> endpoints;  // advertised; at least one
  int32_t queues = 0;               // ids 0..queues-1, all readable
  bool writable = true;             // false: it is being drained
};

// A broker of the cluster, and where it listens.
struct Master {
  std::string broker;
  HostPort address;
};

struct TopicRoute {
  int message_type = 1;               // v2.MessageType of the topic, unless it is
  bool mixed = false;                 // for NORMAL, FIFO, DELAY and TRANSACTION messages
  std::vector<BrokerQueues> brokers;  // ordered by broker name: stable between calls; never empty
};

// How a group consumes; what settings tell its clients (RocketMQ 5 API).
struct GroupPolicy {
  bool fifo = false;
  int32_t max_attempts = 17;
  Backoff backoff = Backoff::Default();
};

class Directory {
 public:
  virtual ~Directory() = default;
  // The route of a topic that can be used now. TOPIC_NOT_FOUND (wire status) with a sentence
  // otherwise; Unavailable while it may exist all the same.
  virtual absl::StatusOr<TopicRoute> Route(std::string_view topic) const = 0;
  // The policy of a group; the defaults for one that is not known.
  virtual GroupPolicy Group(std::string_view group) const = 0;
  // Unavailable while a group that is not known may exist, so that its policy would be wrong.
  virtual absl::Status CheckGroup(std::string_view) const { return absl::OkStatus(); }

  // The name of the broker that this node is; "" for a nameserver.
  virtual std::string_view Self() const { return {}; }
  // The broker whose commands are answered here: this one. A slave, which is no broker by itself,
  // answers for its group while the master of that is away; else "".
  virtual std::string_view StandsFor() const { return Self(); }
  // Whether this node takes sends to the topic, so that they are served here. Also for a
  // topic that will be created here when it is used, if no other broker has it. Hot.
  virtual bool Stores(std::string_view) const { return false; }
  // Whether this node has the topic, whether or not it takes sends.
  virtual bool Has(std::string_view) const { return false; }
  // The names of the other brokers that have a topic. Changes nothing, unlike Route.
  virtual std::vector<std::string> OthersWith(std::string_view topic) const = 0;
  // The same for a consumer group.
  virtual std::vector<std::string> OthersWithGroup(std::string_view) const { return {}; }
  // The brokers that the message groups of a topic are divided between; empty where they are not.
  virtual std::vector<std::string> Sharing(std::string_view) const { return {}; }
  // The name of the broker that stores a message group of the topic; "" where message groups are
  // not divided between brokers, so that any broker that has the topic does.
  virtual std::string GroupOwner(std::string_view, std::string_view) const { return {}; }
  // Every broker that takes changes, by name, this node included where it is one.
  virtual std::vector<Master> Masters() const { return {}; }
  // The names of the broker groups that have members here, but no master at present.
  virtual std::vector<std::string> WithoutMaster() const { return {}; }
  // Where the master of a broker listens; nullopt for a name that is not known, or a broker that
  // was lost.
  virtual std::optional<HostPort> MasterOf(std::string_view broker) const = 0;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_DIRECTORY_H_
