#ifndef MANSIO_TESTS_BROKER_REPLICATION_GROUP_H_
#define MANSIO_TESTS_BROKER_REPLICATION_GROUP_H_

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/replication/master.h"
#include "broker/replication/slave.h"
#include "common/clock/clock.h"
#include "common/sync/sync.h"
#include "tests/store/log/replication_testing.h"

// A broker group in one process: logs on recording disks, streams that are queues of messages, a
// clock that moves when told to. Nothing happens but by a call, and each call settles the log
// threads, so that a run depends on its seed alone.
namespace mansio::broker::testing {

using CrashMode = RecordingFileSystem::CrashMode;
using store::Durability;
using store::testing::Outcome;
using store::testing::TestLog;

// A stream between a slave and its master.
class Link : public SlaveStream, public MasterStream {
 public:
  void Send(v1::MasterMessage message) override {
    const MutexLock lock(&mutex_);
    to_slave_.push_back(std::move(message));
  }
  void Send(v1::SlaveMessage message) override {
    const MutexLock lock(&mutex_);
    to_master_.push_back(std::move(message));
  }
  void End(const absl::Status& why) override {
    const MutexLock lock(&mutex_);
    ended_ = true;
    why_ = why;
  }
  bool ended() {
    const MutexLock lock(&mutex_);
    return ended_;
  }
  absl::Status why() {
    const MutexLock lock(&mutex_);
    return why_;
  }
  bool TakeForSlave(v1::MasterMessage* message) { return Take(to_slave_, message); }
  bool TakeForMaster(v1::SlaveMessage* message) { return Take(to_master_, message); }

  Master::Session session = 0;

 private:
  template <typename Message>
  bool Take(std::deque<Message>& queue, Message* message) {
    const MutexLock lock(&mutex_);
    if (queue.empty()) return false;
    *message = std::move(queue.front());
    queue.pop_front();
    return true;
  }

  Mutex mutex_;
  std::deque<v1::MasterMessage> to_slave_;
  std::deque<v1::SlaveMessage> to_master_;
  bool ended_ = false;
  absl::Status why_;
};

struct Member {
  RecordingFileSystem disk;
  std::unique_ptr<TestLog> log;  // nullptr: it is down
  std::unique_ptr<Master> master;
  std::unique_ptr<Slave> slave;
  std::shared_ptr<Link> link;  // a slave's
  std::atomic<bool> holds_all{false};
};

class Group {
 public:
  Group(int members, Durability durability, size_t min_in_sync)
      : log_durability(durability), durability_(durability), min_in_sync_(min_in_sync) {
    for (BrokerId id = 1; id <= members; ++id) members_[id] = std::make_unique<Member>();
  }
  ~Group() {
    for (auto& [id, member] : members_) Down(id);
  }

  Member& at(BrokerId id) { return *members_[id]; }
  std::vector<BrokerId> ids() const {
    std::vector<BrokerId> ids;
    for (const auto& [id, member] : members_) ids.push_back(id);
    return ids;
  }
  bool up(BrokerId id) { return at(id).log != nullptr; }

  store::StoreOptions Options(store::Role role) const {
    store::StoreOptions options;
    options.role = role;
    options.durability = log_durability;
    options.flush_interval = absl::Hours(1);  // when the test says so
    return options;
  }

