#include "broker/registration/pending_changes.h"

#include <utility>

namespace mansio::broker {
namespace {

void Move(StringSet& from, size_t limit, StringSet& to) {
  for (auto it = from.begin(); it != from.end() && to.size() < limit;)
    to.insert(from.extract(it++));
}

}  // namespace

void PendingChanges::Clear() {
  topics_.clear();
  groups_.clear();
}

PendingChanges PendingChanges::Take(size_t limit) {
  PendingChanges taken;
  Move(topics_, limit, taken.topics_);
  Move(groups_, limit - taken.topics_.size(), taken.groups_);
  return taken;
}

v1::Delta PendingChanges::Describe(const RegistrationSource& source) const {
  v1::Delta delta;
  for (const std::string& name : topics_) {
    if (std::optional<v1::TopicInfo> topic = source.FindTopic(name)) {
      *delta.add_topics() = *std::move(topic);
    } else {
      delta.add_deleted_topics(name);
    }
  }
  for (const std::string& name : groups_) {
    if (std::optional<v1::GroupInfo> group = source.FindGroup(name)) {
      *delta.add_groups() = *std::move(group);
    } else {
      delta.add_deleted_groups(name);
    }
  }
  return delta;
}

}  // namespace mansio::broker
