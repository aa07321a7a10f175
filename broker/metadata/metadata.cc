#include "broker/metadata/metadata.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status NotKnownYet(std::string_view what, std::string_view name) {
  return absl::UnavailableError(
      fmt::format("{} {} is not known here, and may exist: its broker group has no master at "
                  "present, and this member may not know all that the group has; try again soon",
                  what, EscapeForLog(name)));
}

}  // namespace

absl::Status TopicNotFound(std::string_view name) {
  if (absl::Status status = names::ValidateTopic(name); !status.ok()) return status;
  return WireError(
      v2::TOPIC_NOT_FOUND,
      fmt::format("topic {} does not exist on this broker; create it with `mansio topic "
                  "create {}`",
                  name, name));
}

absl::Status GroupNotFound(std::string_view name) {
  if (absl::Status status = names::ValidateConsumerGroup(name); !status.ok()) return status;
  return WireError(
      v2::CONSUMER_GROUP_NOT_FOUND,
      fmt::format("consumer group {} does not exist on this broker; it is created by its "
                  "first consumer, or with `mansio group create {}`",
                  name, name));
}

Metadata::Metadata(Limits limits, BrokerTime* time) : limits_(limits), time_(time) {}

absl::Status Metadata::TopicMissing(std::string_view name) const {
  return MayLack() ? NotKnownYet("topic", name) : TopicNotFound(name);
}

absl::Status Metadata::GroupMissing(std::string_view name) const {
  return MayLack() ? NotKnownYet("consumer group", name) : GroupNotFound(name);
}

TopicPtr Metadata::FindTopic(std::string_view name) const {
  ReaderMutexLock lock(&mutex_);
  return topics_.Find(name);
}

TopicPtr Metadata::FindTopic(uint32_t id) const {
  ReaderMutexLock lock(&mutex_);
  return topics_.Find(id);
}

GroupPtr Metadata::FindGroup(std::string_view name) const {
  ReaderMutexLock lock(&mutex_);
  return groups_.Find(name);
}

GroupPtr Metadata::FindGroup(uint32_t id) const {
  ReaderMutexLock lock(&mutex_);
  return groups_.Find(id);
}

std::vector<TopicPtr> Metadata::Topics() const {
  ReaderMutexLock lock(&mutex_);
  return topics_.Sorted();
}

std::vector<TopicPtr> Metadata::DrainingTopics() const {
  std::vector<TopicPtr> draining;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [name, topic] : topics_.by_name()) {
    if (topic->draining) draining.push_back(topic);
  }
  return draining;
}

std::vector<GroupPtr> Metadata::Groups() const {
  ReaderMutexLock lock(&mutex_);
  return groups_.Sorted();
}

bool Metadata::IsPaused(std::string_view group) const {
  if (paused_groups_.load(std::memory_order_acquire) == 0) return false;
  const GroupPtr found = FindGroup(group);
  return found != nullptr && found->paused;
}

std::array<uint64_t, 2> Metadata::handle_key() const {
  ReaderMutexLock lock(&mutex_);
  return handle_key_;
}

absl::Status Metadata::EnsureHandleKey() {
  std::array<uint64_t, 2> key = handle_key();
  if (key[0] != 0 || key[1] != 0) return absl::OkStatus();
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), sizeof(key)) != 1) {
    return absl::InternalError("the system's random source gave no key for receipt handles");
  }
  return LogAndWait(kHandleKeyRecord, EncodeHandleKey(key));
}

}  // namespace mansio::broker
