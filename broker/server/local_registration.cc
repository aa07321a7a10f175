#include "broker/server/local_registration.h"

#include "broker/admin/info.h"

namespace mansio::broker {

LocalRegistration::LocalRegistration(Metadata* metadata) : metadata_(metadata) {
  metadata_->AddListener({
      .topic_changed = [this](const TopicPtr& topic) { TellTopic(topic); },
      .topic_deleted = [this](const TopicPtr& topic) { TellTopic(topic); },
      .group_changed = [this](const GroupPtr& group) { TellGroup(group); },
      .group_deleted = [this](const GroupPtr& group) { TellGroup(group); },
  });
}

std::vector<v1::TopicInfo> LocalRegistration::Topics() const {
  std::vector<v1::TopicInfo> topics;
  for (const TopicPtr& topic : metadata_->Topics()) {
    if (topic->kind != TopicKind::kSystem) topics.push_back(TopicInfoOf(*topic));
  }
  return topics;
}

std::vector<v1::GroupInfo> LocalRegistration::Groups() const {
  std::vector<v1::GroupInfo> groups;
  for (const GroupPtr& group : metadata_->Groups()) groups.push_back(GroupInfoOf(*group));
  return groups;
}

std::optional<v1::TopicInfo> LocalRegistration::FindTopic(std::string_view name) const {
  const TopicPtr topic = metadata_->FindTopic(name);
  if (topic == nullptr || topic->kind == TopicKind::kSystem) return std::nullopt;
  return TopicInfoOf(*topic);
}

std::optional<v1::GroupInfo> LocalRegistration::FindGroup(std::string_view name) const {
  const GroupPtr group = metadata_->FindGroup(name);
  if (group == nullptr) return std::nullopt;
  return GroupInfoOf(*group);
}

void LocalRegistration::SetListener(RegistrationListener* listener) {
  MutexLock lock(&mutex_);
  listener_ = listener;
}

void LocalRegistration::TellTopic(const TopicPtr& topic) {
  if (topic->kind == TopicKind::kSystem) return;
  MutexLock lock(&mutex_);
  if (listener_ != nullptr) listener_->TopicChanged(topic->name);
}

void LocalRegistration::TellGroup(const GroupPtr& group) {
  MutexLock lock(&mutex_);
  if (listener_ != nullptr) listener_->GroupChanged(group->name);
}

}  // namespace mansio::broker
