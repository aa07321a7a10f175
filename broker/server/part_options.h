#ifndef MANSIO_BROKER_SERVER_PART_OPTIONS_H_
#define MANSIO_BROKER_SERVER_PART_OPTIONS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/consumption/consumption.h"
#include "broker/delay/delay.h"
#include "broker/metrics/broker_metrics.h"
#include "broker/offsets/offsets.h"
#include "broker/registration/registration_client.h"
#include "broker/send/send_service.h"
#include "broker/server/broker_config.h"
#include "broker/server/local_directory.h"
#include "broker/transaction/transactions.h"
#include "common/rpc/server.h"

// What the parts of a broker are made with, from its configuration. Pure functions, thread-safe.
// `advertised`: where clients reach this broker.
namespace mansio::broker {

rpc::ServerOptions ServerOptionsOf(const BrokerConfig& config);
SendOptions SendOptionsOf(const BrokerConfig& config);
DelayOptions DelayOptionsOf(const BrokerConfig& config);
ConsumptionOptions ConsumptionOptionsOf(const BrokerConfig& config, const HostPort& advertised);
OffsetsOptions OffsetsOptionsOf(const BrokerConfig& config, const HostPort& advertised);
TransactionOptions TransactionOptionsOf(const BrokerConfig& config, const HostPort& advertised);
std::vector<std::string> NameserversOf(const BrokerConfig& config);
MetricLimits MetricLimitsOf(const BrokerConfig& config);
RegistrationOptions RegistrationOptionsOf(const BrokerConfig& config,
                                          const std::string& cluster_secret);
// Without what depends on the other members of the group.
LocalDirectory::Options DirectoryOptionsOf(const BrokerConfig& config, const HostPort& advertised);
// How this node names itself to other nodes.
std::string NodeOf(const BrokerConfig& config);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_PART_OPTIONS_H_
