#ifndef MANSIO_COMMON_GATEWAY_PUBLIC_SERVICE_H_
#define MANSIO_COMMON_GATEWAY_PUBLIC_SERVICE_H_

#include <array>
#include <string>
#include <string_view>

// Every method of the public services (RocketMQ 5 API), for whoever registers, refuses or
// tests them.
namespace mansio::gateway {

enum class Shape { kUnary, kServerStream, kBidi };

struct PublicMethod {
  std::string_view service;  // full name of the service
  std::string_view name;     // "SendMessage"
  Shape shape = Shape::kUnary;

  // What calls carry: "/apache.rocketmq.v2.MessagingService/SendMessage".
  std::string Path() const { return std::string("/").append(service).append("/").append(name); }
};

inline constexpr std::string_view kMessagingService = "apache.rocketmq.v2.MessagingService";
inline constexpr std::string_view kAdminService = "apache.rocketmq.v2.Admin";

inline constexpr std::array<PublicMethod, 33> kPublicMethods = {{
    {kMessagingService, "QueryRoute"},
    {kMessagingService, "Heartbeat"},
    {kMessagingService, "SendMessage"},
    {kMessagingService, "QueryAssignment"},
    {kMessagingService, "ReceiveMessage", Shape::kServerStream},
    {kMessagingService, "AckMessage"},
    {kMessagingService, "ForwardMessageToDeadLetterQueue"},
    {kMessagingService, "PullMessage", Shape::kServerStream},
    {kMessagingService, "UpdateOffset"},
    {kMessagingService, "GetOffset"},
    {kMessagingService, "QueryOffset"},
    {kMessagingService, "EndTransaction"},
    {kMessagingService, "Telemetry", Shape::kBidi},
    {kMessagingService, "NotifyClientTermination"},
    {kMessagingService, "ChangeInvisibleDuration"},
    {kMessagingService, "RecallMessage"},
    {kMessagingService, "SyncLiteSubscription"},
    {kAdminService, "ChangeLogLevel"},
    {kAdminService, "DescribeTopicStatus"},
    {kAdminService, "ListSubscription"},
    {kAdminService, "DescribeSubscription"},
    {kAdminService, "DeleteSubscription"},
    {kAdminService, "DescribeGroupAccumulation"},
    {kAdminService, "ListConsumerConnection"},
    {kAdminService, "ResetGroupOffset"},
    {kAdminService, "QueryMessage"},
    {kAdminService, "PrintThreadStackTrace"},
    {kAdminService, "VerifyMessage"},
    {kAdminService, "AdminSendMessage"},
    {kAdminService, "GetConsumerRunningInfo"},
    {kAdminService, "GetTopicRoute"},
    {kAdminService, "QueryTimeSpan"},
    {kAdminService, "GetProxyRuntimeStats"},
}};

// The path of a method of MessagingService.
inline std::string MessagingPath(std::string_view method) {
  return PublicMethod{kMessagingService, method}.Path();
}

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_PUBLIC_SERVICE_H_
