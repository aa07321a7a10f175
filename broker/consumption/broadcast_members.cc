#include "broker/consumption/broadcast_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/consumption/records.h"
#include "broker/core/codec.h"
#include "common/clock/broker_time.h"
#include "common/status/wire_status.h"
#include "store/store.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// How exact the log is about when a member was last used.
constexpr int64_t kUseStepMs = 3600 * 1000;
// The most members whose end is logged at a time.
constexpr size_t kMaxDropped = 1000;
// Second byte of a checkpoint key, behind the prefix 'B'.
constexpr char kMemberKey = 'm';
constexpr char kNextIdKey = 'n';

std::string MemberKeyOf(uint32_t id) {
  return ByteWriter().U8('B').U8(kMemberKey).Key32(id).Take();
}
std::string NextIdKeyText() { return ByteWriter().U8('B').U8(kNextIdKey).Take(); }

GroupPtr AsGroup(const GroupRecord& group, uint32_t member) {
  auto place = std::make_shared<GroupRecord>(group);
  place->id = member;
  return place;
}

// A later use on its way into the log; nobody waits for it.
class UseAppend : public store::Append {
 public:
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

}  // namespace

class BroadcastMembers::JoinAppend : public store::Append {
 public:
  JoinAppend(BroadcastMembers* members, Key key) : members_(members), key_(std::move(key)) {}
  void Applied(const store::AppendResult&) override { members_->Joined(key_, absl::OkStatus()); }
  void Failed(const absl::Status& status) override { members_->Joined(key_, status); }

 private:
  BroadcastMembers* const members_;
  const Key key_;
};

class BroadcastMembers::LeaveAppend : public store::Append {
 public:
  LeaveAppend(BroadcastMembers* members, std::vector<uint32_t> ids)
      : members_(members), ids_(std::move(ids)) {}
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override { members_->StayAfterAll(ids_); }

 private:
  BroadcastMembers* const members_;
  const std::vector<uint32_t> ids_;
};

void BroadcastMembers::Join(const GroupPtr& group, std::string_view client, Done done) {
  if (!group->broadcast) return done(group);
  GroupPtr known;
  absl::Status refused;
  {
    MutexLock lock(&mutex_);
    const Key key{group->id, std::string(client)};
    const auto id = ids_.find(key);
    if (id != ids_.end() && !members_[id->second].leaving) {
      NoteUse(id->second, members_[id->second], environment_.time->NowMillis());
      known = AsGroup(*group, id->second);
    } else if (const auto joining = joining_.find(key); joining != joining_.end()) {
      joining->second.waiting.push_back(std::move(done));
      return;
    } else {
      refused = LogJoin(key, done);
      if (refused.ok()) return;
    }
  }
  if (known != nullptr) return done(std::move(known));
  done(refused);
}

absl::Status BroadcastMembers::LogJoin(const Key& key, Done& done) {
  if (members_.size() + joining_.size() >= options_.max_members) {
    return WireError(
        v2::TOO_MANY_REQUESTS,
        fmt::format("this broker keeps the positions of {} clients of broadcast groups, its limit "
                    "(limits.broadcast-clients); unused ones go after {}, or with their group",
                    options_.max_members, absl::FormatDuration(options_.keep_unused)));
  }
  const uint32_t id = next_id_++;
  auto append = std::make_unique<JoinAppend>(this, key);
  append->AddRecord(kMemberRecord, Encode(id, key, environment_.time->NowMillis()));
  // Nobody can be told before the lock is released: Joined takes it.
  if (absl::Status status = store_->Submit(std::move(append)); !status.ok()) return status;
  Joining& joining = joining_[key];
  joining.id = id;
  joining.waiting.push_back(std::move(done));
  return absl::OkStatus();
}

