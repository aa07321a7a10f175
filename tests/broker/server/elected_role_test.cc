#include "broker/server/elected_role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/clock/clock.h"
#include "common/files/recording_file_system.h"
#include "tests/broker/election/fake_etcd.h"

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A FakeEtcd that answers at once.
class DirectEtcd final : public Etcd {
 public:
  explicit DirectEtcd(const Clock* clock) : clock_(clock) {}

  EtcdReply Ask(const EtcdRequest& request) {
    const MutexLock lock(&mutex_);
    return etcd_.Apply(request, clock_->BootNow());
  }
  // At once: nobody sees one of them without the others.
  void Put(const std::map<std::string, std::string>& values) {
    const MutexLock lock(&mutex_);
    for (const auto& [key, value] : values) etcd_.Put(key, value);
    if (changed_ != nullptr) changed_();
  }

  void Read(std::string, Done<EtcdSnapshot> done) override { done(Ask({}).snapshot); }
  void Commit(EtcdTxn txn, Done<EtcdCommit> done) override {
    const EtcdReply reply = Ask({.kind = EtcdRequest::Kind::kCommit, .txn = std::move(txn)});
    reply.status.ok() ? done(reply.commit) : done(reply.status);
  }
  void Grant(absl::Duration ttl, Done<EtcdLease> done) override {
    done(Ask({.kind = EtcdRequest::Kind::kGrant, .ttl = ttl}).lease);
  }
  void KeepAlive(EtcdLeaseId lease, Done<absl::Duration> done) override {
    done(Ask({.kind = EtcdRequest::Kind::kKeepAlive, .lease = lease}).lease.ttl);
  }
  void Revoke(EtcdLeaseId lease, absl::AnyInvocable<void(absl::Status)> done) override {
    done(Ask({.kind = EtcdRequest::Kind::kRevoke, .lease = lease}).status);
  }
  std::unique_ptr<EtcdWatch> Watch(std::string, absl::AnyInvocable<void()> changed,
                                   absl::AnyInvocable<void(absl::Status)>) override {
    const MutexLock lock(&mutex_);
    changed_ = std::move(changed);
    return std::make_unique<EtcdWatch>();
  }

 private:
  const Clock* const clock_;
  Mutex mutex_;
  testing::FakeEtcd etcd_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void()> changed_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// What an open broker is told.
class Told final : public ElectedMember {
 public:
  void SetMaster(const std::string& address) override {
    const MutexLock lock(&mutex_);
    master_ = address;
    came_.SignalAll();
  }
  void AskForPromise(BrokerId, const PromiseRequest&) override {}
  void InSyncRecorded(std::set<BrokerId> members) override {
    const MutexLock lock(&mutex_);
    in_sync_ = std::move(members);
  }
  // Waits until it is told of a master.
  std::string AwaitMaster() {
    const MutexLock lock(&mutex_);
    while (master_.empty()) came_.Wait(&mutex_);
    return master_;
  }
  std::set<BrokerId> in_sync() {
    const MutexLock lock(&mutex_);
    return in_sync_;
  }

 private:
  Mutex mutex_;
  CondVar came_;
  std::string master_ ABSL_GUARDED_BY(mutex_);
  std::set<BrokerId> in_sync_ ABSL_GUARDED_BY(mutex_);
};

class ElectedRoleTest : public ::testing::Test {
 protected:
  ElectedRoleTest() {
    EXPECT_TRUE(MakeDurableDirectory(files_, "data").ok());
    config_.cluster = "c";
    config_.name = "b";
    config_.id = 1;
    config_.founds = true;
    config_.lease = absl::Seconds(3);
    config_.store.path = "data";
    config_.store.durability = store::Durability::kReplica;
    role_ = std::make_unique<ElectedRole>(
        config_, "host-1:8081",
        ElectedRole::Environment{&files_, &clock_, &etcd_, [this] { Reopen(); }, "boot-1"});
  }

  void Reopen() {
    const MutexLock lock(&mutex_);
    asked_ = true;
    came_.SignalAll();
  }
  // Time passes until the broker is asked to open its store in another role.
  void AwaitReopening() {
    const MutexLock lock(&mutex_);
    while (!asked_) {
      clock_.Advance(absl::Milliseconds(50));
      static_cast<void>(came_.WaitFor(&mutex_, absl::Milliseconds(10)));
    }
    asked_ = false;
  }
  // What is said of the election comes with its next turn.
  void AwaitTrouble(const std::string& text) {
    while (role_->State().trouble.find(text) == std::string::npos) {
      clock_.Advance(absl::Milliseconds(50));
      const MutexLock lock(&mutex_);
      static_cast<void>(came_.WaitFor(&mutex_, absl::Milliseconds(10)));
    }
  }
  BrokerConfig Open(store::Epoch last_epoch) {
    role_->Detach();
    BrokerConfig opening = role_->NextOpening(config_);
    EXPECT_EQ(
        role_->Attach(&told_, last_epoch, /*end=*/last_epoch * 100, /*copying=*/false, store_),
        absl::OkStatus());
    return opening;
  }

