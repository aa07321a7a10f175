#ifndef MANSIO_CLIENT_LIB_WIRE_H_
#define MANSIO_CLIENT_LIB_WIRE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "client/lib/message.h"
#include "client/lib/routes.h"

// Between this library's values and the public protocol's messages. Pure functions, thread-safe.
namespace mansio::client {

// Parses ClientOptions::endpoint. kInvalidArgument, naming the text, when it is malformed.
absl::Status ParseEndpoints(std::string_view text, apache::rocketmq::v2::Endpoints* out);

// The inverse, for the addresses in a route.
std::string EndpointsText(const apache::rocketmq::v2::Endpoints& endpoints);

// One queue of a route. Queues of slaves (broker id other than 0) are neither readable nor
// writable.
RouteQueue ToRouteQueue(const apache::rocketmq::v2::MessageQueue& queue);

// Fills everything that a producer sets (RocketMQ 5 API). `message.message_id` must be
// set.
void EncodeMessage(const Message& message, apache::rocketmq::v2::Message* out);

// Takes a received message apart, checks the digest and decompresses the body.
ReceivedMessage DecodeMessage(apache::rocketmq::v2::Message&& message, std::string endpoint);

// Writes a duration as seconds and nanoseconds.
void SetDuration(absl::Duration from, google::protobuf::Duration* to);

// Language, version, platform and host name of this client.
apache::rocketmq::v2::UA UserAgent();

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_WIRE_H_
