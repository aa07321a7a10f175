#ifndef MANSIO_BROKER_SERVER_ADVERTISE_H_
#define MANSIO_BROKER_SERVER_ADVERTISE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/server/broker_config.h"
#include "common/config/host_port.h"

namespace mansio::broker {

// The address that routes contain: the configured one, or else the listen address, with a wildcard
// replaced by the machine's first address that is not loopback. Asks the system.
absl::StatusOr<HostPort> AdvertisedAddress(const BrokerConfig& config);

// Tries to connect to `address` from here. Unavailable with the reason when that does not work
// within `timeout` (looking up a name may take longer). Blocks.
absl::Status CheckReachable(const HostPort& address, absl::Duration timeout);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_ADVERTISE_H_
