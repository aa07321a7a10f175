// What the verbs of `mansio message` print that send and receive: tests/client/golden/messages.txt.
// Ids, which differ each time, are left out.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/golden.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;

class MessageGoldenTest : public CommandHarness {
 protected:
  MessageGoldenTest() {
    node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
      return client::MakeRoute(request.topic().name(), {node_.endpoint()}, 1);
    };
    node_.hooks.send = [](const v2::SendMessageRequest& request) {
      return client::SendSucceeds(request, 5);
    };
    node_.hooks.receive = [](const v2::ReceiveMessageRequest&) {
      std::vector<v2::ReceiveMessageResponse> elements(2);
      *elements[0].mutable_status() = client::MakeStatus(v2::OK, "OK");
      *elements[1].mutable_message() = Stored();
      return elements;
    };
    node_.hooks.query_offset = [](const v2::QueryOffsetRequest& request) {
      v2::QueryOffsetResponse response;
      *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
      response.set_offset(request.query_offset_policy() == v2::END ? 6 : 5);
      return response;
    };
    node_.hooks.pull = [](const v2::PullMessageRequest&) {
      std::vector<v2::PullMessageResponse> elements(3);
      *elements[0].mutable_status() = client::MakeStatus(v2::OK, "OK");
      *elements[1].mutable_message() = Stored();
      elements[2].set_next_offset(6);
      return elements;
    };
    node_.hooks.ack = [](const v2::AckMessageRequest&) {
      v2::AckMessageResponse response;
      *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
      return response;
    };
  }

  static v2::Message Stored() {
    v2::Message message;
    message.set_body("hello");
    message.mutable_topic()->set_name("orders");
    (*message.mutable_user_properties())["amount"] = "17";
    v2::SystemProperties* system = message.mutable_system_properties();
    system->set_message_id("01A2B3");
    system->set_receipt_handle("H");
    system->set_tag("paid");
    system->add_keys("order-17");
    system->set_queue_offset(5);
    system->set_delivery_attempt(2);
    system->mutable_born_timestamp()->set_seconds(1767225590);
    system->mutable_store_timestamp()->set_seconds(1767225600);
    return message;
  }

  // What `mansio ARGUMENTS` prints, with the exit code.
  std::string Output(const std::vector<std::string>& arguments) {
    const int exit = Mansio(arguments);
    return fmt::format("$ mansio {}\n{}(exit code {})\n\n", absl::StrJoin(arguments, " "),
                       WithoutIds(out_ + err_), exit);
  }

  // Each message id, which is another one each time, as "ID".
  static std::string WithoutIds(std::string text) {
    constexpr size_t kIdDigits = 34;
    for (size_t at = text.find("01"); at != std::string::npos; at = text.find("01", at + 1)) {
      const size_t end = std::min(text.find_first_not_of("0123456789ABCDEF", at), text.size());
      if (end - at >= kIdDigits) text.replace(at, kIdDigits, "ID");
    }
    return text;
  }
};

TEST_F(MessageGoldenTest, SendReceiveAndPrint) {
  std::string all;
  const std::vector<std::vector<std::string>> cases = {
      {"message", "send", "orders", "hello", "--tag", "paid"},
      {"message", "send", "orders", "hello", "--delay-level", "3"},
      {"message", "receive", "orders", "--group", "test", "--max", "1"},
      {"message", "receive", "orders", "--group", "test", "--max", "1", "--raw"},
      {"message", "receive", "orders", "--group", "test", "--invisible", "1s"},
      {"message", "print", "orders"},
      {"message", "print", "orders", "--raw"}};
  for (std::vector<std::string> arguments : cases) {
    all += Output(arguments);
    arguments.insert(arguments.end(), {"-o", "json"});
    all += Output(arguments);
  }
  mansio::testing::ExpectGolden("tests/client/golden/messages.txt", all);
}

}  // namespace
}  // namespace mansio::command
