#ifndef MANSIO_CLIENT_LIB_RPC_H_
#define MANSIO_CLIENT_LIB_RPC_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/lib/transport.h"
#include "google/protobuf/message_lite.h"

// Calls with protobuf messages on top of transport.h. Thread-safe.
namespace mansio::client {

// The methods of apache.rocketmq.v2.MessagingService.
namespace method {
inline constexpr char kQueryRoute[] = "/apache.rocketmq.v2.MessagingService/QueryRoute";
inline constexpr char kHeartbeat[] = "/apache.rocketmq.v2.MessagingService/Heartbeat";
inline constexpr char kSendMessage[] = "/apache.rocketmq.v2.MessagingService/SendMessage";
inline constexpr char kReceiveMessage[] = "/apache.rocketmq.v2.MessagingService/ReceiveMessage";
inline constexpr char kPullMessage[] = "/apache.rocketmq.v2.MessagingService/PullMessage";
inline constexpr char kGetOffset[] = "/apache.rocketmq.v2.MessagingService/GetOffset";
inline constexpr char kUpdateOffset[] = "/apache.rocketmq.v2.MessagingService/UpdateOffset";
inline constexpr char kQueryOffset[] = "/apache.rocketmq.v2.MessagingService/QueryOffset";
inline constexpr char kAckMessage[] = "/apache.rocketmq.v2.MessagingService/AckMessage";
inline constexpr char kEndTransaction[] = "/apache.rocketmq.v2.MessagingService/EndTransaction";
inline constexpr char kRecallMessage[] = "/apache.rocketmq.v2.MessagingService/RecallMessage";
inline constexpr char kTelemetry[] = "/apache.rocketmq.v2.MessagingService/Telemetry";
inline constexpr char kNotifyClientTermination[] =
    "/apache.rocketmq.v2.MessagingService/NotifyClientTermination";
inline constexpr char kChangeInvisibleDuration[] =
    "/apache.rocketmq.v2.MessagingService/ChangeInvisibleDuration";
}  // namespace method

// Sends `request`; `done` runs once on an rpc thread, with OK when `response` was filled. It says
// nothing about the status inside the response.
void CallAsync(Connection& connection, const char* method,
               const google::protobuf::MessageLite& request,
               std::shared_ptr<google::protobuf::MessageLite> response, absl::Duration timeout,
               absl::AnyInvocable<void(absl::Status)> done);

// The same, waiting for the answer. Not from an rpc thread.
absl::Status Call(Connection& connection, const char* method,
                  const google::protobuf::MessageLite& request,
                  google::protobuf::MessageLite* response, absl::Duration timeout);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_RPC_H_
