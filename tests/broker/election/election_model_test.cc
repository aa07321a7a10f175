// Three members, etcd and the network between them under random delays, losses, partitions, pauses,
// crashes and power cuts, of one machine or all, in which a log loses what was not on the disk;
// each member with a clock that runs at a pace of its own. Now and then another process runs with
// the number of a member, with a store of its own. Checked at every step: no two members
// may acknowledge, nobody outside the in-sync set is elected, epochs only grow, and a new master
// has all that was acknowledged and that any of the set still has. Variants of the members that
// break a rule are caught.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/broker/election/fake_etcd.h"

namespace mansio::broker::testing {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(20);
constexpr absl::Duration kCallTimeout = absl::Milliseconds(700);
constexpr BrokerId kEtcd = 0;  // in the network

// What is wrong with the members.
enum class Fault {
  kNone,
  kIgnoresLease,         // the master counts its lease as endless
  kBreaksPromises,       // a member promises more than it keeps
  kLeavesWithoutRecord,  // the master does not wait until a change of the set is recorded
  kForgetsPowerCut,      // a member stands as if it had lost nothing
  kWaitsForNobody,       // one that may have lost something does not wait for what others say
  kForgetsStores,        // a number means whoever has it
  kStandsWithLeast,      // the one that has least stands, instead of the one that has most
};

// Of a log: the number of a write, or 0 for the beginning of a reign.
struct SimFrame {
  store::Epoch epoch = 0;
  int number = 0;
  friend bool operator==(const SimFrame&, const SimFrame&) = default;
};

// A process that has a member's number, but does not run.
struct SimTwin {
  StoreId store;
  std::vector<SimFrame> log;
  size_t synced = 0;
  bool whole = false;
};

struct SimMember {
  std::unique_ptr<Election> election;  // null: it has crashed
  StoreId store;
  SimTwin twin;
  int life = 0;
  absl::Duration paused_until;
  double pace = 1;
  absl::Duration offset;
  std::vector<SimFrame> log;
  size_t synced = 0;  // so much of it is on the disk
  bool whole = true;
  // A master's.
  std::shared_ptr<const Reign> reign;
  std::set<BrokerId> proposed;   // the set that it asked for last
  std::set<BrokerId> waits_for;  // all who must have what is acknowledged
  StoreIds stores;               // what their numbers mean
  bool begun = false;            // the reign: it has acknowledged something

  bool Has(int number) const { return Holds(log, number); }
  // The process of that store; empty: any.
  bool Has(int number, const StoreId& in) const {
    return (!IsAnotherStore(in, store) && Holds(log, number)) ||
           (!IsAnotherStore(in, twin.store) && Holds(twin.log, number));
  }
  static bool Holds(const std::vector<SimFrame>& frames, int number) {
    return std::any_of(frames.begin(), frames.end(),
                       [number](const SimFrame& frame) { return frame.number == number; });
  }
  // The other process begins, and this one has ended.
  void Swap() {
    std::swap(store, twin.store);
    std::swap(log, twin.log);
    std::swap(synced, twin.synced);
    std::swap(whole, twin.whole);
  }
};

struct Totals {
  int elections = 0;
  int acknowledged = 0;
  int handed_over = 0;
  int crashes = 0;
  int power_cuts = 0;
  int reopened = 0;     // to say what they have
  int by_word = 0;      // elections of a member that may have lost something
  int lost = 0;         // writes that no member of the set had any more
  int swapped = 0;      // processes with one number
  int without_key = 0;  // steps in which a master acknowledged by promises alone
};

class Model {
 public:
  Model(uint64_t seed, Fault fault) : random_(seed), fault_(fault), min_in_sync_(1 + seed % 2) {
    etcd_.lateness = [this] { return Random(absl::Milliseconds(800)); };
    etcd_.committed = [this](const EtcdSnapshot& before, const EtcdSnapshot& after) {
      CheckCommit(before, after);
    };
    for (BrokerId id = 1; id <= 3; ++id) {
      members_[id].pace = 0.99 + 0.02 * Chance();
      members_[id].offset = Random(absl::Hours(100));
      members_[id].store = "store-" + std::to_string(id);
      members_[id].twin.store = "twin-" + std::to_string(id);
      Begin(id);
    }
  }

