#include "nameserver/admin_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "mansio/v1/admin.pb.h"
#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

using rpc::testing::FakeUnaryCall;

class AdminListsTest : public ::testing::Test {
 protected:
  AdminListsTest() {
    AddAdminLists(
        &table_, [] { return "192.0.2.9:9876"; }, &background_, methods_);
    v1::Snapshot snapshot = SnapshotOf(Identity("a"), {"orders", "payments"});
    *snapshot.add_groups() = Group("billing");
    EXPECT_TRUE(table_.Install(1, snapshot).ok());
    EXPECT_TRUE(table_.Install(2, SnapshotOf(Identity("b", "192.0.2.2"), {"orders"})).ok());
  }
  std::shared_ptr<FakeUnaryCall> Call(const std::string& method) {
    auto call = std::make_shared<FakeUnaryCall>("");
    for (const auto& unary : methods_.unary) {
      if (unary.path == "/mansio.v1.Admin/" + method) unary.handler(*call);
    }
    return call;
  }

  logging::LogCapture log_;
  FakeClock clock_;
  RoutingTable table_{{}, &clock_};
  TimerQueue background_{[this] { return absl::ToInt64Milliseconds(clock_.BootNow()); }};
  rpc::MethodTable methods_;
};

TEST_F(AdminListsTest, WhereNobodyIsMasterItSaysSoInsteadOfListingNothing) {
  table_.Remove(1);
  table_.Remove(2);
  v1::BrokerIdentity slave = Identity("a", "192.0.2.3");
  slave.set_id(2);
  slave.set_role("slave");
  ASSERT_TRUE(table_.Install(3, SnapshotOf(slave, {"orders"})).ok());
  const auto topics = Call("ListTopics");
  const auto groups = Call("ListGroups");
  background_.RunDue();
  for (const auto& status : {topics->Response<v1::ListTopicsResponse>().status(),
                             groups->Response<v1::ListGroupsResponse>().status()}) {
    EXPECT_THAT(status.message(), testing::HasSubstr("has members here, but no master"));
  }
}

TEST_F(AdminListsTest, LongListsAreMadeInTheBackground) {
  const auto topics = Call("ListTopics");
  const auto groups = Call("ListGroups");
  const auto brokers = Call("ListBrokers");
  EXPECT_TRUE(brokers->finished()) << "a short one";
  EXPECT_FALSE(topics->finished()) << "routes would wait for it";
  EXPECT_FALSE(groups->finished());
  background_.RunDue();
  const auto listed = topics->Response<v1::ListTopicsResponse>();
  ASSERT_EQ(listed.topics_size(), 2);
  EXPECT_EQ(listed.topics(0).topic().name(), "orders");
  EXPECT_EQ(listed.topics(0).brokers_size(), 2);
  EXPECT_EQ(listed.topics(1).brokers_size(), 1);
  ASSERT_EQ(groups->Response<v1::ListGroupsResponse>().groups_size(), 1);
}

TEST_F(AdminListsTest, NobodyMakesAListThatNobodyWaitsFor) {
  for (const char* method : {"ListTopics", "ListGroups"}) {
    const auto call = Call(method);
    call->Cancel();
    background_.RunDue();
    EXPECT_EQ(call->status().code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(call->times_finished(), 1);
  }
}

}  // namespace
}  // namespace mansio::nameserver
