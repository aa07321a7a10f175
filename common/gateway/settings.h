#ifndef MANSIO_COMMON_GATEWAY_SETTINGS_H_
#define MANSIO_COMMON_GATEWAY_SETTINGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/directory.h"
#include "common/gateway/gateway.h"

namespace apache::rocketmq::v2 {
class RetryPolicy;
class Settings;
}  // namespace apache::rocketmq::v2

// Settings that clients send over their telemetry stream (RocketMQ 5 API). Pure functions,
// thread-safe.
namespace mansio::gateway {

// What is wrong with a client's settings:
//  - NOT_IMPLEMENTED, naming it: a client type or filter type that is not served;
//  - UNRECOGNIZED_CLIENT_TYPE: a client type that the protocol does not know;
//  - BAD_REQUEST: neither publishing nor subscription, or too many topics;
//  - ILLEGAL_TOPIC, ILLEGAL_CONSUMER_GROUP, INVALID_CLIENT_PROPERTIES.
// A producer without topics is legal (C++ starts so). Whether topics and groups exist is not asked.
absl::Status ValidateSettings(const apache::rocketmq::v2::Settings& settings);

// Who valid settings describe. Publishing or subscription decides, the client type adds the kind of
// consumer.
ClientRole RoleOf(const apache::rocketmq::v2::Settings& settings);
std::string GroupOf(const apache::rocketmq::v2::Settings& settings);  // "" for producers
std::vector<std::string> TopicsOf(
    const apache::rocketmq::v2::Settings& settings);  // sorted, each once

// Turns what the client sent into what it is answered: everything is echoed (names with their
// namespaces: C++ adopts what comes back) but the fields that the server decides. `policy` is that
// of the consumer's group and is not looked at for a producer.
void MergeSettings(const GatewayOptions& options, const GroupPolicy& policy,
                   apache::rocketmq::v2::Settings* settings);

// The retry policy that consumers of a group are told. (Python's consumers accept nothing but the
// customised form, in whole seconds, which is the default.)
apache::rocketmq::v2::RetryPolicy ConsumerBackoff(const GroupPolicy& policy);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_SETTINGS_H_
