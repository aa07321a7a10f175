#include "common/gateway/call_target.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/wire_scan.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;

const OwnedMethod& Method(std::string_view name) {
  for (const OwnedMethod& method : kOwnedMethods) {
    if (method.name == name) return method;
  }
  ADD_FAILURE() << name;
  return kOwnedMethods.front();
}

template <typename Request>
CallTarget Target(std::string_view method, const Request& request) {
  static std::string bytes;  // the target has views into it
  bytes = request.SerializeAsString();
  return TargetOf(Method(method), bytes);
}

template <typename Request>
void ExpectQueueOf(std::string_view method) {
  Request request;
  request.mutable_message_queue()->mutable_topic()->set_name("orders");
  request.mutable_message_queue()->mutable_broker()->set_name("b");
  const CallTarget target = Target(method, request);
  EXPECT_EQ(target.broker, "b") << method;
  EXPECT_EQ(target.topic, "orders") << method;
}

TEST(CallTargetTest, AQueueNamesItsBroker) {
  ExpectQueueOf<v2::ReceiveMessageRequest>("ReceiveMessage");
  ExpectQueueOf<v2::PullMessageRequest>("PullMessage");
  ExpectQueueOf<v2::UpdateOffsetRequest>("UpdateOffset");
  ExpectQueueOf<v2::GetOffsetRequest>("GetOffset");
  ExpectQueueOf<v2::QueryOffsetRequest>("QueryOffset");
}

TEST(CallTargetTest, AHandleNamesItsBroker) {
  const auto expect = [](std::string_view method, auto request, auto set) {
    request.mutable_topic()->set_name("orders");
    set(request, HandleOf("broker-1"));
    const CallTarget target = Target(method, request);
    EXPECT_EQ(target.broker, "broker-1") << method;
    EXPECT_EQ(target.topic, "orders") << method;
  };
  const auto receipt = [](auto& request, const std::string& handle) {
    request.set_receipt_handle(handle);
  };
  expect("ForwardMessageToDeadLetterQueue", v2::ForwardMessageToDeadLetterQueueRequest(), receipt);
  expect("ChangeInvisibleDuration", v2::ChangeInvisibleDurationRequest(), receipt);
  expect("EndTransaction", v2::EndTransactionRequest(),
         [](auto& request, const std::string& id) { request.set_transaction_id(id); });
  expect("RecallMessage", v2::RecallMessageRequest(),
         [](auto& request, const std::string& handle) { request.set_recall_handle(handle); });
}

