#ifndef MANSIO_NAMESERVER_REGISTRATION_SERVICE_H_
#define MANSIO_NAMESERVER_REGISTRATION_SERVICE_H_

#include <atomic>
#include <cstddef>

#include "common/rpc/call.h"
#include "nameserver/routing_table.h"

namespace mansio::nameserver {

// The nameserver's side of the registration streams (mansio/v1/registration.proto). Every update is
// answered; one that is wrong is answered with what is wrong, and then the stream ends.
// Thread-safe.
class RegistrationService {
 public:
  // A snapshot that comes in parts may hold at most `max_entries` topics and groups. `table` is
  // borrowed and, like this object, must outlive the server.
  RegistrationService(size_t max_entries, RoutingTable* table)
      : max_entries_(max_entries), table_(table) {}

  void Register(rpc::MethodTable& methods);

 private:
  const size_t max_entries_;
  RoutingTable* const table_;
  std::atomic<SessionId> last_session_ = 0;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_REGISTRATION_SERVICE_H_