  void StartMaster(BrokerId id) {
    Member& member = at(id);
    store::StoreOptions store = Options(store::Role::kMaster);
    store.known_epoch = epoch_;  // as whoever makes it master knows
    member.log = std::make_unique<TestLog>(&member.disk, store);
    // No two reigns begin in the same millisecond.
    member.log->clock.Advance(clock.BootNow() + absl::Milliseconds(++starts_));
    ASSERT_EQ(member.log->Begin(FoldNothing()), absl::OkStatus());
    epoch_ = member.log->log->epoch();
    store::ReplicatedLog* const log = member.log->log->replicated();
    const auto in_sync = LastInSyncSet(*log, 0);
    ASSERT_TRUE(in_sync.ok()) << in_sync.status();
    MasterOptions options;
    options.cluster = "c";
    options.broker = "b";
    options.id = id;
    options.durability = durability_;
    options.min_in_sync = min_in_sync_;
    options.run_bytes = 2000;
    options.window_bytes = 8000;
    options.catch_up_bytes_per_second = catch_up_bytes_per_second;
    options.max_lag = max_lag;
    options.election = election;
    options.away = away;
    if (identities.contains(id)) {
      options.identity = [identity = identities[id]] { return identity; };
    }
    member.master = std::make_unique<Master>(options, log, &clock, in_sync->members);
    master_ = id;
  }
  void StartSlave(BrokerId id) {
    Member& member = at(id);
    member.log = std::make_unique<TestLog>(&member.disk, Options(store::Role::kSlave));
    ASSERT_EQ(member.log->Begin(FoldNothing()), absl::OkStatus());
    SlaveOptions options;
    options.cluster = "c";
    options.broker = "b";
    options.id = numbers.contains(id) ? numbers[id] : id;
    options.store = "store-" + std::to_string(copies.contains(id) ? copies[id] : id);
    options.process = "process-" + std::to_string(++started_);
    options.durability = durability_;
    options.holds_all = [&member] { member.holds_all = true; };
    v1::BrokerIdentity identity = identities[id];
    identity.add_addresses()->set_host("host-" + std::to_string(id));
    options.identity = [identity] { return identity; };
    member.slave = std::make_unique<Slave>(options, member.log->log->replicated(), &clock);
  }
  // As a slave that its log has asked for that.
  void Restart(BrokerId id) {
    Down(id);
    StartSlave(id);
  }
  // kill -9; the page cache stays.
  void Down(BrokerId id) {
    Member& member = at(id);
    if (member.log == nullptr) return;
    Disconnect(id);
    if (member.master != nullptr) {
      for (const BrokerId other : ids()) Disconnect(other);
    }
    member.log.reset();
    member.master.reset();
    member.slave.reset();
    if (master_ == id) master_ = 0;
  }
  // The machine loses what was not synced.
  void PowerCut(BrokerId id, CrashMode mode, uint64_t seed) {
    at(id).disk.Crash(mode, seed);
    Down(id);
    // The end of the process found the power off and tried nothing.
    at(id).disk.Crash(CrashMode::kDropAll, seed);
  }

  // The next master is started by someone who knows nothing.
  void forget_epoch() { epoch_ = 0; }
  BrokerId master() const { return master_; }
  Master* present() { return master_ == 0 ? nullptr : at(master_).master.get(); }

  void Connect(BrokerId id) {
    Member& member = at(id);
    if (member.slave == nullptr || member.link != nullptr || present() == nullptr) return;
    member.link = std::make_shared<Link>();
    member.link->session = present()->Opened(member.link);
    member.slave->Opened(member.link.get());
  }
  void Disconnect(BrokerId id) {
    Member& member = at(id);
    if (member.link == nullptr) return;
    if (member.slave != nullptr) member.slave->Closed();
    if (present() != nullptr) present()->Closed(member.link->session);
    last_end = member.link->why();
    member.link.reset();
  }
  // One message each way, if there is one.
  void ToSlave(BrokerId id) {
    Member& member = at(id);
    v1::MasterMessage message;
    if (member.link != nullptr && member.link->TakeForSlave(&message)) {
      member.slave->Received(message);
      Settle(id);
    }
  }
  void ToMaster(BrokerId id) {
    Member& member = at(id);
    v1::SlaveMessage message;
    if (member.link != nullptr && member.link->TakeForMaster(&message)) {
      present()->Received(member.link->session, message);
    }
  }
  void Tick(BrokerId id) {
    Member& member = at(id);
    if (member.log == nullptr) return;
    if (member.master != nullptr) {
      while (member.master->Pump() == absl::ZeroDuration()) {
      }
      Settle(id);  // its record of a new set has its place now
      member.master->Pump();
    }
    if (member.slave != nullptr) member.slave->Tick();
    Settle(id);
    if (member.link != nullptr && member.link->ended()) Disconnect(id);
  }
  void Settle(BrokerId id) {
    at(id).log->Settle();
    at(id).log->Settle();  // what the first round asked for
  }

