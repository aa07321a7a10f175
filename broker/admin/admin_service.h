#ifndef MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
#define MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "broker/admin/admin_context.h"
#include "broker/admin/client_admin.h"
#include "broker/admin/group_admin.h"
#include "broker/admin/topic_admin.h"
#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::gateway {
class SendHolds;
}

namespace mansio::broker {

// mansio.v1.Admin for this broker alone: itself, topics, groups and clients, each in a part of its
// own. Creations and deletions are log records and are answered when they are applied; creating
// what is there already, in the same shape, is OK. Thread-safe once SetNode has been called.
class AdminService {
 public:
  struct Options {
    std::string broker_name;
    uint32_t default_queues = 8;
  };
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    Consumption* consumption = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    gateway::SendHolds* holds = nullptr;
  };
  AdminService(Options options, Environment environment);
  AdminService(const AdminService&) = delete;
  AdminService& operator=(const AdminService&) = delete;

  // The store that offsets are read from, and what ListBrokers says of this broker; before the
  // first call. `store_state` is asked on rpc threads and must not block.
  void SetNode(store::Store* store, v1::BrokerIdentity identity,
               std::function<v1::StoreState()> store_state);
  // What ListBrokers says besides of its broker group; before the first call, or never. `complete`
  // gets the answer, which has this broker, and is called on rpc threads.
  void SetGroup(std::function<void(v1::ListBrokersResponse*)> complete) {
    complete_list_ = std::move(complete);
  }
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void ListBrokers(rpc::UnaryCall& call, const v1::ListBrokersRequest& request) const;

  AdminContext context_;
  v1::BrokerIdentity identity_;
  std::function<v1::StoreState()> store_state_;
  std::function<void(v1::ListBrokersResponse*)> complete_list_ = [](v1::ListBrokersResponse*) {};
  TopicAdmin topics_{&context_};
  GroupAdmin groups_{&context_};
  ClientAdmin clients_{&context_};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
