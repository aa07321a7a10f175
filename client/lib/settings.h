#ifndef MANSIO_CLIENT_LIB_SETTINGS_H_
#define MANSIO_CLIENT_LIB_SETTINGS_H_

#include <string>
#include <vector>

#include "client/lib/client_options.h"
#include "client/lib/filter.h"

// The settings that clients announce over telemetry (RocketMQ 5 API), as encoded
// TelemetryCommands. Pure functions, thread-safe.
namespace mansio::client {

struct Subscription {
  std::string topic;
  Filter filter;
};

// Of a producer for `topics`, which may be empty.
std::string ProducerSettings(const ClientOptions& options, const std::vector<std::string>& topics);

// Of a simple consumer.
std::string ConsumerSettings(const ClientOptions& options, const std::string& group,
                             const std::vector<Subscription>& subscriptions);

// Of a pull consumer.
std::string PullConsumerSettings(const ClientOptions& options, const std::string& group);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_SETTINGS_H_
