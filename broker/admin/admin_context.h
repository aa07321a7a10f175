#ifndef MANSIO_BROKER_ADMIN_ADMIN_CONTEXT_H_
#define MANSIO_BROKER_ADMIN_ADMIN_CONTEXT_H_

#include <cstdint>
#include <string>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "store/store.h"

namespace mansio::gateway {
class SendHolds;
}

namespace mansio::broker {

// What the parts of the administration work on. All borrowed, and complete before the first call.
struct AdminContext {
  std::string broker_name;
  uint32_t default_queues = 8;
  Metadata* metadata = nullptr;
  Consumption* consumption = nullptr;
  gateway::ClientRegistry* clients = nullptr;
  gateway::SendHolds* holds = nullptr;
  store::Store* store = nullptr;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_ADMIN_CONTEXT_H_
