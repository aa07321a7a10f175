#ifndef MANSIO_NAMESERVER_ADMIN_SERVICE_H_
#define MANSIO_NAMESERVER_ADMIN_SERVICE_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "nameserver/routing_table.h"
#include "nameserver/worker_pool.h"

namespace mansio::nameserver {

// mansio.v1.Admin as a nameserver serves it. Lists come from the routing table. What changes or
// describes a topic or group is passed on to every master at the same time, and each one's result
// is reported; a change is answered when this nameserver's routes show it, so that the next call
// finds it. Thread-safe.
class AdminService {
 public:
  struct Options {
    absl::Duration broker_deadline = absl::Seconds(5);  // for the brokers' answers
    absl::Duration routes_deadline = absl::Seconds(2);  // for their change to arrive in the routes
    // This node's address, asked for with every `cluster list`: it is known once the server
    // listens.
    std::function<std::string()> address;
  };
  // All borrowed; they and this object must outlive the server.
  AdminService(Options options, const RoutingTable* table, WorkerPool* workers)
      : options_(std::move(options)), table_(table), workers_(workers) {}

  void Register(rpc::MethodTable& methods);

 private:
  // Adds a method whose requests are passed on: `serve(request, deadline)` runs on a worker and
  // returns the response.
  template <typename Request, typename Serve>
  void AddPassedOn(rpc::MethodTable& methods, const char* name, Serve serve);

  // The same for a request that names the one broker that it is for.
  template <typename Request, typename BrokerOf>
  void AddPassedToOne(rpc::MethodTable& methods, const char* name, BrokerOf broker_of);

  void RegisterTransactions(rpc::MethodTable& methods);
  void RegisterDeadLetters(rpc::MethodTable& methods);

  const Options options_;
  const RoutingTable* const table_;
  WorkerPool* const workers_;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_ADMIN_SERVICE_H_
