#ifndef MANSIO_TESTS_BROKER_REGISTRATION_FAKE_SOURCE_H_
#define MANSIO_TESTS_BROKER_REGISTRATION_FAKE_SOURCE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/registration/registration_source.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// A broker's tables as a test wants them. Thread-safe.
class FakeSource final : public RegistrationSource {
 public:
  void SetIdentity(v1::BrokerIdentity identity) {
    MutexLock lock(&mutex_);
    identity_ = std::move(identity);
  }
  void SetTopic(const std::string& name, int queues) {
    MutexLock lock(&mutex_);
    v1::TopicInfo& topic = topics_[name];
    topic.set_name(name);
    topic.set_queues(queues);
    if (listener_ != nullptr) listener_->TopicChanged(name);
  }
  void DeleteTopic(const std::string& name) {
    MutexLock lock(&mutex_);
    topics_.erase(name);
    if (listener_ != nullptr) listener_->TopicChanged(name);
  }
  void SetGroup(const std::string& name) {
    MutexLock lock(&mutex_);
    groups_[name].set_name(name);
    if (listener_ != nullptr) listener_->GroupChanged(name);
  }

  v1::BrokerIdentity Identity() const override {
    MutexLock lock(&mutex_);
    return identity_;
  }
  std::vector<v1::TopicInfo> Topics() const override { return All(topics_); }
  std::vector<v1::GroupInfo> Groups() const override { return All(groups_); }
  std::optional<v1::TopicInfo> FindTopic(std::string_view name) const override {
    return Find(topics_, name);
  }
  std::optional<v1::GroupInfo> FindGroup(std::string_view name) const override {
    return Find(groups_, name);
  }
  void SetListener(RegistrationListener* listener) override {
    MutexLock lock(&mutex_);
    listener_ = listener;
  }

 private:
  template <typename Info>
  using Table = std::map<std::string, Info, std::less<>>;

  template <typename Info>
  std::vector<Info> All(const Table<Info>& table) const {
    MutexLock lock(&mutex_);
    std::vector<Info> all;
    for (const auto& [name, info] : table) all.push_back(info);
    return all;
  }
  template <typename Info>
  std::optional<Info> Find(const Table<Info>& table, std::string_view name) const {
    MutexLock lock(&mutex_);
    const auto it = table.find(name);
    return it == table.end() ? std::nullopt : std::optional<Info>(it->second);
  }

  mutable Mutex mutex_;
  v1::BrokerIdentity identity_;
  Table<v1::TopicInfo> topics_;
  Table<v1::GroupInfo> groups_;
  RegistrationListener* listener_ = nullptr;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_REGISTRATION_FAKE_SOURCE_H_
