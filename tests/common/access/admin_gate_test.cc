#include "common/access/admin_gate.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"
#include "common/rpc/testing/fake_call.h"
#include "common/status/wire_status.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::access {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLook[] = "/mansio.v1.Admin/DescribeTopic";
constexpr char kReveal[] = "/mansio.v1.Admin/ListDeadLetters";
constexpr char kChange[] = "/mansio.v1.Admin/DeleteTopic";
constexpr char kStream[] = "/mansio.v1.Admin/ExportDeadLetters";
constexpr char kImport[] = "/mansio.v1.Admin/ImportDeadLetters";
constexpr char kNew[] = "/mansio.v1.Admin/SomethingNew";
constexpr char kPublic[] = "/apache.rocketmq.v2.MessagingService/SendMessage";
constexpr char kRegister[] = "/mansio.v1.Registration/Register";
constexpr char kRelay[] = "/mansio.v1.Relay/Connect";
constexpr char kSecret[] = "0123456789abcdef";

class AdminGateTest : public testing::Test {
 protected:
  void Use(const std::string& allow, const std::string& secret) {
    gate_ = std::make_unique<AdminGate>(AdminGate::Options{*NetworkList::Parse(allow), secret},
                                        &clock_);
    methods_ = {};
    for (const char* path : {kLook, kReveal, kChange, kImport, kNew, kPublic}) {
      methods_.unary.push_back({path, [](rpc::UnaryCall& call) {
                                  v1::DeleteTopicResponse response;
                                  ToWire(absl::OkStatus(), response.mutable_status());
                                  rpc::Reply(call, response);
                                }});
    }
    methods_.server_stream.push_back(
        {kStream, [](rpc::ServerStreamCall& call) { call.Finish({}, [](bool) {}); }});
    for (const char* path : {kRegister, kRelay}) {
      methods_.bidi.push_back({path, [this](std::shared_ptr<rpc::BidiCall>) {
                                 ++streams_;
                                 return nullptr;
                               }});
    }
    gate_->Protect(methods_);
  }

  v2::Code Call(std::string_view path, const std::string& peer, const std::string& proof = "") {
    v1::DeleteTopicRequest request;
    request.set_name("orders");
    rpc::testing::Headers headers;
    if (!proof.empty()) headers.emplace(kProofHeader, proof);
    rpc::testing::FakeUnaryCall call(request.SerializeAsString(), headers);
    call.SetPeer(peer);
    for (const auto& method : methods_.unary) {
      if (method.path == path) method.handler(call);
    }
    EXPECT_EQ(call.times_finished(), 1);
    const auto response = call.Response<v1::DeleteTopicResponse>();
    sentence_ = response.status().message();
    return response.status().code();
  }
  std::string Proof(std::string_view path) { return MakeProof(kSecret, path, clock_.WallNow()); }

  FakeClock clock_;
  std::unique_ptr<AdminGate> gate_;
  rpc::MethodTable methods_;
  std::string sentence_;
  int streams_ = 0;  // of nodes
};

TEST_F(AdminGateTest, StrangersMayLookOnly) {
  Use("", "");
  EXPECT_FALSE(gate_->OpenToOthers());
  EXPECT_EQ(Call(kLook, "198.51.100.1:9"), v2::OK);
  EXPECT_EQ(Call(kPublic, "198.51.100.1:9"), v2::OK);
  for (const char* path : {kReveal, kChange, kNew}) {
    EXPECT_EQ(Call(path, "198.51.100.1:9"), v2::FORBIDDEN) << path;
    EXPECT_THAT(sentence_, HasSubstr("admin.allow"));
    EXPECT_EQ(Call(path, "127.0.0.1:9"), v2::OK) << path;
    EXPECT_EQ(Call(path, "[::1]:9"), v2::OK) << path;
  }
}

TEST_F(AdminGateTest, NetworksThatAreAllowedMayDoEverything) {
  Use("198.51.100.0/24", "");
  EXPECT_TRUE(gate_->OpenToOthers());
  EXPECT_EQ(Call(kChange, "198.51.100.1:9"), v2::OK);
  EXPECT_EQ(Call(kChange, "198.51.101.1:9"), v2::FORBIDDEN);
}

TEST_F(AdminGateTest, WhoProvesToHaveTheSecretMayDoEverything) {
  Use("", kSecret);
  EXPECT_EQ(Call(kChange, "198.51.100.1:9"), v2::FORBIDDEN);
  EXPECT_THAT(sentence_, HasSubstr("does not prove"));
  EXPECT_EQ(Call(kChange, "198.51.100.1:9", Proof(kChange)), v2::OK);
  EXPECT_EQ(Call(kChange, "198.51.100.1:9", Proof(kReveal)), v2::FORBIDDEN);
  EXPECT_EQ(Call(kChange, "127.0.0.1:9"), v2::OK);
}