TEST(CallTargetTest, EachEntryOfAnAckNamesItsBroker) {
  v2::AckMessageRequest request;
  request.mutable_topic()->set_name("orders");
  request.add_entries()->set_receipt_handle(HandleOf("a"));
  request.add_entries()->set_receipt_handle("garbage!");
  request.add_entries()->set_receipt_handle(HandleOf("b"));
  EXPECT_EQ(BrokersOfAck(request.SerializeAsString()), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(Target("AckMessage", request).topic, "orders");
}

TEST(CallTargetTest, ASendSaysItsTopicAndMessageGroup) {
  v2::SendMessageRequest request;
  v2::Message* message = request.add_messages();
  message->mutable_topic()->set_resource_namespace("ns");
  message->mutable_topic()->set_name("orders");
  message->mutable_system_properties()->set_message_type(v2::NORMAL);
  message->mutable_system_properties()->set_message_group("customer");
  *request.add_messages() = *message;
  request.mutable_messages(1)->mutable_topic()->set_name("other");
  request.mutable_messages(1)->mutable_system_properties()->clear_message_group();
  CallTarget target = Target("SendMessage", request);
  EXPECT_EQ(target.topic, "orders");
  EXPECT_EQ(target.message_group, "customer");
  EXPECT_EQ(target.broker, "");
  EXPECT_FALSE(target.transaction);
  const std::string bytes = request.SerializeAsString();
  EXPECT_EQ(MessageGroupsOf(Method("SendMessage"), bytes),
            (std::vector<std::string_view>{"customer", ""}));
  EXPECT_TRUE(MessageGroupsOf(Method("AckMessage"), bytes).empty());
  request.mutable_messages(0)->mutable_system_properties()->set_message_type(v2::TRANSACTION);
  EXPECT_TRUE(Target("SendMessage", request).transaction);
}

TEST(CallTargetTest, ABatchSaysTheFirstMessageGroupThatItHas) {
  v2::SendMessageRequest request;
  for (const char* group : {"", "", "second", "third"}) {
    v2::SystemProperties* system = request.add_messages()->mutable_system_properties();
    system->set_message_type(v2::NORMAL);
    if (*group != '\0') system->set_message_group(group);
  }
  request.mutable_messages(0)->mutable_topic()->set_name("orders");
  request.mutable_messages(1)->mutable_topic()->set_name("other");
  request.mutable_messages(1)->mutable_system_properties()->set_message_type(v2::TRANSACTION);
  const CallTarget target = Target("SendMessage", request);
  EXPECT_EQ(target.message_group, "second");
  EXPECT_EQ(target.topic, "orders");
  EXPECT_FALSE(target.transaction);
}

TEST(CallTargetTest, GarbageNamesNobody) {
  EXPECT_EQ(BrokerOfHandle(""), "");
  EXPECT_EQ(BrokerOfHandle("AB"), "");
  EXPECT_EQ(BrokerOfHandle("no base64 at all"), "");
  EXPECT_EQ(BrokerOfHandle(HandleOf(std::string(127, 'x'))), std::string(127, 'x'));
  std::string cut;
  absl::WebSafeBase64Escape(absl::string_view("\x01\x20short", 7), &cut);
  EXPECT_EQ(BrokerOfHandle(cut), "") << "shorter than it says";
  EXPECT_EQ(BrokerOfHandle(HandleOf("a\nb")), "") << "no name of a broker";
  for (const OwnedMethod& method : kOwnedMethods) {
    for (const std::string_view bytes : {"", "\xff\xff\xff", "\x0a\x7f", "\x12\x05\x22\x03\x0a"}) {
      EXPECT_EQ(TargetOf(method, bytes).broker, "") << method.name;
    }
  }
}

TEST(WireScanTest, StepsOverEveryWireType) {
  // Fields 1 (varint 300), 2 (fixed64), 3 (fixed32), 4 ("ab"), and 4 again ("c").
  const std::string bytes(
      "\x08\xac\x02\x11\1\2\3\4\5\6\7\x08\x1d\1\2\3\4\x22\x02"
      "ab\x22\x01"
      "c",
      25);
  WireScan scan(bytes);
  ASSERT_TRUE(scan.Next());
  EXPECT_EQ(scan.field(), 1u);
  EXPECT_EQ(scan.varint(), 300u);
  ASSERT_TRUE(scan.Next());
  ASSERT_TRUE(scan.Next());
  EXPECT_EQ(scan.field(), 3u);
  ASSERT_TRUE(scan.Next());
  EXPECT_EQ(scan.bytes(), "ab");
  ASSERT_TRUE(scan.Next());
  EXPECT_FALSE(scan.Next());
  EXPECT_EQ(BytesAt(bytes, {4}), "c") << "the last one counts";
  EXPECT_EQ(BytesAt(bytes, {5, 1}), "");
}

TEST(WireScanTest, StepsOverGroups) {
  // Field 10 is a group with a nested one and "ab"; then field 1 (varint 7).
  const std::string bytes(
      "\x53\x0b\x08\x01\x0c\x22\x02"
      "ab\x54\x08\x07",
      12);
  WireScan scan(bytes);
  ASSERT_TRUE(scan.Next());
  EXPECT_EQ(scan.field(), 10u);
  EXPECT_FALSE(scan.has_bytes());
  EXPECT_EQ(scan.bytes(), "");
  ASSERT_TRUE(scan.Next());
  EXPECT_EQ(scan.varint(), 7u);
  EXPECT_FALSE(scan.Next());
  EXPECT_FALSE(WireScan("\x53\x08\x01").Next()) << "a group without an end";
  EXPECT_FALSE(WireScan("\x54").Next()) << "an end without a group";
  EXPECT_FALSE(WireScan(std::string(200, '\x0b') + std::string(200, '\x0c')).Next());
}

}  // namespace
}  // namespace mansio::gateway
