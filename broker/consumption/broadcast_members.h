#ifndef MANSIO_BROKER_CONSUMPTION_BROADCAST_MEMBERS_H_
#define MANSIO_BROKER_CONSUMPTION_BROADCAST_MEMBERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/core/feature.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/sync/sync.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// The clients of broadcast groups (every client gets every message). Inside, each client is
// a *member* that consumes like a group of its own: it has an id from the numbers of groups, and
// positions, leases and handles name that id. A member begins at its group's start policy and is
// forgotten when its client has not been heard of for a day. Thread-safe.
class BroadcastMembers : public Feature {
 public:
  // The member as a group: the group's settings under the member's id. For a group that is not a
  // broadcast one, the group itself.
  using Done = absl::AnyInvocable<void(absl::StatusOr<GroupPtr>)>;

  struct Options {
    size_t max_members = 100000;
    absl::Duration keep_unused = absl::Hours(24);
  };
  // All borrowed.
  struct Environment {
    const Metadata* metadata = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
  };
  BroadcastMembers(Options options, Environment environment)
      : options_(options), environment_(environment) {}

  // Part of the fold: told on the log thread of a member that is no more. Set before recovery.
  void OnGone(std::function<void(uint32_t member)> gone) { gone_ = std::move(gone); }

  // The member that `client` is, logged first when it is new. Calls `done` at once when it is
  // known, else on the log thread. TOO_MANY_REQUESTS for one member too many.
  void Join(const GroupPtr& group, std::string_view client, Done done);
  // The same without making one: nullptr when the client is none.
  GroupPtr Find(const GroupPtr& group, std::string_view client) const;
  // The group that an id of positions and leases belongs to: the group itself, or that of a member.
  // nullptr when it is no more.
  GroupPtr GroupOf(uint32_t id) const;
  // All members of a group with their client ids, by client id.
  std::vector<std::pair<std::string, GroupPtr>> MembersOf(const GroupRecord& group) const;

  // Logs the end of members that are unused for long enough. Run every few minutes.
  void DropUnused();
  // A group was deleted: its members go with it. Part of the fold.
  void ForgetGroup(uint32_t group);

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'B'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;

 private:
  static constexpr uint32_t kFirstMember = 0x80000000;

  struct Member {
    uint32_t group = 0;
    std::string client;
    int64_t used_ms = 0;   // as the log has it: exact to an hour
    int64_t noted_ms = 0;  // claimed: what the log will have
    int64_t heard_ms = 0;  // in memory only
    bool leaving = false;  // claimed: its end is on its way
  };
  using Key = std::pair<uint32_t, std::string>;  // group and client
  struct Joining {
    uint32_t id = 0;
    std::vector<Done> waiting;
  };
  class JoinAppend;
  class LeaveAppend;

  absl::Status LogJoin(const Key& key, Done& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Not before the client was last heard of: the log does not know every use.
  static int64_t LastUseOf(const Member& member);
  void NoteUse(uint32_t id, Member& member, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Joined(const Key& key, const absl::Status& status);
  void StayAfterAll(const std::vector<uint32_t>& ids);
  void ApplyMember(std::string_view body);
  void ApplyGone(uint32_t id);
  static std::string Encode(uint32_t id, const Key& key, int64_t used_ms);

  const Options options_;
  const Environment environment_;
  std::function<void(uint32_t)> gone_;
  store::Store* store_ = nullptr;

  mutable Mutex mutex_;
  absl::flat_hash_map<uint32_t, Member> members_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Key, uint32_t> ids_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Key, Joining> joining_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_id_ ABSL_GUARDED_BY(mutex_) = kFirstMember;

  absl::flat_hash_set<uint32_t> dirty_;  // log thread only
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_BROADCAST_MEMBERS_H_