  // The first broken rule; "" when none was.
  const std::string& broken() const { return broken_; }
  const Totals& totals() const { return totals_; }

  void Run(absl::Duration time) {
    const absl::Duration end = now_ + time;
    while (now_ < end && broken_.empty()) {
      MakeTrouble();
      Step();
    }
  }
  // All faults end; a master is there soon and can acknowledge.
  void Heal() {
    cut_.clear();
    loss_ = 0;
    troubled_ = false;
    for (auto& [id, member] : members_) {
      member.paused_until = now_;
      // The set's.
      const auto view = DecodeView(ElectionPrefix("c", "b"), etcd_.keys());
      const StoreId meant = view->group.has_value() ? StoreOf(view->group->stores, id) : StoreId();
      if (IsAnotherStore(meant, member.store)) Exchange(id);
      if (member.election == nullptr) Begin(id);
    }
    for (const absl::Duration end = now_ + absl::Seconds(40); now_ < end && broken_.empty();)
      Step();
    if (broken_.empty() && Acknowledging().size() != 1) {
      broken_ = "there is no master though all is well";
      for (auto& [id, member] : members_) {
        broken_ +=
            "; " + std::to_string(id) + " says: " + member.election->State(ClockOf(member)).trouble;
      }
    }
    const int before = totals_.acknowledged;
    for (int n = 0; n < 50; ++n) Write();
    if (broken_.empty() && totals_.acknowledged == before) broken_ = "nothing is acknowledged";
  }

 private:
  double Chance() { return std::uniform_real_distribution<>(0, 1)(random_); }
  bool Happens(double probability) { return Chance() < probability; }
  absl::Duration Random(absl::Duration below) { return Chance() * below; }
  BrokerId AnyMember() { return 1 + static_cast<BrokerId>(random_() % 3); }

  absl::Duration ClockOf(const SimMember& member) const {
    return member.offset + now_ * member.pace;
  }
  bool Works(const SimMember& member) const {
    return member.election != nullptr && now_ >= member.paused_until;
  }
  bool Linked(BrokerId from, BrokerId to) const { return !cut_.contains({from, to}); }

  ElectionOptions Options(BrokerId id) const {
    ElectionOptions options;
    options.self = id;
    options.prefix = ElectionPrefix("c", "b");
    options.founds = id == 1;
    options.min_in_sync = min_in_sync_;
    if (fault_ == Fault::kIgnoresLease) options.margin = -absl::Hours(1);
    return options;
  }
  void Begin(BrokerId id) {
    SimMember& member = members_[id];
    ++member.life;
    member.election = std::make_unique<Election>(Options(id), ClockOf(member));
    Open(id);
  }
  void Crash(BrokerId id) {
    ++totals_.crashes;
    members_[id].election.reset();
    members_[id].reign.reset();
  }
  void Exchange(BrokerId id) {
    if (members_[id].election != nullptr) Crash(id);
    ++totals_.swapped;
    members_[id].Swap();
  }
  // The machine's: the log loses what was not on the disk, or a part of that. Not all of it: an
  // empty log is like that of a replaced disk, about which people must be asked.
  void CutPower(BrokerId id) {
    SimMember& member = members_[id];
    if (member.election != nullptr) Crash(id);
    ++totals_.power_cuts;
    if (member.log.empty()) return;
    member.synced = std::max<size_t>(member.synced, 1);
    member.log.resize(member.synced + random_() % (member.log.size() - member.synced + 1));
    member.synced = member.log.size();
    member.whole = fault_ == Fault::kForgetsPowerCut;
  }
  // The member's store was opened, in whatever role.
  void Open(BrokerId id) {
    const SimMember& member = members_[id];
    Standing standing = StandingOf(member);
    standing.log_end = member.log.size();
    if (fault_ == Fault::kStandsWithLeast) standing.log_end = 1'000'000 - member.log.size();
    member.election->SetStanding(standing);
  }
  Standing StandingOf(const SimMember& member) const {
    Standing standing;
    standing.began_empty = !member.whole && member.log.empty();
    if (fault_ != Fault::kForgetsStores) standing.store = member.store;
    standing.whole = member.whole;
    standing.last_epoch = member.log.empty() ? 0 : member.log.back().epoch;
    return standing;
  }