  RecordingFileSystem files_;
  FakeClock clock_;
  DirectEtcd etcd_{&clock_};
  StoreId store_ = "s1";
  BrokerConfig config_;
  Told told_;
  Mutex mutex_;
  CondVar came_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<ElectedRole> role_;
};

TEST_F(ElectedRoleTest, ASlaveIsOpenedAgainAsMasterAndAsSlave) {
  const BrokerConfig first = Open(0);
  EXPECT_EQ(first.store.role, store::Role::kSlave);
  EXPECT_TRUE(role_->CheckPermit().ok()) << "a slave commits what its master has";
  AwaitReopening();
  const BrokerConfig second = Open(0);
  EXPECT_EQ(second.store.role, store::Role::kMaster);
  EXPECT_EQ(second.store.reign, 1u);
  EXPECT_THAT(role_->in_sync(), ElementsAre(1));
  EXPECT_THAT(told_.in_sync(), ElementsAre(1));
  const std::function<bool()> permit = role_->Permit();
  EXPECT_FALSE(role_->is_deposed());

  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1,2]})"},
             {"/mansio/c/b/master", R"({"id":2,"epoch":5,"address":"host-2:8081"})"}});
  AwaitReopening();
  EXPECT_TRUE(role_->is_deposed());
  EXPECT_FALSE(permit()) << "that reign is over for good";
  EXPECT_TRUE(absl::IsUnavailable(role_->CheckPermit()));
  const BrokerConfig third = Open(1);
  EXPECT_EQ(third.store.role, store::Role::kSlave);
  EXPECT_EQ(third.store.reign, 0u);
  EXPECT_FALSE(role_->is_deposed());
  EXPECT_EQ(told_.AwaitMaster(), "host-2:8081");
  EXPECT_FALSE(role_->AcceptsFrames(4));
  EXPECT_TRUE(role_->AcceptsFrames(5));
}

TEST_F(ElectedRoleTest, AReignThatIsOverProposesNothingForTheNextOne) {
  Open(0);
  AwaitReopening();
  Open(0);
  EXPECT_EQ(role_->ProposeInSync({1}, {}), absl::OkStatus());
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1,2]})"},
             {"/mansio/c/b/master", R"({"id":2,"epoch":5,"address":"host-2:8081"})"}});
  AwaitReopening();
  etcd_.Ask({.kind = EtcdRequest::Kind::kCommit,
             .txn = {.changes = {{"/mansio/c/b/master", std::nullopt}}}});
  while (role_->elections_won() < 2) {
    clock_.Advance(absl::Milliseconds(50));
    const MutexLock lock(&mutex_);
    static_cast<void>(came_.WaitFor(&mutex_, absl::Milliseconds(10)));
  }
  // The store is still open as it was for the first one.
  EXPECT_TRUE(absl::IsFailedPrecondition(role_->ProposeInSync({1}, {})));
}

TEST_F(ElectedRoleTest, AMasterWhoseStoreHasFailedGivesUpAndStandsNoMore) {
  Open(0);
  AwaitReopening();
  Open(0);
  role_->StoreHasFailed("the disk is gone");
  AwaitTrouble("its store has failed");
  while (!role_->is_deposed()) AwaitTrouble("its store has failed");
  EXPECT_FALSE(role_->CheckPermit().ok());
  role_->Reopen();
  EXPECT_FALSE(role_->WantsOpening()) << "it could take what the disk has lost for good";
  role_->HoldsAll();
  RunMark next(&files_, "data", "boot-1");
  ASSERT_EQ(next.StoreWasOpened(/*empty=*/false), absl::OkStatus());
  EXPECT_FALSE(next.whole()) << "the system may have forgotten what it could not write";
}

