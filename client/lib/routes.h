#ifndef MANSIO_CLIENT_LIB_ROUTES_H_
#define MANSIO_CLIENT_LIB_ROUTES_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Which queue a request goes to. Pure functions of a route (RocketMQ 5 API).
namespace mansio::client {

// One queue of a topic.
struct RouteQueue {
  std::string broker;    // its name; unique in a cluster
  std::string endpoint;  // of the broker, in the form of ClientOptions::endpoint
  int queue_id = 0;
  bool readable = false;
  bool writable = false;
};

// The queues of the master brokers that have a topic, in the server's order.
using Route = std::vector<RouteQueue>;

// True when a broker at `endpoint` failed lately.
using IsIsolated = std::function<bool(const std::string& endpoint)>;

// Where to try a send, best first: one writable queue for each broker, at most `max` brokers,
// starting at queue number `start` (callers count it up, so that sends go around). Isolated brokers
// come last rather than never: when all are isolated, one may have recovered. Empty: no queue is
// writable.
std::vector<RouteQueue> SendCandidates(const Route& route, size_t start, size_t max,
                                       const IsIsolated& isolated);

// The queue for a message group: SipHash-2-4 of the name modulo the number of writable queues, as
// in the Java, Go, Node.js and Rust SDKs, so that all of them send a group to the same broker. Null
// when no queue is writable; the pointer is into `route`.
const RouteQueue* QueueForGroup(const Route& route, std::string_view message_group);

// The number of brokers that have a readable queue.
size_t ReadableBrokers(const Route& route);

// Where receive number `turn` goes: the brokers in turn, since a broker gives messages from any of
// its queues, and within a broker its queues in turn. Null when no queue is readable.
const RouteQueue* ReceiveQueue(const Route& route, size_t turn);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_ROUTES_H_