  // --- The network.

  void At(absl::Duration when, std::function<void()> what) {
    events_.emplace(when, std::move(what));
  }
  // Mostly fast; now and then longer than any time-out.
  absl::Duration Delay() {
    return troubled_ && Happens(0.03) ? Random(absl::Seconds(6)) : Random(absl::Milliseconds(60));
  }
  void Post(BrokerId from, BrokerId to, std::function<void()> what) {
    if (!Linked(from, to) || Happens(loss_)) return;
    At(now_ + Delay(), [this, from, to, what = std::move(what)] {
      if (Linked(from, to)) what();
    });
  }
  // Does it as soon as the member works, in the life in which it was asked for.
  void ByMember(BrokerId id, int life, std::function<void(SimMember&)> what) {
    SimMember& member = members_[id];
    if (member.election == nullptr || member.life != life) return;
    if (!Works(member)) {
      At(member.paused_until,
         [this, id, life, what = std::move(what)] { ByMember(id, life, what); });
      return;
    }
    what(member);
    Work(id);
  }

  void Ask(BrokerId id, const EtcdRequest& request) {
    const int life = members_[id].life;
    const auto answered = std::make_shared<bool>(false);
    const auto answer = [this, id, life, answered, request = request.id](const EtcdReply& reply) {
      ByMember(id, life, [this, answered, request, reply](SimMember& member) {
        if (!std::exchange(*answered, true)) {
          member.election->Replied(ClockOf(member), request, reply);
        }
      });
    };
    Post(id, kEtcd, [this, id, request, answer] {
      EtcdReply reply = etcd_.Apply(request, now_);
      if (fault_ == Fault::kWaitsForNobody) AddWords(reply.snapshot);
      Post(kEtcd, id, [answer, reply] { answer(reply); });
    });
    At(now_ + kCallTimeout, [answer] { answer({absl::DeadlineExceededError("no answer")}); });
  }

  // What members have not said is made up.
  static void AddWords(EtcdSnapshot& keys) {
    const std::string prefix = ElectionPrefix("c", "b");
    const auto group = keys.values.find(GroupKey(prefix));
    if (group == keys.values.end()) return;
    const EtcdRevision revision = group->second.modified;
    const GroupView view = *DecodeView(prefix, keys);
    for (BrokerId id = 1; id <= 3; ++id) {
      if (view.lost.contains(id)) continue;
      keys.values[LostKey(prefix, id)].value = EncodeLost({revision, 1, 0});
    }
  }

  void AskForPromise(BrokerId master, BrokerId slave, const PromiseRequest& request) {
    const int life = members_[master].life;
    if (!Counts(members_[master], slave)) return;
    Post(master, slave, [this, master, life, slave, request] {
      ByMember(slave, members_[slave].life,
               [this, master, life, slave, request](SimMember& member) {
                 std::optional<Promise> promise =
                     member.election->PromiseAsked(ClockOf(member), request);
                 if (!promise.has_value()) return;
                 if (fault_ == Fault::kBreaksPromises) promise->lasts += absl::Seconds(20);
                 const StoreId store = member.store;
                 Post(slave, master, [this, master, life, slave, store, promise = *promise] {
                   ByMember(master, life, [this, slave, store, promise](SimMember& asked) {
                     // Its stream has ended with the process.
                     if (store != members_[slave].store || !Counts(asked, slave)) return;
                     asked.election->Promised(ClockOf(asked), slave, promise);
                   });
                 });
               });
    });
  }

  // --- The members.

