#include "common/gateway/call_target.h"

#include "absl/strings/escaping.h"
#include "common/gateway/wire_scan.h"
#include "common/names/names.h"

namespace mansio::gateway {

namespace {

// Field numbers of apache/rocketmq/v2 (RocketMQ 5 API).
constexpr uint32_t kMessages = 1;          // SendMessageRequest
constexpr uint32_t kSystemProperties = 3;  // Message
constexpr uint32_t kMessageType = 6;       // SystemProperties
constexpr uint32_t kMessageGroup = 17;
constexpr uint32_t kResourceName = 2;
constexpr uint64_t kTransaction = 4;  // MessageType

// As many characters as decode into kind, length and the longest name.
constexpr size_t kHandlePrefix = (2 + names::kMaxNodeNameLength + 2) / 3 * 4;

// Goes on behind the first message only where that has no message group: a batch may have messages
// with and without.
void ReadSend(std::string_view request, CallTarget& target) {
  bool first = true;
  for (WireScan scan(request); target.message_group.empty() && scan.Next();) {
    if (scan.field() != kMessages) continue;
    if (first) target.topic = BytesAt(scan.bytes(), {1, kResourceName});
    for (WireScan system(BytesAt(scan.bytes(), {kSystemProperties})); system.Next();) {
      if (system.field() == kMessageGroup) target.message_group = system.bytes();
      if (first && system.field() == kMessageType) {
        target.transaction = system.varint() == kTransaction;
      }
    }
    first = false;
  }
}

}  // namespace

std::string BrokerOfHandle(std::string_view handle) {
  std::string bytes;
  const std::string_view prefix = handle.substr(0, kHandlePrefix);
  if (!absl::WebSafeBase64Unescape(absl::string_view(prefix.data(), prefix.size()), &bytes) ||
      bytes.size() < 2) {
    return {};
  }
  const auto size = static_cast<uint8_t>(bytes[1]);  // one byte: names are shorter than 128
  if (size > names::kMaxNodeNameLength || bytes.size() < 2u + size) return {};
  std::string name = bytes.substr(2, size);
  return names::ValidateNodeName("", name).ok() ? name : std::string();
}

CallTarget TargetOf(const OwnedMethod& method, std::string_view request) {
  CallTarget target;
  switch (method.by) {
    case OwnedMethod::Names::kNobody:
      ReadSend(request, target);
      break;
    case OwnedMethod::Names::kQueue: {
      const std::string_view queue = BytesAt(request, {method.field});
      target.topic = BytesAt(queue, {1, kResourceName});
      target.broker = BytesAt(queue, {4, 1});
      break;
    }
    case OwnedMethod::Names::kHandle:
      target.topic = BytesAt(request, {method.topic_field, kResourceName});
      target.broker = BrokerOfHandle(BytesAt(request, {method.field}));
      break;
    case OwnedMethod::Names::kHandles:
      target.topic = BytesAt(request, {method.topic_field, kResourceName});
      target.broker = BrokerOfHandle(BytesAt(request, {method.field, 2}));
      break;
  }
  return target;
}

std::vector<std::string> BrokersOfAck(std::string_view request) {
  std::vector<std::string> brokers;
  for (WireScan scan(request); scan.Next();) {
    if (scan.field() == 3 && scan.has_bytes())
      brokers.push_back(BrokerOfHandle(BytesAt(scan.bytes(), {2})));
  }
  return brokers;
}

std::vector<std::string_view> MessageGroupsOf(const OwnedMethod& method, std::string_view request) {
  std::vector<std::string_view> groups;
  if (method.by != OwnedMethod::Names::kNobody) return groups;
  for (WireScan scan(request); scan.Next();) {
    if (scan.field() != kMessages) continue;
    groups.push_back(BytesAt(scan.bytes(), {kSystemProperties, kMessageGroup}));
  }
  return groups;
}

}  // namespace mansio::gateway
