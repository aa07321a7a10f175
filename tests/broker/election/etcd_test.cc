// The client and electors with a real etcd.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "broker/election/elector.h"
#include "broker/election/etcd_client.h"
#include "common/clock/clock.h"
#include "common/rpc/client.h"
#include "common/sync/sync.h"
#include "tests/broker/election/etcd_server.h"

namespace mansio::broker {
namespace {

using ::mansio::testing::EtcdServer;

constexpr absl::Duration kPatience = absl::Seconds(60);  // a loaded machine under a sanitizer

bool WaitFor(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

// The outcome of one call.
template <typename T>
class Outcome {
 public:
  auto Taker() {
    return [state = state_](T value) {
      const MutexLock lock(&state->mutex);
      state->value = std::move(value);
      state->came.SignalAll();
    };
  }
  T Wait() {
    const MutexLock lock(&state_->mutex);
    while (!state_->value.has_value()) state_->came.Wait(&state_->mutex);
    return *state_->value;
  }

 private:
  struct State {
    Mutex mutex;
    CondVar came;
    std::optional<T> value ABSL_GUARDED_BY(mutex);
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class EtcdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(EtcdServer::Binary(), "");
    server_.Start();
    client_ = rpc::Client::Create({});
    // The first one is not there.
    etcd_ = std::make_unique<EtcdClient>(
        EtcdOptions{.endpoints = {mansio::testing::FreeAddress(), server_.address()},
                    .timeout = absl::Seconds(2)},
        client_.get());
    ASSERT_TRUE(WaitFor([this] { return Read().ok(); }));
  }
  void TearDown() override {
    if (client_ != nullptr) client_->Stop();
  }

  absl::StatusOr<EtcdSnapshot> Read() {
    Outcome<absl::StatusOr<EtcdSnapshot>> outcome;
    etcd_->Read("/t/", outcome.Taker());
    return outcome.Wait();
  }
  absl::StatusOr<EtcdCommit> Commit(EtcdTxn txn) {
    txn.read_prefix = "/t/";
    Outcome<absl::StatusOr<EtcdCommit>> outcome;
    etcd_->Commit(std::move(txn), outcome.Taker());
    return outcome.Wait();
  }
  absl::StatusOr<EtcdLease> Grant(absl::Duration ttl) {
    Outcome<absl::StatusOr<EtcdLease>> outcome;
    etcd_->Grant(ttl, outcome.Taker());
    return outcome.Wait();
  }
  absl::StatusOr<absl::Duration> KeepAlive(EtcdLeaseId lease) {
    Outcome<absl::StatusOr<absl::Duration>> outcome;
    etcd_->KeepAlive(lease, outcome.Taker());
    return outcome.Wait();
  }
  absl::Status Revoke(EtcdLeaseId lease) {
    Outcome<absl::Status> outcome;
    etcd_->Revoke(lease, outcome.Taker());
    return outcome.Wait();
  }
  // What a lost reply would leave open is asked again: etcd on a busy disk.
  static bool Again(const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  }

  EtcdServer server_;
  std::unique_ptr<rpc::Client> client_;
  std::unique_ptr<EtcdClient> etcd_;
};

TEST_F(EtcdTest, ATransactionIsAllOrNothing) {
  const auto first = Commit({.compares = {{"/t/a", EtcdCompare::Field::kCreated, 0}},
                             .changes = {{"/t/a", "1"}, {"/t/b", "2"}}});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(first->succeeded);
  const auto taken =
      Commit({.compares = {{"/t/a", EtcdCompare::Field::kCreated, 0}}, .changes = {{"/t/a", "x"}}});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_FALSE(taken->succeeded);
  ASSERT_EQ(taken->seen.values.size(), 2u);
  EXPECT_EQ(taken->seen.values.at("/t/a").value, "1");
  EXPECT_EQ(taken->seen.values.at("/t/a").created, first->revision);
  const auto second =
      Commit({.compares = {{"/t/a", EtcdCompare::Field::kModified, first->revision},
                           {"/t/b", EtcdCompare::Field::kModified, first->revision}},
              .changes = {{"/t/a", std::nullopt}, {"/t/b", "3"}}});
  ASSERT_TRUE(second.ok() && second->succeeded) << second.status();
  const auto snapshot = Read();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_FALSE(snapshot->values.contains("/t/a"));
  EXPECT_EQ(snapshot->values.at("/t/b").created, first->revision);
  EXPECT_EQ(snapshot->values.at("/t/b").modified, second->revision);
}

TEST_F(EtcdTest, KeysGoWithTheirLease) {
  const auto lease = Grant(absl::Seconds(60));
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(lease->ttl, absl::Seconds(60));
  ASSERT_TRUE(Commit({.changes = {{"/t/k", "v", lease->id}}}).ok());
  EXPECT_EQ(Read()->values.at("/t/k").lease, lease->id);
  const auto kept = KeepAlive(lease->id);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(*kept, absl::Seconds(60));
  EXPECT_EQ(Revoke(lease->id), absl::OkStatus());
  EXPECT_TRUE(Read()->values.empty());
  EXPECT_EQ(*KeepAlive(lease->id), absl::ZeroDuration());
  EXPECT_TRUE(absl::IsNotFound(Revoke(lease->id)));
  // What the election's settling rests on.
  const auto late = Commit({.changes = {{"/t/other", "v"}, {"/t/k", "v", lease->id}}});
  EXPECT_TRUE(absl::IsNotFound(late.status())) << late.status();
  EXPECT_TRUE(Read()->values.empty());
}

TEST_F(EtcdTest, AnExpiredLeaseIsTold) {
  const auto lease = Grant(absl::Seconds(2));
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(Commit({.changes = {{"/t/k", "v", lease->id}}}).ok());
  std::atomic<int> changes = 0;
  std::atomic<bool> ended = false;
  auto watch = etcd_->Watch(
      "/t/", [&] { ++changes; }, [&](const absl::Status&) { ended = true; });
  EXPECT_TRUE(WaitFor([&] {
    const auto snapshot = Read();
    return snapshot.ok() && snapshot->values.empty();
  }));
  // The watch may have begun when the key had gone.
  EXPECT_TRUE(WaitFor([&] { return Commit({.changes = {{"/t/x", "v"}}}).ok() && changes > 0; }));
  watch.reset();
  EXPECT_TRUE(WaitFor([&] { return ended.load(); }));
}

TEST_F(EtcdTest, AServerThatComesBackIsFound) {
  ASSERT_TRUE(Commit({.changes = {{"/t/k", "v"}}}).ok());
  server_.Kill();
  EXPECT_TRUE(Again(Read().status()));
  server_.Start();
  EXPECT_TRUE(WaitFor([this] { return Read().ok(); }));
  EXPECT_EQ(Read()->values.at("/t/k").value, "v");
}

// --- Electors.

// A way to etcd that can be cut.
class Gate final : public Etcd {
 public:
  explicit Gate(Etcd* etcd) : etcd_(etcd) {}
  std::atomic<bool> open = true;

  void Read(std::string prefix, Done<EtcdSnapshot> done) override {
    open ? etcd_->Read(std::move(prefix), std::move(done)) : done(Closed());
  }
  void Commit(EtcdTxn txn, Done<EtcdCommit> done) override {
    open ? etcd_->Commit(std::move(txn), std::move(done)) : done(Closed());
  }
  void Grant(absl::Duration ttl, Done<EtcdLease> done) override {
    open ? etcd_->Grant(ttl, std::move(done)) : done(Closed());
  }
  void KeepAlive(EtcdLeaseId lease, Done<absl::Duration> done) override {
    open ? etcd_->KeepAlive(lease, std::move(done)) : done(Closed());
  }
  void Revoke(EtcdLeaseId lease, absl::AnyInvocable<void(absl::Status)> done) override {
    open ? etcd_->Revoke(lease, std::move(done)) : done(Closed());
  }
  std::unique_ptr<EtcdWatch> Watch(std::string prefix, absl::AnyInvocable<void()> changed,
                                   absl::AnyInvocable<void(absl::Status)> ended) override {
    return etcd_->Watch(std::move(prefix), std::move(changed), std::move(ended));
  }

 private:
  static absl::Status Closed() { return absl::UnavailableError("cut off by the test"); }
  Etcd* const etcd_;
};

// One member: an elector, and streams to the others that are calls.
class Member final : public ElectionListener {
 public:
  using Members = std::map<BrokerId, std::unique_ptr<Member>>;

  Member(BrokerId id, Etcd* etcd, const Clock* clock, Members* all)
      : clock_(clock), all_(all), gate(etcd), elector(Options(id), &gate, clock, this) {}

  void OnElected(std::shared_ptr<const Reign> reign, std::set<BrokerId> in_sync,
                 StoreIds) override {
    const MutexLock lock(&mutex_);
    reign_ = std::move(reign);
    in_sync_ = std::move(in_sync);
  }
  void OnDeposed(store::Epoch, const std::string&) override { ++deposed; }
  void OnMaster(const std::optional<MasterRecord>& master) override {
    const MutexLock lock(&mutex_);
    master_ = master;
  }
  void OnLogEndWanted() override {}
  void OnInSyncRecorded(std::set<BrokerId> in_sync) override {
    const MutexLock lock(&mutex_);
    in_sync_ = std::move(in_sync);
  }
  void AskForPromise(BrokerId slave, const PromiseRequest& request) override {
    Member& other = *all_->at(slave);
    if (!streams || !other.streams) return;
    if (const auto promise = other.elector.PromiseAsked(request)) elector.Promised(slave, *promise);
  }

  bool MayAcknowledge() {
    const MutexLock lock(&mutex_);
    return reign_ != nullptr && reign_->MayAcknowledge(clock_->BootNow());
  }
  store::Epoch epoch() {
    const MutexLock lock(&mutex_);
    return reign_ == nullptr ? 0 : reign_->epoch();
  }
  std::set<BrokerId> in_sync() {
    const MutexLock lock(&mutex_);
    return in_sync_;
  }
  BrokerId master() {
    const MutexLock lock(&mutex_);
    return master_.has_value() ? master_->id : 0;
  }

 private:
  static ElectionOptions Options(BrokerId id) {
    ElectionOptions options;
    options.self = id;
    options.address = "127.0.0.1:" + std::to_string(id);
    options.prefix = ElectionPrefix("test", "group");
    options.founds = id == 1;
    return options;
  }

  const Clock* const clock_;
  Members* const all_;
  Mutex mutex_;
  std::shared_ptr<const Reign> reign_ ABSL_GUARDED_BY(mutex_);
  std::set<BrokerId> in_sync_ ABSL_GUARDED_BY(mutex_);
  std::optional<MasterRecord> master_ ABSL_GUARDED_BY(mutex_);

 public:
  std::atomic<bool> streams = true;
  std::atomic<int> deposed = 0;
  Gate gate;
  Elector elector;
};

class ElectorTest : public EtcdTest {
 protected:
  // Two members that are in sync, member 1 being the master.
  void Form() {
    for (const BrokerId id : {1, 2}) {
      members_[id] = std::make_unique<Member>(id, etcd_.get(), &clock_, &members_);
    }
    for (auto& [id, member] : members_) member->elector.Start();
    ASSERT_TRUE(WaitFor([this] { return at(1).MayAcknowledge(); }));
    ASSERT_TRUE(at(1).elector.ProposeInSync({1, 2}).ok());
    ASSERT_TRUE(WaitFor([this] { return at(1).in_sync() == std::set<BrokerId>{1, 2}; }));
    ASSERT_TRUE(WaitFor([this] { return at(2).master() == 1; }));
  }
  void TearDown() override {
    for (auto& [id, member] : members_) member->elector.Stop();
    EtcdTest::TearDown();
    members_.clear();
  }
  Member& at(BrokerId id) { return *members_.at(id); }
  void CutOff(BrokerId id) {
    at(id).gate.open = false;
    at(id).streams = false;
  }

  RealClock clock_;
  Member::Members members_;
};

TEST_F(ElectorTest, AMemberTakesOverFromAMasterThatHasGone) {
  Form();
  const store::Epoch epoch = at(1).epoch();
  CutOff(1);
  EXPECT_TRUE(WaitFor([this] {
    const bool old = at(1).MayAcknowledge();  // asked first: it never may again
    return at(2).MayAcknowledge() && !old;
  }));
  EXPECT_FALSE(at(1).MayAcknowledge());
  EXPECT_GT(at(2).epoch(), epoch);
  at(1).gate.open = true;
  at(1).streams = true;
  EXPECT_TRUE(WaitFor([this] { return at(1).deposed > 0 && at(1).master() == 2; }));
  EXPECT_FALSE(at(1).elector.AcceptsFrames(epoch));
  EXPECT_TRUE(at(1).elector.AcceptsFrames(at(2).epoch()));
}

TEST_F(ElectorTest, EtcdIsKilledAndTheGroupGoesOn) {
  Form();
  server_.Kill();
  // Longer than the lease.
  const absl::Duration end = clock_.BootNow() + absl::Seconds(5);
  ASSERT_TRUE(WaitFor([&] { return clock_.BootNow() > end && at(1).MayAcknowledge(); }));
  EXPECT_EQ(at(1).deposed, 0);
  // A member is lost, too.
  at(2).streams = false;
  EXPECT_TRUE(WaitFor([this] { return !at(1).MayAcknowledge(); }));
  EXPECT_FALSE(at(2).MayAcknowledge());
  at(2).streams = true;
  server_.Start();
  EXPECT_TRUE(WaitFor([this] { return at(1).MayAcknowledge() || at(2).MayAcknowledge(); }));
}

TEST_F(ElectorTest, MastershipIsHandedOver) {
  Form();
  ASSERT_TRUE(WaitFor([this] { return at(1).elector.HandOver(2, /*leaves=*/false).ok(); }));
  EXPECT_FALSE(at(1).MayAcknowledge());
  EXPECT_TRUE(WaitFor([this] { return at(2).MayAcknowledge(); }));
  EXPECT_TRUE(WaitFor([this] { return at(1).master() == 2 && at(1).deposed > 0; }));
  // Its end makes way for the other one, without waiting for a lease.
  at(2).elector.Stop();
  EXPECT_FALSE(at(2).MayAcknowledge());
  EXPECT_TRUE(WaitFor([this] { return at(1).MayAcknowledge(); }));
  EXPECT_GE(at(1).epoch(), 3u);
  EXPECT_EQ(at(1).elector.State().in_sync, std::set<BrokerId>{1}) << "member 2 has left it";
}

}  // namespace
}  // namespace mansio::broker
