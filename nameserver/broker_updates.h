#ifndef MANSIO_NAMESERVER_BROKER_UPDATES_H_
#define MANSIO_NAMESERVER_BROKER_UPDATES_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/gateway/cluster_table.h"
#include "mansio/v1/registration.pb.h"

namespace mansio::nameserver {

// A BrokerUpdate of mansio/v1/registration.proto, as an element of a ClusterUpdate's `brokers` has
// it: encoded once, and shared by all who are told.
using UpdateBytes = std::shared_ptr<const std::string>;

// Each function below returns at least one update; what is large comes in several of about 256 KiB
// at most, which must be told in their order and without others of the same broker between.
// Thread-safe.

// A broker as a whole.
std::vector<UpdateBytes> EncodeWhole(const gateway::ClusterTable::Member& member);
// The topics and groups that the two functions choose by name, as the broker has them now; those
// that it does not have, as deleted. Each function calls what it is given with every name.
using Names = std::function<void(const std::function<void(const std::string&)>&)>;
std::vector<UpdateBytes> EncodeChanges(const gateway::ClusterTable::Member& member,
                                       const Names& topics, const Names& groups);
// A broker that has left.
UpdateBytes EncodeLeft(const gateway::ClusterTable::Key& broker);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_BROKER_UPDATES_H_
