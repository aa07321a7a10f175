#include "nameserver/nameserver_metrics.h"

#include <string>

namespace mansio::nameserver {
namespace {

using metrics::Metric;

constexpr Metric kMasters{"mansio_nameserver_masters",
                          "Masters that are registered; without one nothing can be sent."};
constexpr Metric kBrokerUp{"mansio_nameserver_broker_up",
                           "1 for each broker that is registered. One that leaves disappears."};
constexpr Metric kBrokerTopics{"mansio_nameserver_broker_topics", "Topics that it registered."};
constexpr Metric kBrokerGroups{"mansio_nameserver_broker_groups",
                               "Consumer groups that it registered."};
constexpr Metric kClients{"mansio_clients", "Clients that are alive, of any kind."};
constexpr Metric kClientsLimit{"mansio_clients_limit", "The limit of it (limits.clients)."};

}  // namespace

void AddNameserver(metrics::Exposition& page, const RoutingTable& table,
                   const gateway::ClientRegistry& clients, size_t clients_limit) {
  page.Add(kMasters, static_cast<double>(table.Masters().size()));
  for (const v1::BrokerOverview& broker : table.Brokers()) {
    const metrics::Labels labels = {
        {"broker_cluster", metrics::ClientText(broker.broker().cluster())},
        {"broker", metrics::ClientText(broker.broker().name())},
        {"broker_id", std::to_string(broker.broker().id())}};
    page.Add(kBrokerUp, labels, 1);
    page.Add(kBrokerTopics, labels, broker.topics());
    page.Add(kBrokerGroups, labels, broker.groups());
  }
  page.Add(kClients, static_cast<double>(clients.size()));
  page.Add(kClientsLimit, static_cast<double>(clients_limit));
}

}  // namespace mansio::nameserver
