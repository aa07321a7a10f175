#include "broker/election/etcd_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/testing/fake_client.h"
#include "etcd/rpc.pb.h"

namespace mansio::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EtcdClientTest : public ::testing::Test {
 protected:
  template <typename Message>
  Message Asked() {
    Message message;
    EXPECT_TRUE(message.ParseFromString(rpc_.unary.front().request));
    return message;
  }
  absl::Status ReadThatEndsWith(const absl::Status& status) {
    absl::Status outcome;
    etcd_.Read("/m/", [&](absl::StatusOr<EtcdSnapshot> s) { outcome = s.status(); });
    address_ = rpc_.unary.front().call.address;
    rpc_.Answer(status);
    return outcome;
  }

  rpc::testing::FakeClient rpc_;
  EtcdClient etcd_{{.endpoints = {"a:1", "b:2"}}, &rpc_};
  std::string address_;  // of the last read
};

TEST_F(EtcdClientTest, ReadsWhatIsBelowAPrefix) {
  absl::StatusOr<EtcdSnapshot> snapshot;
  etcd_.Read("/m/", [&](absl::StatusOr<EtcdSnapshot> s) { snapshot = std::move(s); });
  EXPECT_EQ(rpc_.unary.front().call.path, "/etcdserverpb.KV/Range");
  const auto request = Asked<etcdserverpb::RangeRequest>();
  EXPECT_EQ(request.key(), "/m/");
  EXPECT_EQ(request.range_end(), "/m0");
  EXPECT_FALSE(request.serializable());
  etcdserverpb::RangeResponse response;
  response.mutable_header()->set_revision(9);
  mvccpb::KeyValue* const kv = response.add_kvs();
  kv->set_key("/m/x");
  kv->set_value("v");
  kv->set_create_revision(3);
  kv->set_mod_revision(5);
  kv->set_lease(7);
  rpc_.Answer(response.SerializeAsString());
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(snapshot->revision, 9);
  const EtcdValue value = snapshot->values.at("/m/x");
  EXPECT_EQ(value.value, "v");
  EXPECT_EQ(value.created, 3);
  EXPECT_EQ(value.modified, 5);
  EXPECT_EQ(value.lease, 7);
}

TEST_F(EtcdClientTest, ATransactionComparesChangesAndElseReads) {
  absl::StatusOr<EtcdCommit> commit;
  EtcdTxn txn;
  txn.compares = {{"k", EtcdCompare::Field::kCreated, 1}, {"k", EtcdCompare::Field::kModified, 2}};
  txn.changes = {{"k", "w", 8}, {"gone", std::nullopt}};
  txn.read_prefix = "\xff";
  etcd_.Commit(txn, [&](absl::StatusOr<EtcdCommit> c) { commit = std::move(c); });
  const auto request = Asked<etcdserverpb::TxnRequest>();
  ASSERT_EQ(request.compare_size(), 2);
  EXPECT_EQ(request.compare(0).target(), etcdserverpb::Compare::CREATE);
  EXPECT_EQ(request.compare(0).create_revision(), 1);
  EXPECT_EQ(request.compare(1).target(), etcdserverpb::Compare::MOD);
  EXPECT_EQ(request.compare(1).mod_revision(), 2);
  EXPECT_EQ(request.success(0).request_put().lease(), 8);
  EXPECT_EQ(request.success(1).request_delete_range().key(), "gone");
  EXPECT_EQ(request.failure(0).request_range().range_end(), std::string(1, '\0'));
  etcdserverpb::TxnResponse response;
  response.mutable_header()->set_revision(12);
  response.add_responses()->mutable_response_range()->add_kvs()->set_key("k");
  rpc_.Answer(response.SerializeAsString());
  ASSERT_TRUE(commit.ok());
  EXPECT_FALSE(commit->succeeded);
  EXPECT_EQ(commit->seen.revision, 12);
  EXPECT_TRUE(commit->seen.values.contains("k"));
}

TEST_F(EtcdClientTest, AnotherServerIsAskedWhenOneCannotAnswer) {
  EXPECT_THAT(std::string(ReadThatEndsWith(absl::NotFoundError("no such thing")).message()),
              HasSubstr("etcd at a:1"));
  EXPECT_TRUE(absl::IsUnavailable(ReadThatEndsWith(absl::UnavailableError("refused"))));
  EXPECT_EQ(address_, "a:1") << "what a server says of a request keeps it";
  EXPECT_TRUE(absl::IsDeadlineExceeded(ReadThatEndsWith(absl::DeadlineExceededError("late"))));
  EXPECT_EQ(address_, "b:2");
  EXPECT_FALSE(ReadThatEndsWith(absl::NotFoundError("")).ok());
  EXPECT_EQ(address_, "a:1");
}