  void Work(BrokerId id) {
    ElectionWork work = members_[id].election->TakeWork();
    for (const ElectionEvent& event : work.events) Note(id, event);
    for (const EtcdRequest& request : work.requests) Ask(id, request);
    for (const auto& [slave, request] : work.promises) AskForPromise(id, slave, request);
    Check();
  }

  void Note(BrokerId id, const ElectionEvent& event) {
    SimMember& member = members_[id];
    if (const auto* elected = std::get_if<Elected>(&event)) {
      ++totals_.elections;
      if (!member.whole && elected->in_sync.size() > 1) ++totals_.by_word;
      member.reign = elected->reign;
      member.proposed = member.waits_for = elected->in_sync;
      member.begun = false;
      member.stores = elected->stores;
      CheckLog(member, elected->in_sync, elected->stores);
      member.log.push_back({elected->reign->epoch(), 0});
      member.whole = true;
      Open(id);
    } else if (std::holds_alternative<Deposed>(event)) {
      member.reign.reset();
      Open(id);
    } else if (std::holds_alternative<LogEndWanted>(event)) {
      ++totals_.reopened;
      Open(id);
    } else if (const auto* recorded = std::get_if<InSyncRecorded>(&event)) {
      member.waits_for = recorded->in_sync;
      member.waits_for.insert(member.proposed.begin(), member.proposed.end());
    }
  }

  // Whether this process is the one that the master's set means.
  bool Counts(const SimMember& master, BrokerId slave) const {
    return fault_ == Fault::kForgetsStores || !master.waits_for.contains(slave) ||
           !IsAnotherStore(StoreOf(master.stores, slave), members_.at(slave).store);
  }

  // The slave's log becomes the master's, if it takes its frames.
  bool Replicate(BrokerId master, BrokerId slave) {
    SimMember& from = members_[master];
    SimMember& to = members_[slave];
    if (!Works(to) || !Linked(master, slave) || !Linked(slave, master)) return false;
    if (!to.election->AcceptsFrames(from.reign->epoch()) || to.reign != nullptr) return false;
    const auto parted =
        std::mismatch(to.log.begin(), to.log.end(), from.log.begin(), from.log.end()).first;
    to.synced = std::min(to.synced, static_cast<size_t>(parted - to.log.begin()));
    to.log = from.log;
    if (from.begun) to.whole = true;
    to.election->SetStanding(StandingOf(to));
    return true;
  }

  // A send to any member that takes itself for the master.
  void Write() {
    const BrokerId id = AnyMember();
    SimMember& member = members_[id];
    if (!Works(member) || member.reign == nullptr) return;
    if (!member.reign->MayAcknowledge(ClockOf(member))) return;
    const int number = ++writes_;
    member.log.push_back({member.reign->epoch(), number});
    for (const BrokerId slave : member.waits_for) {
      if (slave != id && (!Counts(member, slave) || !Replicate(id, slave))) return;
    }
    if (!member.reign->MayAcknowledge(ClockOf(member))) return;
    member.begun = true;
    acknowledged_.insert(number);
    ++totals_.acknowledged;
  }

  // The master takes a member into the set, or out of it.
  void ChangeSet() {
    const BrokerId id = AnyMember();
    const BrokerId other = AnyMember();
    SimMember& member = members_[id];
    if (!Works(member) || member.reign == nullptr || id == other) return;
    std::set<BrokerId> set = member.proposed;
    if (set.contains(other)) {
      if (Counts(member, other) && Replicate(id, other)) return;  // it is well
      set.erase(other);
    } else {
      // Not before it is recorded that the other process has left.
      if (!Counts(member, other) || !Replicate(id, other)) return;
      set.insert(other);
      member.stores[other] = members_[other].store;
    }
    if (!member.election->ProposeInSync(set, member.stores).ok()) return;
    member.proposed = set;
    member.waits_for.insert(set.begin(), set.end());
    if (fault_ == Fault::kLeavesWithoutRecord) member.waits_for = set;
    Work(id);
  }

  void HandOver() {
    const BrokerId id = AnyMember();
    SimMember& member = members_[id];
    if (!Works(member) || member.reign == nullptr) return;
    if (member.election->HandOver(ClockOf(member), AnyMember(), Happens(0.5)).ok())
      ++totals_.handed_over;
    Work(id);
  }

