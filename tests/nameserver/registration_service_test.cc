#include "nameserver/registration_service.h"

#include <gtest/gtest.h>

#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/rpc/testing/fake_call.h"
#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::mansio::rpc::testing::FakeBidiCall;

class RegistrationServiceTest : public ::testing::Test {
 protected:
  RegistrationServiceTest() {
    service_.Register(methods_);
    Open();
  }

  void Open() {
    call_ = std::make_shared<FakeBidiCall>();
    events_ = methods_.bidi.at(0).handler(call_);
    sequence_ = 0;
  }
  v1::RegistrationReply Send(v1::RegistrationUpdate update) {
    update.set_sequence(++sequence_);
    events_->OnMessage(update.SerializeAsString());
    return call_->Written<v1::RegistrationReply>().back();
  }
  v1::RegistrationReply Send(const v1::Snapshot& snapshot) {
    v1::RegistrationUpdate update;
    *update.mutable_snapshot() = snapshot;
    return Send(update);
  }
  static v1::RegistrationUpdate KeepAlive() {
    v1::RegistrationUpdate update;
    update.mutable_keep_alive();
    return update;
  }

  logging::LogCapture log_;
  FakeClock clock_;
  RoutingTable table_{{}, &clock_};
  RegistrationService service_{4, &table_};
  rpc::MethodTable methods_;
  std::shared_ptr<FakeBidiCall> call_;
  std::unique_ptr<rpc::BidiEvents> events_;
  uint64_t sequence_ = 0;
};

TEST_F(RegistrationServiceTest, EveryUpdateIsAcknowledged) {
  EXPECT_EQ(Send(SnapshotOf(Identity("a"), {"orders"})).acknowledged_sequence(), 1u);
  v1::RegistrationUpdate delta;
  *delta.mutable_delta()->add_topics() = Topic("new");
  EXPECT_EQ(Send(delta).acknowledged_sequence(), 2u);
  EXPECT_EQ(Send(KeepAlive()).acknowledged_sequence(), 3u);
  for (const auto& reply : call_->Written<v1::RegistrationReply>()) {
    EXPECT_EQ(reply.status().code(), v2::OK);
  }
  EXPECT_FALSE(call_->finished());
  EXPECT_TRUE(table_.Route("orders").ok());
  EXPECT_TRUE(table_.Route("new").ok());
  events_->OnClosed();
  EXPECT_FALSE(table_.Route("orders").ok());
}

TEST_F(RegistrationServiceTest, ASnapshotInPartsTakesEffectAsAWhole) {
  v1::Snapshot part = SnapshotOf(Identity("a"), {"one"});
  part.set_last_part(false);
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_FALSE(table_.Route("one").ok());
  part = SnapshotOf(Identity("a"), {"two"});
  *part.add_groups() = Group("g", 4);
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_TRUE(table_.Route("one").ok());
  EXPECT_EQ(table_.Route("two")->brokers.at(0).endpoints.size(), 1u);
  EXPECT_EQ(table_.Group("g").max_attempts, 4);
}

TEST_F(RegistrationServiceTest, AnEndlessSnapshotIsRefused) {
  v1::Snapshot part = SnapshotOf(Identity("a"), {"1", "2"});
  part.set_last_part(false);
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_EQ(Send(part).status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_TRUE(call_->finished());
}

TEST_F(RegistrationServiceTest, PartsWithoutEntriesDoNotGrowEither) {
  v1::Snapshot part = SnapshotOf(Identity("a"), {});
  part.set_last_part(false);
  part.GetReflection()->MutableUnknownFields(&part)->AddLengthDelimited(99)->assign(900, 'x');
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_EQ(Send(part).status().code(), v2::OK);
  EXPECT_EQ(Send(part).status().code(), v2::TOO_MANY_REQUESTS);
}

TEST_F(RegistrationServiceTest, AWrongUpdateIsAnsweredAndEndsTheStream) {
  const v1::RegistrationReply reply = Send(v1::RegistrationUpdate());
  EXPECT_EQ(reply.status().code(), v2::BAD_REQUEST);
  EXPECT_TRUE(call_->finished());

  Open();
  EXPECT_EQ(Send(KeepAlive()).status().code(), v2::NOT_FOUND) << "before any snapshot";
  EXPECT_TRUE(call_->finished());

  Open();
  sequence_ = 7;
  EXPECT_EQ(Send(SnapshotOf(Identity("a"), {"orders"})).status().code(), v2::BAD_REQUEST);
  EXPECT_FALSE(table_.Route("orders").ok());

  Open();
  EXPECT_EQ(Send(SnapshotOf(Identity("a", "0.0.0.0"), {"orders"})).status().code(),
            v2::BAD_REQUEST);
  EXPECT_TRUE(call_->finished());
}

TEST_F(RegistrationServiceTest, ASilentBrokerMustBeginAgain) {
  Send(SnapshotOf(Identity("a"), {"orders"}));
  clock_.Advance(absl::Seconds(5));
  table_.ExpireSilent();
  EXPECT_FALSE(table_.Route("orders").ok());
  EXPECT_EQ(Send(KeepAlive()).status().code(), v2::NOT_FOUND);
  EXPECT_TRUE(call_->finished());
}

TEST_F(RegistrationServiceTest, TheBrokerMayEndTheStream) {
  events_->OnHalfClose();
  EXPECT_TRUE(call_->finished());
  EXPECT_TRUE(call_->status().ok());
}

}  // namespace
}  // namespace mansio::nameserver
