#ifndef MANSIO_COMMON_GATEWAY_CALL_TARGET_H_
#define MANSIO_COMMON_GATEWAY_CALL_TARGET_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/gateway/public_service.h"

// Whom a call of the public API is for (design section 2). Pure functions, thread-safe.
namespace mansio::gateway {

// The methods that one broker must serve, and how a request names it.
struct OwnedMethod {
  enum class Names { kNobody, kQueue, kHandle, kHandles };

  std::string_view name;
  Names by = Names::kNobody;
  uint32_t field = 0;  // of the queue or the handle
  uint32_t topic_field = 0;
  Shape shape = Shape::kUnary;
  bool hot = false;
};

inline constexpr std::array<OwnedMethod, 11> kOwnedMethods = {{
    {"SendMessage", OwnedMethod::Names::kNobody, 0, 0, Shape::kUnary, true},
    {"ReceiveMessage", OwnedMethod::Names::kQueue, 2, 0, Shape::kServerStream},
    {"PullMessage", OwnedMethod::Names::kQueue, 2, 0, Shape::kServerStream},
    {"UpdateOffset", OwnedMethod::Names::kQueue, 2},
    {"GetOffset", OwnedMethod::Names::kQueue, 2},
    {"QueryOffset", OwnedMethod::Names::kQueue, 1},
    {"AckMessage", OwnedMethod::Names::kHandles, 3, 2, Shape::kUnary, true},
    {"ForwardMessageToDeadLetterQueue", OwnedMethod::Names::kHandle, 3, 2},
    {"ChangeInvisibleDuration", OwnedMethod::Names::kHandle, 3, 2},
    {"EndTransaction", OwnedMethod::Names::kHandle, 3, 1},
    {"RecallMessage", OwnedMethod::Names::kHandle, 2, 1},
}};

// What a request says. Views into it, but for the broker.
struct CallTarget {
  std::string broker;              // "" where it names none, or its handle is none
  std::string_view topic;          // of the first message
  std::string_view message_group;  // of the first message that has one
  bool transaction = false;        // a send of a TRANSACTION message
};
CallTarget TargetOf(const OwnedMethod& method, std::string_view request);

// The broker of each entry of an ack, in their order.
std::vector<std::string> BrokersOfAck(std::string_view request);
// The message groups of a send, in the order of its messages; "" for a message without one. Empty
// for other methods.
std::vector<std::string_view> MessageGroupsOf(const OwnedMethod& method, std::string_view request);

// The broker that a receipt handle, transaction id or recall handle names, unchecked; "" for other
// text. They all begin with one byte for their kind and the name (docs/design.md).
std::string BrokerOfHandle(std::string_view handle);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CALL_TARGET_H_