  void MakeTrouble() {
    const BrokerId id = AnyMember();
    if (Happens(0.004)) members_[id].paused_until = now_ + Random(absl::Seconds(8));
    if (Happens(0.002) && members_[id].election != nullptr) Crash(id);
    if (Happens(0.001)) CutPower(id);
    if (Happens(0.0006)) {
      for (const BrokerId every : {1, 2, 3}) CutPower(every);
    }
    if (Happens(0.0004)) Exchange(id);
    if (Happens(0.01) && members_[id].election == nullptr) Begin(id);
    if (Happens(0.05)) members_[id].synced = members_[id].log.size();
    if (Happens(0.008)) Cut();
    if (Happens(0.02)) cut_.clear();
    if (Happens(0.01)) loss_ = Happens(0.5) ? 0 : 0.3 * Chance();
    if (Happens(0.005)) HandOver();
    if (Happens(0.05)) ChangeSet();
  }
  // A way between two, in one direction or both; or all ways to etcd, or of a member.
  void Cut() {
    const BrokerId a = AnyMember();
    const BrokerId b = static_cast<BrokerId>(random_() % 4);
    cut_.insert({a, b});
    if (Happens(0.7)) cut_.insert({b, a});
    if (Happens(0.6)) return;
    const BrokerId lonely = static_cast<BrokerId>(random_() % 4);
    for (BrokerId other = 0; other <= 3; ++other) {
      cut_.insert({lonely, other});
      cut_.insert({other, lonely});
    }
  }

  void Step() {
    now_ += kStep;
    while (!events_.empty() && events_.begin()->first <= now_ && broken_.empty()) {
      const auto what = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      what();
    }
    etcd_.Expire(now_);
    for (auto& [id, member] : members_) {
      if (!Works(member)) continue;
      if (Happens(0.05)) member.election->Changed();
      member.election->Tick(ClockOf(member));
      Work(id);
    }
    Write();
    if (!troubled_ && Happens(0.05)) ChangeSet();
    const bool has_key = etcd_.keys().values.contains(MasterKey(ElectionPrefix("c", "b")));
    if (!has_key && !Acknowledging().empty()) ++totals_.without_key;
    Check();
  }

  // --- The rules.

  // A paused member is one of them: it may be just about to answer.
  std::set<BrokerId> Acknowledging() const {
    std::set<BrokerId> all;
    for (const auto& [id, member] : members_) {
      if (member.reign != nullptr && member.reign->MayAcknowledge(ClockOf(member))) all.insert(id);
    }
    return all;
  }

  void Break(const std::string& rule) {
    if (broken_.empty()) broken_ = rule;
  }

  // The log of one that was elected by these: nothing that any of them has may be missing.
  void CheckLog(const SimMember& elected, const std::set<BrokerId>& in_sync,
                const StoreIds& stores) {
    std::erase_if(acknowledged_, [&](int number) {
      if (elected.Has(number)) return false;
      for (const BrokerId id : in_sync) {
        if (members_[id].Has(number, StoreOf(stores, id)))
          Break("a new master lacks what was acknowledged");
      }
      ++totals_.lost;
      return true;
    });
  }

  void Check() {
    if (Acknowledging().size() > 1) Break("two members may acknowledge");
  }

  void CheckCommit(const EtcdSnapshot& before, const EtcdSnapshot& after) {
    const std::string prefix = ElectionPrefix("c", "b");
    const GroupView old = *DecodeView(prefix, before);
    const GroupView now = *DecodeView(prefix, after);
    if (!now.master.has_value() ||
        now.master->epoch == old.group.value_or(ElectionRecord()).epoch) {
      return;
    }
    if (now.master->epoch <= greatest_epoch_) Break("an epoch was used twice");
    greatest_epoch_ = now.master->epoch;
    if (old.group.has_value() && !old.group->in_sync.contains(now.master->id)) {
      Break("a member outside the set was elected");
    }
  }