TEST_F(EtcdClientTest, CallsThatFailTogetherChangeTheServerOnce) {
  int failed = 0;
  for (int n = 0; n < 2; ++n) {
    etcd_.Revoke(5, [&](const absl::Status& status) { failed += status.ok() ? 0 : 1; });
  }
  rpc_.Answer(absl::UnavailableError("refused"));
  rpc_.Answer(absl::UnavailableError("refused"));
  EXPECT_EQ(failed, 2);
  EXPECT_FALSE(ReadThatEndsWith(absl::NotFoundError("")).ok());
  EXPECT_EQ(address_, "b:2");
}

TEST_F(EtcdClientTest, ALeaseIsAskedForInWholeSeconds) {
  absl::StatusOr<EtcdLease> lease;
  etcd_.Grant(absl::Milliseconds(2500), [&](absl::StatusOr<EtcdLease> l) { lease = std::move(l); });
  EXPECT_EQ(Asked<etcdserverpb::LeaseGrantRequest>().ttl(), 3);
  etcdserverpb::LeaseGrantResponse response;
  response.set_id(77);
  response.set_ttl(5);
  rpc_.Answer(response.SerializeAsString());
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->id, 77);
  EXPECT_EQ(lease->ttl, absl::Seconds(5));
}

TEST_F(EtcdClientTest, EachRenewalIsAStreamOfItsOwn) {
  std::vector<absl::StatusOr<absl::Duration>> outcomes;
  const auto note = [&](absl::StatusOr<absl::Duration> ttl) { outcomes.push_back(std::move(ttl)); };
  etcd_.KeepAlive(77, note);
  rpc::testing::FakeClientStream& stream = *rpc_.streams.at(0);
  EXPECT_EQ(stream.call.path, "/etcdserverpb.Lease/LeaseKeepAlive");
  EXPECT_NE(stream.call.deadline, absl::InfiniteFuture());
  EXPECT_EQ(stream.Written<etcdserverpb::LeaseKeepAliveRequest>().at(0).id(), 77);
  etcdserverpb::LeaseKeepAliveResponse response;
  response.set_ttl(3);
  stream.Element(response.SerializeAsString());
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(*outcomes[0], absl::Seconds(3));
  EXPECT_TRUE(stream.cancelled);
  stream.End(absl::CancelledError("by us"));
  EXPECT_EQ(outcomes.size(), 1u);
  etcd_.KeepAlive(77, note);
  EXPECT_EQ(rpc_.streams.at(1)->call.address, "a:1") << "its own end is no failure";
  rpc_.streams.at(1)->End(absl::UnavailableError("refused"));
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(absl::IsUnavailable(outcomes[1].status()));
}

TEST_F(EtcdClientTest, ARenewalThatIsAnsweredEndsTheSilence) {
  EXPECT_TRUE(absl::IsUnavailable(ReadThatEndsWith(absl::UnavailableError("refused"))));
  etcd_.KeepAlive(77, [](const absl::StatusOr<absl::Duration>&) {});
  etcdserverpb::LeaseKeepAliveResponse response;
  response.set_ttl(3);
  rpc_.streams.at(0)->Element(response.SerializeAsString());
  EXPECT_THAT(std::string(ReadThatEndsWith(absl::UnavailableError("refused")).message()),
              Not(HasSubstr("none of the 2")));
  EXPECT_EQ(address_, "b:2");
  EXPECT_THAT(std::string(ReadThatEndsWith(absl::UnavailableError("refused")).message()),
              HasSubstr("none of the 2"));
}

TEST_F(EtcdClientTest, AWatchTellsOfChangesUntilItEnds) {
  int changes = 0;
  absl::Status ended;
  auto watch = etcd_.Watch(
      "/m/", [&] { ++changes; }, [&](const absl::Status& status) { ended = status; });
  rpc::testing::FakeClientStream& stream = *rpc_.streams.at(0);
  EXPECT_EQ(stream.call.deadline, absl::InfiniteFuture());
  const auto created = stream.Written<etcdserverpb::WatchRequest>().at(0).create_request();
  EXPECT_EQ(created.key(), "/m/");
  EXPECT_EQ(created.range_end(), "/m0");
  etcdserverpb::WatchResponse response;
  response.set_created(true);
  stream.Element(response.SerializeAsString());
  EXPECT_EQ(changes, 0);
  response.clear_created();
  response.add_events();
  stream.Element(response.SerializeAsString());
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(stream.reads, 2);
  response.clear_events();
  response.set_canceled(true);
  stream.Element(response.SerializeAsString());
  EXPECT_TRUE(stream.cancelled);
  stream.End(absl::CancelledError("by us"));
  EXPECT_FALSE(ended.ok());
}

}  // namespace
}  // namespace mansio::broker
