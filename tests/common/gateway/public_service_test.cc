#include "common/gateway/public_service.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/admin.pb.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/preamble.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const auto* file : {v2::SendMessageRequest::descriptor()->file(),
                           v2::ChangeLogLevelRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) methods.push_back(service->method(m));
    }
  }
  return methods;
}

Shape ShapeOf(const MethodDescriptor& method) {
  if (method.client_streaming()) return Shape::kBidi;
  return method.server_streaming() ? Shape::kServerStream : Shape::kUnary;
}

TEST(PublicServiceTest, ListsEveryMethodWithItsShape) {
  const std::vector<const MethodDescriptor*> methods = AllMethods();
  ASSERT_EQ(methods.size(), kPublicMethods.size());
  for (const MethodDescriptor* method : methods) {
    const auto* found = std::find_if(kPublicMethods.begin(), kPublicMethods.end(),
                                     [&](const PublicMethod& candidate) {
                                       return candidate.name == method->name() &&
                                              candidate.service == method->service()->full_name();
                                     });
    ASSERT_NE(found, kPublicMethods.end()) << method->full_name();
    EXPECT_EQ(found->shape, ShapeOf(*method)) << method->full_name();
  }
}

TEST(PublicServiceTest, TheStatusOfEveryResponseIsFieldOne) {
  for (const MethodDescriptor* method : AllMethods()) {
    const FieldDescriptor* field = method->output_type()->FindFieldByNumber(1);
    ASSERT_NE(field, nullptr) << method->full_name();
    if (method->name() == "ChangeLogLevel") {
      EXPECT_EQ(field->type(), FieldDescriptor::TYPE_STRING);
    } else {
      ASSERT_EQ(field->type(), FieldDescriptor::TYPE_MESSAGE) << method->full_name();
      EXPECT_EQ(field->message_type(), v2::Status::descriptor()) << method->full_name();
    }
  }
}

class NotServedTest : public ::testing::Test {
 protected:
  NotServedTest() {
    methods_.unary.push_back({MessagingPath("Heartbeat"), [](rpc::UnaryCall&) {}});
    Gateway::RegisterNotServed(methods_, {"SendMessage"}, [](std::string_view method) {
      return fmt::format("{} is served by 192.0.2.1:8081", method);
    });
  }

  rpc::MethodTable methods_;
};

TEST_F(NotServedTest, AddsWhatIsMissingOnly) {
  EXPECT_EQ(methods_.unary.size() + methods_.server_stream.size() + methods_.bidi.size(),
            kPublicMethods.size() - 1);
  EXPECT_EQ(methods_.server_stream.size(), 2u);
  EXPECT_EQ(methods_.bidi.size(), 1u);
}

TEST_F(NotServedTest, EveryUnaryAnswerNamesItsMethod) {
  for (const auto& method : methods_.unary) {
    if (method.path == MessagingPath("Heartbeat")) continue;
    const std::string name = method.path.substr(method.path.rfind('/') + 1);
    const std::string sentence =
        fmt::format("NOT_IMPLEMENTED: {} is served by 192.0.2.1:8081", name);
    rpc::testing::FakeUnaryCall call("");
    method.handler(call);
    ASSERT_EQ(call.times_finished(), 1) << name;
    if (name == "ChangeLogLevel") {
      EXPECT_EQ(call.Response<v2::ChangeLogLevelResponse>().remark(), sentence);
      continue;
    }
    const auto response = call.Response<v2::AckMessageResponse>();
    EXPECT_EQ(response.status().code(), v2::NOT_IMPLEMENTED) << name;
    EXPECT_EQ(response.status().message(), sentence);
  }
}

TEST_F(NotServedTest, AStreamHasOneStatusElement) {
  for (const auto& method : methods_.server_stream) {
    rpc::testing::FakeServerStreamCall call("");
    method.handler(call);
    const auto elements = call.Elements<v2::ReceiveMessageResponse>();
    ASSERT_EQ(elements.size(), 1u);
    EXPECT_EQ(elements[0].status().code(), v2::NOT_IMPLEMENTED);
    EXPECT_TRUE(call.status().ok());
  }
  const auto call = std::make_shared<rpc::testing::FakeBidiCall>();
  const auto events = methods_.bidi[0].handler(call);
  ASSERT_EQ(call->Written<v2::TelemetryCommand>().size(), 1u);
  EXPECT_EQ(call->Written<v2::TelemetryCommand>()[0].status().code(), v2::NOT_IMPLEMENTED);
  EXPECT_TRUE(call->finished());
}

}  // namespace
}  // namespace mansio::gateway