  // All links up and everything delivered, until nothing moves any more.
  void Heal(int rounds = 60) {
    for (int round = 0; round < rounds; ++round) {
      clock.Advance(absl::Milliseconds(300));
      for (const BrokerId id : ids()) {
        Connect(id);
        ExchangeWith(id);
      }
    }
  }

  // Everything is delivered over the links that are up, and no time passes.
  void Exchange(int rounds = 20) {
    for (int round = 0; round < rounds; ++round) {
      for (const BrokerId id : ids()) ExchangeWith(id);
    }
  }

  // A send: false when the master takes none now.
  bool Send(const std::string& text, std::shared_ptr<Outcome> outcome) {
    if (present() == nullptr || !present()->CheckSends().ok()) return false;
    TestLog& log = *at(master_).log;
    if (log.log->cursors().applied < log.log->replicated()->ReignStart()) return false;
    const bool taken = log.log->Submit(log.Note(text, std::move(outcome))).ok();
    Settle(master_);
    return taken;
  }

  // The notes that a member has applied in its present life.
  std::vector<std::string> Applied(BrokerId id) {
    std::vector<std::string> texts;
    for (const auto& seen : at(id).log->observer.seen()) {
      if (seen.kind == store::testing::kNote) texts.push_back(seen.text);
    }
    return texts;
  }
  // All frames of a member's log from there on.
  std::string FramesFrom(BrokerId id, store::LogOffset from) {
    std::string bytes;
    for (;;) {
      const auto run = at(id).log->log->replicated()->ReadFrames(from, 1 << 20);
      EXPECT_TRUE(run.ok()) << run.status();
      if (!run.ok() || run->next == from) return bytes;
      bytes.append(run->bytes.bytes);
      from = run->next;
    }
  }
  std::string Bytes(BrokerId id) {
    return store::testing::LogBytesOf(at(id).disk, at(id).log->log->cursors().appended);
  }

  FakeClock clock;
  absl::Status last_end;
  Durability log_durability;                   // kReplica: the log syncs when the test says so
  uint64_t catch_up_bytes_per_second = 0;      // of masters that start from now on
  absl::Duration max_lag = absl::Seconds(10);  // of the next master
  GroupElection* election = nullptr;           // its, too
  std::set<BrokerId> away;                     // the same
  std::map<BrokerId, BrokerId> numbers;        // the broker.id of a member, if it is not its own
  std::map<BrokerId, v1::BrokerIdentity> identities;  // of members; without, a master tells nothing
  std::map<BrokerId, BrokerId> copies;                // whose store a member has a copy of

 private:
  // Some messages each way; then its disk has what it holds.
  void ExchangeWith(BrokerId id) {
    Tick(id);
    for (int n = 0; n < 8; ++n) {
      ToMaster(id);
      ToSlave(id);
    }
    if (up(id)) static_cast<void>(at(id).log->log->SyncAll());
    Tick(id);
  }
  static store::RecoveryStart FoldNothing() {
    store::RecoveryStart start;
    start.fold_until = 0;
    return start;
  }

  const Durability durability_;
  const size_t min_in_sync_;
  std::map<BrokerId, std::unique_ptr<Member>> members_;
  BrokerId master_ = 0;
  int starts_ = 0;
  store::Epoch epoch_ = 0;
  int started_ = 0;  // slaves
};

}  // namespace mansio::broker::testing

#endif  // MANSIO_TESTS_BROKER_REPLICATION_GROUP_H_