  std::mt19937_64 random_;
  const Fault fault_;
  const size_t min_in_sync_;
  FakeEtcd etcd_;
  absl::Duration now_ = absl::Seconds(1);
  std::map<BrokerId, SimMember> members_;
  std::multimap<absl::Duration, std::function<void()>> events_;
  std::set<std::pair<BrokerId, BrokerId>> cut_;
  double loss_ = 0;
  bool troubled_ = true;
  int writes_ = 0;
  std::set<int> acknowledged_;
  store::Epoch greatest_epoch_ = 0;
  std::string broken_;
  Totals totals_;
};

uint64_t Seeds() {
  const char* const text = std::getenv("MANSIO_LONG");
  return text != nullptr && std::string(text) == "1" ? 3000 : 60;
}

TEST(ElectionModelTest, NoTwoMayAcknowledgeAndNothingIsLost) {
  Totals all;
  for (uint64_t seed = 1; seed <= Seeds(); ++seed) {
    Model model(seed, Fault::kNone);
    model.Run(absl::Seconds(90));
    model.Heal();
    ASSERT_EQ(model.broken(), "") << "seed " << seed;
    all.elections += model.totals().elections;
    all.acknowledged += model.totals().acknowledged;
    all.handed_over += model.totals().handed_over;
    all.crashes += model.totals().crashes;
    all.without_key += model.totals().without_key;
    all.power_cuts += model.totals().power_cuts;
    all.reopened += model.totals().reopened;
    all.by_word += model.totals().by_word;
    all.swapped += model.totals().swapped;
    all.lost += model.totals().lost;
  }
  const int seeds = static_cast<int>(Seeds());
  EXPECT_GT(all.elections, 3 * seeds);
  EXPECT_GT(all.acknowledged, 200 * seeds);
  EXPECT_GT(all.handed_over, seeds / 4);
  EXPECT_GT(all.crashes, 3 * seeds);
  EXPECT_GT(all.without_key, 10 * seeds);
  EXPECT_GT(all.power_cuts, 5 * seeds);
  EXPECT_GT(all.by_word, seeds / 2);
  EXPECT_GT(all.swapped, seeds);
  RecordProperty("elections", all.elections);
  RecordProperty("acknowledged", all.acknowledged);
  RecordProperty("handed_over", all.handed_over);
  RecordProperty("crashes", all.crashes);
  RecordProperty("without_key", all.without_key);
  RecordProperty("power_cuts", all.power_cuts);
  RecordProperty("reopened", all.reopened);
  RecordProperty("by_word", all.by_word);
  RecordProperty("lost", all.lost);
  RecordProperty("swapped", all.swapped);
}

// The first broken rule in some runs.
std::string BrokenBy(Fault fault) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    Model model(seed, fault);
    model.Run(absl::Seconds(90));
    if (!model.broken().empty()) return model.broken();
  }
  return "";
}

TEST(ElectionModelTest, AMasterThatIgnoresItsLeaseIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kIgnoresLease), "two members may acknowledge");
}

TEST(ElectionModelTest, AMemberThatBreaksItsPromiseIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kBreaksPromises), "two members may acknowledge");
}

TEST(ElectionModelTest, AMasterThatDoesNotWaitForTheRecordOfItsSetIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kLeavesWithoutRecord), "a new master lacks what was acknowledged");
}

TEST(ElectionModelTest, AMemberThatForgetsItsPowerCutIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kForgetsPowerCut), "a new master lacks what was acknowledged");
}

TEST(ElectionModelTest, AMemberThatDoesNotWaitForWhatTheOthersHaveIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kWaitsForNobody), "a new master lacks what was acknowledged");
}

TEST(ElectionModelTest, AGroupThatTakesANumberForAStoreIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kForgetsStores), "a new master lacks what was acknowledged");
}

TEST(ElectionModelTest, TheElectionOfTheShortestLogIsCaught) {
  EXPECT_EQ(BrokenBy(Fault::kStandsWithLeast), "a new master lacks what was acknowledged");
}

}  // namespace
}  // namespace mansio::broker::testing
