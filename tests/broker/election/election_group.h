#ifndef MANSIO_TESTS_BROKER_ELECTION_ELECTION_GROUP_H_
#define MANSIO_TESTS_BROKER_ELECTION_ELECTION_GROUP_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/election/election.h"
#include "tests/broker/election/fake_etcd.h"

namespace mansio::broker::testing {

// Members of a broker group that take part in an election, with etcd and each other at hand and no
// delays: time passes when the test says so, and what can happen in it happens at once.
class ElectionGroup {
 public:
  struct Member {
    std::unique_ptr<Election> election;  // null: it is down
    bool frozen = false;                 // does nothing, and is told nothing
    bool sees_etcd = true;
    bool sees_others = true;             // replication streams
    bool loses_answers = false;          // of transactions: they are carried out
    std::shared_ptr<const Reign> reign;  // the last one
    std::vector<Deposed> deposed;
    std::optional<MasterRecord> master;  // as it was told
    std::vector<std::set<BrokerId>> recorded;
    int ends_wanted = 0;
  };

  static ElectionOptions Options(BrokerId id) {
    ElectionOptions options;
    options.self = id;
    options.address = "host-" + std::to_string(id) + ":8081";
    options.prefix = ElectionPrefix("c", "b");
    options.founds = id == 1;
    return options;
  }

  Member& Start(BrokerId id, std::optional<ElectionOptions> options = std::nullopt) {
    members_[id].election = std::make_unique<Election>(options.value_or(Options(id)), now_);
    return members_[id];
  }
  void Kill(BrokerId id) { members_[id].election.reset(); }
  Member& at(BrokerId id) { return members_[id]; }
  Election& election(BrokerId id) { return *members_[id].election; }
  absl::Duration now() const { return now_; }

  void Pass(absl::Duration time) {
    const absl::Duration end = now_ + time;
    while (now_ < end) {
      now_ += std::min(absl::Milliseconds(50), end - now_);
      Settle();
    }
  }
  // What can happen now, without time.
  void Settle() {
    etcd.Expire(now_);
    for (auto& [id, member] : members_) {
      if (member.election == nullptr || member.frozen) continue;
      member.election->Tick(now_);
      Work(id);
    }
  }

  bool MayAcknowledge(BrokerId id) {
    const Member& member = members_[id];
    return member.reign != nullptr && member.reign->MayAcknowledge(now_);
  }
  // Who may, at this moment.
  std::set<BrokerId> Acknowledging() {
    std::set<BrokerId> all;
    for (const auto& [id, member] : members_) {
      if (member.election != nullptr && MayAcknowledge(id)) all.insert(id);
    }
    return all;
  }
  GroupView View() const { return *DecodeView(ElectionPrefix("c", "b"), etcd.keys()); }

  // Member 1 is master, and all of `members`, which are started, are in the set.
  void Form(const std::set<BrokerId>& members) {
    for (const BrokerId id : members) Start(id);
    Pass(absl::Seconds(3));
    static_cast<void>(election(1).ProposeInSync(members));
    Pass(absl::Seconds(1));
  }

  FakeEtcd etcd;

 private:
  void Work(BrokerId id) {
    Member& member = members_[id];
    for (;;) {
      ElectionWork work = member.election->TakeWork();
      if (work.requests.empty() && work.promises.empty() && work.events.empty()) return;
      for (const ElectionEvent& event : work.events) Note(member, event);
      for (const auto& [slave, request] : work.promises) Ask(id, slave, request);
      for (const EtcdRequest& request : work.requests) {
        EtcdReply reply{absl::UnavailableError("etcd is not there")};
        if (member.sees_etcd) reply = etcd.Apply(request, now_);
        if (member.loses_answers && request.kind == EtcdRequest::Kind::kCommit) {
          reply = EtcdReply{absl::DeadlineExceededError("no answer in time")};
        }
        member.election->Replied(now_, request.id, reply);
      }
    }
  }

  void Ask(BrokerId master, BrokerId slave, const PromiseRequest& request) {
    const auto found = members_.find(slave);
    if (found == members_.end() || found->second.election == nullptr) return;
    if (found->second.frozen || !found->second.sees_others) return;
    if (!members_[master].sees_others) return;
    const std::optional<Promise> promise = found->second.election->PromiseAsked(now_, request);
    if (promise.has_value()) members_[master].election->Promised(now_, slave, *promise);
  }

  static void Note(Member& member, const ElectionEvent& event) {
    if (const auto* elected = std::get_if<Elected>(&event)) {
      member.reign = elected->reign;
      member.recorded.push_back(elected->in_sync);
    } else if (const auto* deposed = std::get_if<Deposed>(&event)) {
      member.deposed.push_back(*deposed);
    } else if (const auto* seen = std::get_if<MasterSeen>(&event)) {
      member.master = seen->master;
    } else if (const auto* recorded = std::get_if<InSyncRecorded>(&event)) {
      member.recorded.push_back(recorded->in_sync);
    } else if (std::holds_alternative<LogEndWanted>(event)) {
      ++member.ends_wanted;
    }
  }

  std::map<BrokerId, Member> members_;
  absl::Duration now_ = absl::Hours(5);
};

}  // namespace mansio::broker::testing

#endif  // MANSIO_TESTS_BROKER_ELECTION_ELECTION_GROUP_H_
