#ifndef MANSIO_BROKER_SERVER_CLUSTER_NODE_H_
#define MANSIO_BROKER_SERVER_CLUSTER_NODE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "broker/placement/drain_watch.h"
#include "broker/registration/cluster_view.h"
#include "broker/registration/cluster_watch.h"
#include "broker/registration/registration_client.h"
#include "broker/server/broker_config.h"
#include "broker/server/groups_elsewhere.h"
#include "broker/server/local_directory.h"
#include "broker/server/local_registration.h"
#include "common/gateway/admin_gateway.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/forwarder.h"
#include "common/gateway/gateway.h"
#include "common/gateway/relay_service.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/call.h"
#include "common/rpc/client.h"
#include "common/timer/timer_queue.h"
#include "store/store.h"

namespace mansio::broker {

// The broker as a node of its cluster: an access point for all clients, who are told where topics
// are and whose calls go on to the brokers that must serve them; known to the nameservers, and told
// by them of the others. Thread-safe.
class ClusterNode {
 public:
  // All borrowed.
  struct Environment {
    const Clock* clock = nullptr;
    Metadata* metadata = nullptr;
    Consumption* consumption = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    gateway::SendHolds* holds = nullptr;
    // Told of clients' life; null on a slave, whose clients are its master's business.
    gateway::ClientObserver* observer = nullptr;
  };
  // `cluster_secret`: empty: none. `directory`: what the other members of the group make of it.
  ClusterNode(const BrokerConfig& config, const std::string& cluster_secret,
              LocalDirectory::Options directory, Environment environment);

  // Of the others, without gRPC in sight. As long as this object; ends with Stop.
  rpc::Client* peers() { return peers_.get(); }

  // The store is open; borrowed. `identity`: of this broker, from any thread. `has_past`: there are
  // topics or groups in it. Once.
  void Attach(const store::Store* store, std::function<v1::BrokerIdentity()> identity,
              bool has_past);
  // Puts itself in front of the `methods` that one broker must serve.
  void InstallForwarder(rpc::MethodTable& methods) { forwarder_.Install(methods); }
  // The methods that every node serves.
  void Register(rpc::MethodTable& methods);
  // Has all commands in `methods` asked of all brokers.
  void InstallAdminGateway(rpc::MethodTable& methods) { admin_gateway_.Install(methods); }

  // From now on clients find this broker, also through others.
  void Appear();
  // Each second, on the timers' thread.
  void KeepHouse();
  // One for each nameserver.
  std::vector<RegistrationState> Registrations() const { return registration_.States(); }

  // Nobody finds it any more, and nothing is asked of others or waits for them. Idempotent.
  void Leave();
  // After the server has shut down.
  void Stop() { timers_.Stop(); }

 private:
  const std::string cluster_secret_;
  const bool has_nameservers_;
  gateway::SendHolds* const holds_;
  ClusterView others_;
  GroupsElsewhere groups_elsewhere_;
  LocalDirectory directory_;
  const std::unique_ptr<rpc::Client> peers_;
  // What has to be told other nodes can be much: clients' timers do not wait for it.
  TimerQueue timers_;
  gateway::ClientRelay relay_;
  gateway::RelayService relayed_;
  gateway::Gateway gateway_;
  gateway::Forwarder forwarder_;
  gateway::AdminGateway admin_gateway_;
  LocalRegistration registered_;
  DrainWatch drains_;
  RegistrationClient registration_;
  ClusterWatch watch_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_CLUSTER_NODE_H_