TEST_F(AdminGateTest, StreamsAreGuardedToo) {
  Use("198.51.100.1", "");
  rpc::testing::FakeServerStreamCall admitted("");
  admitted.SetPeer("198.51.100.1:9");
  methods_.server_stream.front().handler(admitted);
  EXPECT_TRUE(admitted.Elements<v1::DeleteTopicResponse>().empty());
  rpc::testing::FakeServerStreamCall refused("");
  refused.SetPeer("198.51.100.2:9");
  methods_.server_stream.front().handler(refused);
  const auto elements = refused.Elements<v1::DeleteTopicResponse>();
  ASSERT_EQ(elements.size(), 1u);
  EXPECT_EQ(elements.front().status().code(), v2::FORBIDDEN);
}

TEST_F(AdminGateTest, ChangesAreWrittenDownWithWhoWhatAndResult) {
  Use("", "");
  logging::LogCapture log;
  Call(kChange, "127.0.0.1:9");
  Call(kReveal, "127.0.0.1:9");
  Call(kLook, "127.0.0.1:9");
  EXPECT_THAT(
      log.lines(),
      ElementsAre(HasSubstr("audit: 127.0.0.1:9 asked for DeleteTopic {name: \"orders\"}: OK")));
}

TEST_F(AdminGateTest, WhatIsAnsweredIsWrittenDownAlready) {
  class Caller final : public rpc::testing::FakeUnaryCall {
   public:
    using FakeUnaryCall::FakeUnaryCall;
    void Post(absl::AnyInvocable<void()> fn) override { posted = std::move(fn); }
    void Finish(rpc::Payload response) override {
      lines_before = log.lines().size();
      FakeUnaryCall::Finish(std::move(response));
    }
    absl::AnyInvocable<void()> posted;
    size_t lines_before = 0;
    logging::LogCapture log;
  };
  Use("", "");
  v1::DeleteTopicRequest request;
  request.set_name("orders");
  Caller call(request.SerializeAsString());
  call.SetPeer("127.0.0.1:9");
  for (const auto& method : methods_.unary) {
    if (method.path == kChange) method.handler(call);
  }
  ASSERT_NE(call.posted, nullptr);
  EXPECT_FALSE(call.finished()) << "the handler's thread writes no file";
  call.posted();
  EXPECT_TRUE(call.finished());
  EXPECT_EQ(call.lines_before, 1u);
}

TEST_F(AdminGateTest, WhatClientsHaveSentIsNotWrittenDown) {
  Use("", "");
  logging::LogCapture log;
  v1::ImportDeadLettersRequest request;
  request.set_group("workers");
  for (int i = 0; i < 3; ++i) request.add_letters()->mutable_message()->set_body("a secret");
  rpc::testing::FakeUnaryCall call(request.SerializeAsString());
  call.SetPeer("127.0.0.1:9");
  for (const auto& method : methods_.unary) {
    if (method.path == kImport) method.handler(call);
  }
  EXPECT_THAT(log.lines(),
              ElementsAre(HasSubstr("ImportDeadLetters {group: \"workers\" letters: 3}: OK")));
}

TEST_F(AdminGateTest, WhatIsRefusedIsWrittenDown) {
  Use("", "");
  logging::LogCapture log;
  Call(kChange, "198.51.100.1:9");
  Call(kChange, "198.51.100.1:9");  // strangers cannot fill the log
  EXPECT_THAT(log.lines(),
              ElementsAre(HasSubstr("audit: DeleteTopic was refused to 198.51.100.1:9")));
}

TEST_F(AdminGateTest, WithASecretNodesNeedAProofFromEverywhere) {
  const auto open = [this](size_t method, const std::string& proof) {
    rpc::testing::Headers headers;
    if (!proof.empty()) headers.emplace(kProofHeader, proof);
    auto call = std::make_shared<rpc::testing::FakeBidiCall>(headers);
    call->SetPeer("127.0.0.1:9");
    methods_.bidi[method].handler(call);
    return call->status();
  };
  for (size_t method = 0; method < 2; ++method) {
    streams_ = 0;
    Use("", "");
    EXPECT_EQ(open(method, ""), absl::OkStatus());
    EXPECT_EQ(streams_, 1);
    Use("127.0.0.0/8", kSecret);
    EXPECT_EQ(open(method, "").code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(streams_, 1);
    EXPECT_EQ(open(method, Proof(methods_.bidi[method].path)), absl::OkStatus());
    EXPECT_EQ(streams_, 2);
  }
}

// Every method of the service is known to be harmless, or protected; and none lets its caller name
// a file, a command or an address that the server would use.
TEST(AdminApiTest, RequestsNameNoPathCommandOrAddress) {
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("mansio.v1.Admin");
  ASSERT_NE(service, nullptr);
  const std::set<std::string> forbidden = {
      "path",    "file",      "directory", "dir",       "command", "host", "url",
      "address", "addresses", "endpoint",  "endpoints", "port",    "uri"};
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* request = service->method(i)->input_type();
    for (int f = 0; f < request->field_count(); ++f) {
      EXPECT_FALSE(forbidden.contains(request->field(f)->name()))
          << request->name() << "." << request->field(f)->name();
    }
  }
}

}  // namespace
}  // namespace mansio::access
