#include "broker/promotion/promotion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "common/files/recording_file_system.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

// Members that are slaves of another one, and follow whom they are told to.
class FakeMembers final : public rpc::Client {
 public:
  void CallUnary(rpc::OutgoingCall call, rpc::Payload, UnaryDone done) override {
    const auto member = members.find(call.address);
    if (member == members.end()) return done(absl::UnavailableError("nobody is there"));
    const MemberState& state = member->second;
    if (call.path.ends_with("/FollowMaster")) {
      v1::FollowMasterResponse response;
      ToWire(absl::OkStatus(), response.mutable_status());
      response.set_epoch(static_cast<int64_t>(state.epoch));
      response.set_log_end(static_cast<int64_t>(state.end));
      return done(rpc::Payload(response.SerializeAsString()));
    }
    v1::ListBrokersResponse response;
    ToWire(absl::OkStatus(), response.mutable_status());
    v1::BrokerOverview* const overview = response.add_brokers();
    overview->mutable_broker()->set_cluster("c");
    overview->mutable_broker()->set_name("b");
    overview->mutable_broker()->set_member(state.id);
    overview->mutable_broker()->set_role("slave");
    overview->mutable_broker()->set_epoch(static_cast<int64_t>(state.epoch));
    overview->set_log_end(static_cast<int64_t>(state.end));
    done(rpc::Payload(response.SerializeAsString()));
  }
  std::shared_ptr<rpc::ClientStream> CallServerStream(
      rpc::OutgoingCall, rpc::Payload, std::unique_ptr<rpc::ClientStreamEvents>) override {
    return nullptr;
  }
  std::shared_ptr<rpc::ClientStream> OpenBidi(rpc::OutgoingCall,
                                              std::unique_ptr<rpc::ClientStreamEvents>) override {
    return nullptr;
  }
  void Stop() override {}

  std::map<std::string, MemberState> members;
};

TEST(PromotionTest, AForcedMastersEpochIsBehindAllThatTheAnswersName) {
  RecordingFileSystem disk;
  ASSERT_EQ(MakeDurableDirectory(disk, "data"), absl::OkStatus());
  BrokerConfig config;
  config.id = 3;
  config.store.path = "data";
  config.store.role = store::Role::kSlave;
  config.master = {"10.0.0.1", 8081};
  KeptRole roles(&disk, config);
  FakeMembers peers;
  // It was the master since member 3 was there last.
  peers.members["10.0.0.2:8081"] = {.id = 2, .epoch = 1'000'006, .end = 900};

  PromotionEnvironment environment;
  environment.cluster = "c";
  environment.broker = "b";
  environment.self = {"10.0.0.3", 8081};
  environment.roles = &roles;
  environment.peers = &peers;
  environment.master = config.master;
  environment.state = [] { return MemberState{.id = 3, .epoch = 5, .end = 500}; };
  environment.in_sync = [] { return std::set<BrokerId>({1, 2, 3}); };
  environment.members = [] { return std::vector<v1::BrokerIdentity>(); };
  environment.promoted = [](std::set<BrokerId>) {};
  environment.run_cold = [](absl::AnyInvocable<void()> job) {
    job();
    return true;
  };
  v1::PromoteBrokerRequest request;
  request.set_force(true);
  request.add_others()->set_host("10.0.0.2");
  request.mutable_others(0)->set_port(8081);
  absl::Status promoted = absl::UnknownError("not yet");
  Promote(environment, request,
          [&promoted](const absl::Status& status, const auto&) { promoted = status; });
  ASSERT_EQ(promoted, absl::OkStatus());

  const absl::StatusOr<BrokerConfig> next = roles.Apply(config);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->store.role, store::Role::kMaster);
  EXPECT_EQ(next->store.known_epoch, 1'000'006u);
}

}  // namespace
}  // namespace mansio::broker