void BroadcastMembers::Joined(const Key& key, const absl::Status& status) {
  Joining joined;
  {
    MutexLock lock(&mutex_);
    const auto it = joining_.find(key);
    joined = std::move(it->second);
    joining_.erase(it);
    if (const auto member = members_.find(joined.id); member != members_.end()) {
      member->second.heard_ms = environment_.time->NowMillis();
    }
  }
  const auto place = [&]() -> absl::StatusOr<GroupPtr> {
    if (!status.ok()) return status;
    const GroupPtr group = environment_.metadata->FindGroup(key.first);
    if (group != nullptr) return AsGroup(*group, joined.id);
    return WireError(v2::CONSUMER_GROUP_NOT_FOUND,
                     "the broadcast group was deleted while the client joined it");
  }();
  for (Done& done : joined.waiting) done(place);
}

void BroadcastMembers::NoteUse(uint32_t id, Member& member, int64_t now) {
  member.heard_ms = now;
  if (now - std::max(member.used_ms, member.noted_ms) < kUseStepMs) return;
  member.noted_ms = now;
  auto append = std::make_unique<UseAppend>();
  append->AddRecord(kMemberRecord, Encode(id, {member.group, member.client}, now));
  // Refused: the next use an hour later is logged, and until then this one is in memory.
  (void)store_->Submit(std::move(append));
}

GroupPtr BroadcastMembers::Find(const GroupPtr& group, std::string_view client) const {
  if (!group->broadcast) return group;
  MutexLock lock(&mutex_);
  const auto id = ids_.find(Key{group->id, std::string(client)});
  return id == ids_.end() ? nullptr : AsGroup(*group, id->second);
}

GroupPtr BroadcastMembers::GroupOf(uint32_t id) const {
  if (id < kFirstMember) return environment_.metadata->FindGroup(id);
  uint32_t group = 0;
  {
    MutexLock lock(&mutex_);
    const auto member = members_.find(id);
    if (member == members_.end()) return nullptr;
    group = member->second.group;
  }
  return environment_.metadata->FindGroup(group);
}