TEST_F(ElectedRoleTest, AMasterWhoseDiskDoesNotAnswerGivesUpAndStandsAgainWhenItDoes) {
  Open(0);
  AwaitReopening();
  Open(0);
  role_->DiskIsSilent("it hangs");
  AwaitTrouble("its disk does not answer");
  while (!role_->is_deposed()) AwaitTrouble("its disk does not answer");
  EXPECT_FALSE(role_->CheckPermit().ok()) << "what still waits is not acknowledged";
  // The store is closed when the disk answers, and opened as a slave's.
  AwaitReopening();
  EXPECT_EQ(Open(1).store.role, store::Role::kSlave);
  AwaitReopening();
  EXPECT_EQ(Open(1).store.role, store::Role::kMaster);
}

TEST_F(ElectedRoleTest, ASlaveStandsAgainWhenItsDiskAnswers) {
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1]})"}});
  Open(5);
  role_->DiskIsSilent("it hangs");
  AwaitTrouble("its disk does not answer");
  role_->DiskAnswers();
  AwaitReopening();
  EXPECT_EQ(Open(5).store.role, store::Role::kMaster);
}

TEST_F(ElectedRoleTest, OneThatIsSecondWithACopyStandsNoMoreUntilItHoldsAll) {
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1]})"}});
  Open(5);
  role_->IsSecond();
  AwaitTrouble("another process follows with a copy");
  role_->HoldsAll();
  AwaitReopening();
  EXPECT_EQ(Open(5).store.role, store::Role::kMaster);
}

TEST_F(ElectedRoleTest, OnlyAnEndInOrderTakesTheMarkAway) {
  const auto marked = [this] { return ReadWholeFile(files_, "data/RUNNING", 100).ok(); };
  Open(4);
  role_->End();
  EXPECT_TRUE(marked()) << "its store was not closed";
  role_->StoreWasClosed(absl::OkStatus());
  Open(4);
  role_->End();
  EXPECT_TRUE(marked()) << "and opened again";
  role_->StoreWasClosed(absl::DataLossError("the disk is gone"));
  role_->End();
  EXPECT_TRUE(marked());
  role_->StoreWasClosed(absl::OkStatus());
  role_->End();
  EXPECT_FALSE(marked());
}

TEST_F(ElectedRoleTest, AMemberWhoseDiskWasReplacedDoesNotStand) {
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1,2]})"}});
  EXPECT_EQ(Open(0).store.role, store::Role::kSlave);
  AwaitTrouble("its disk was replaced");
  // It has copied something: that is not everything.
  Open(4);
  AwaitTrouble("its disk was replaced");
  role_->HoldsAll();
  AwaitReopening();
  EXPECT_EQ(Open(4).store.role, store::Role::kMaster);
}

TEST_F(ElectedRoleTest, AMemberWhoseNumberBelongsToAnotherStoreDoesNotStand) {
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1,2],"stores":{"1":"s2","2":"s3"}})"}});
  Open(5);
  AwaitTrouble("broker.id 1 of this group belongs to another store");
  store_ = "s2";
  Open(5);
  AwaitReopening();
  EXPECT_EQ(Open(5).store.role, store::Role::kMaster);
  EXPECT_THAT(role_->stores(), ElementsAre(Pair(1, "s2"), Pair(2, "s3")));
}

TEST_F(ElectedRoleTest, AfterAPowerCutOfAllTheOneThatHasMostIsElected) {
  ASSERT_TRUE(ReplaceFile(files_, "data/RUNNING", "boot-0\n").ok());
  etcd_.Put({{"/mansio/c/b/group", R"({"epoch":5,"in_sync":[1,2]})"}});
  EXPECT_EQ(Open(5).store.role, store::Role::kSlave);
  AwaitTrouble("waits for members {2} to say what they have");
  EXPECT_FALSE(role_->AcceptsFrames(5)) << "its log stays as it has said";
  etcd_.Put({{"/mansio/c/b/lost/2", R"({"group":2,"epoch":5,"end":501})"}});
  AwaitTrouble("lets member 2 take over");
  etcd_.Put({{"/mansio/c/b/lost/2", R"({"group":2,"epoch":5,"end":499})"}});
  AwaitReopening();
  const BrokerConfig opening = Open(5);
  EXPECT_EQ(opening.store.role, store::Role::kMaster);
  EXPECT_EQ(opening.store.reign, 6u);
  EXPECT_THAT(role_->in_sync(), ElementsAre(1, 2));
}

TEST_F(ElectedRoleTest, IsOpenedAgainOnlyWhenThatWasAskedFor) {
  EXPECT_TRUE(role_->WantsOpening());
  Open(0);
  EXPECT_FALSE(role_->WantsOpening());
  role_->Reopen();
  EXPECT_TRUE(role_->WantsOpening());
}

}  // namespace
}  // namespace mansio::broker