std::vector<std::pair<std::string, GroupPtr>> BroadcastMembers::MembersOf(
    const GroupRecord& group) const {
  std::vector<std::pair<std::string, GroupPtr>> members;
  {
    MutexLock lock(&mutex_);
    for (const auto& [key, id] : ids_) {
      if (key.first == group.id) members.emplace_back(key.second, AsGroup(group, id));
    }
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

int64_t BroadcastMembers::LastUseOf(const Member& member) {
  return member.heard_ms > 0 ? member.heard_ms : member.used_ms + kUseStepMs;
}

void BroadcastMembers::DropUnused() {
  const int64_t now = environment_.time->NowMillis();
  const int64_t keep = absl::ToInt64Milliseconds(options_.keep_unused);
  MutexLock lock(&mutex_);
  std::vector<uint32_t> unused;
  for (auto& [id, member] : members_) {
    if (member.leaving || unused.size() >= kMaxDropped) continue;
    if (environment_.clients->IsAlive(gateway::ClientHash(member.client))) {
      NoteUse(id, member, now);
    } else if (LastUseOf(member) + keep <= now) {
      unused.push_back(id);
    }
  }
  if (unused.empty()) return;
  auto append = std::make_unique<LeaveAppend>(this, unused);
  for (const uint32_t id : unused) {
    append->AddRecord(kMemberGoneRecord, ByteWriter().Varint(id).Take());
  }
  if (!store_->Submit(std::move(append)).ok()) return;  // the next run tries again
  for (const uint32_t id : unused) members_[id].leaving = true;
}

void BroadcastMembers::StayAfterAll(const std::vector<uint32_t>& ids) {
  MutexLock lock(&mutex_);
  for (const uint32_t id : ids) {
    if (const auto it = members_.find(id); it != members_.end()) it->second.leaving = false;
  }
}

void BroadcastMembers::ForgetGroup(uint32_t group) {
  std::vector<uint32_t> ids;
  {
    MutexLock lock(&mutex_);
    for (const auto& [id, member] : members_) {
      if (member.group == group) ids.push_back(id);
    }
  }
  for (const uint32_t id : ids) ApplyGone(id);
}

std::vector<store::RecordKind> BroadcastMembers::Kinds() const {
  return {kMemberRecord, kMemberGoneRecord};
}

std::string BroadcastMembers::Encode(uint32_t id, const Key& key, int64_t used_ms) {
  ByteWriter w;
  w.Varint(id).Varint(key.first).Bytes(key.second).Varint(static_cast<uint64_t>(used_ms));
  return w.Take();
}

void BroadcastMembers::Apply(const store::RecordView& record) {
  if (record.kind == kMemberRecord) return ApplyMember(record.body);
  ApplyGone(ByteReader(record.body).Varint32());
}

void BroadcastMembers::ApplyMember(std::string_view body) {
  ByteReader r(body);
  const uint32_t id = r.Varint32();
  Member member;
  member.group = r.Varint32();
  member.client = std::string(r.Bytes());
  member.used_ms = static_cast<int64_t>(r.Varint());
  // The group may have been deleted while its member was on its way.
  if (!r.ok() || environment_.metadata->FindGroup(member.group) == nullptr) return;
  dirty_.insert(id);
  MutexLock lock(&mutex_);
  next_id_ = std::max(next_id_, id + 1);
  if (const auto known = members_.find(id); known != members_.end()) {
    known->second.used_ms = std::max(known->second.used_ms, member.used_ms);
    return;
  }
  ids_[Key{member.group, member.client}] = id;
  members_.emplace(id, std::move(member));
}

void BroadcastMembers::ApplyGone(uint32_t id) {
  {
    MutexLock lock(&mutex_);
    const auto it = members_.find(id);
    if (it == members_.end()) return;
    // The client may have come again meanwhile, under a new id.
    const auto newest = ids_.find(Key{it->second.group, it->second.client});
    if (newest != ids_.end() && newest->second == id) ids_.erase(newest);
    members_.erase(it);
  }
  dirty_.insert(id);
  if (gone_) gone_(id);
}

void BroadcastMembers::CaptureDirty(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  for (const uint32_t id : dirty_) {
    const auto it = members_.find(id);
    if (it != members_.end()) {
      const Member& member = it->second;
      sink.Put(MemberKeyOf(id), Encode(id, {member.group, member.client}, member.used_ms));
    } else {
      sink.Delete(MemberKeyOf(id));
    }
  }
  // Ids are never reused, also when the newest member was forgotten.
  if (!dirty_.empty()) sink.Put(NextIdKeyText(), ByteWriter().Varint(next_id_).Take());
  dirty_.clear();
}

void BroadcastMembers::CaptureAll(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  for (const auto& [id, member] : members_) {
    sink.Put(MemberKeyOf(id), Encode(id, {member.group, member.client}, member.used_ms));
  }
  sink.Put(NextIdKeyText(), ByteWriter().Varint(next_id_).Take());
}

absl::Status BroadcastMembers::Restore(std::string_view key, std::string_view value) {
  ByteReader r(value);
  MutexLock lock(&mutex_);
  if (key.size() > 1 && key[1] == kNextIdKey) {
    next_id_ = std::max(next_id_, r.Varint32());
    return r.ok() ? absl::OkStatus() : absl::DataLossError("a broadcast id is cut short");
  }
  const uint32_t id = r.Varint32();
  Member member;
  member.group = r.Varint32();
  member.client = std::string(r.Bytes());
  member.used_ms = static_cast<int64_t>(r.Varint());
  if (!r.ok()) return absl::DataLossError("a client of a broadcast group cannot be decoded");
  next_id_ = std::max(next_id_, id + 1);
  ids_[Key{member.group, member.client}] = id;
  members_.emplace(id, std::move(member));
  return absl::OkStatus();
}

void BroadcastMembers::Clear() {
  MutexLock lock(&mutex_);
  members_.clear();
  ids_.clear();
  joining_.clear();
  next_id_ = kFirstMember;
  dirty_.clear();
}

}  // namespace mansio::broker
