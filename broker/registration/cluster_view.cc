#include "broker/registration/cluster_view.h"

#include <algorithm>
#include <utility>

#include "common/clock/clock.h"

namespace mansio::broker {

using gateway::ClusterTable;

void ClusterView::Begin() {
  MutexLock lock(&mutex_);
  parts_.clear();
  complete_since_ = absl::InfiniteDuration();
  for (const auto& [key, member] : table_.members()) unconfirmed_.insert(key);
}

void ClusterView::Apply(const v1::ClusterUpdate& update) {
  {
    MutexLock lock(&mutex_);
    for (const v1::BrokerUpdate& broker : update.brokers()) {
      if (broker.broker().name() != self_) Apply(broker);
    }
    if (!update.complete()) return;
    const absl::Duration now = clock_->BootNow();
    complete_since_ = std::min(complete_since_, now);
    if (!update.settling() || !has_past_) known_ = true;
    if (expected_until_ && now < *expected_until_) {
      expected_until_ = std::max(*expected_until_, now + kPatienceSettling);
    }
  }
  EndWaits();
}

void ClusterView::Apply(const v1::BrokerUpdate& update) {
  const Key key = ClusterTable::KeyOf(update.broker());
  if (update.left()) {
    unconfirmed_.erase(key);
    return table_.Remove(key);
  }
  if (!update.snapshot()) return table_.Change(key, update);
  ClusterTable::Member& member = parts_[key];
  member.identity = update.broker();
  for (const v1::TopicInfo& topic : update.topics()) member.topics[topic.name()] = topic;
  for (const v1::GroupInfo& group : update.groups()) member.groups[group.name()] = group;
  if (!update.last_part()) return;
  // One that cannot be connected to is of no use here.
  if (!member.identity.addresses().empty()) table_.Replace(std::move(member));
  parts_.erase(key);
  unconfirmed_.erase(key);
}

void ClusterView::KeepHouse() {
  EndWaits();
  MutexLock lock(&mutex_);
  if (unconfirmed_.empty() || clock_->BootNow() - complete_since_ < kUnconfirmed) return;
  for (const Key& key : unconfirmed_) table_.Remove(key);
  unconfirmed_.clear();
}

void ClusterView::Expect(bool has_past) {
  MutexLock lock(&mutex_);
  has_past_ = has_past;
  expected_until_ = clock_->BootNow() + kPatience;
}

std::optional<absl::Status> ClusterView::Knowledge() const {
  if (stopped_) return absl::CancelledError("the broker is being stopped");
  if (known_ || !expected_until_.has_value()) return absl::OkStatus();
  if (clock_->BootNow() < *expected_until_) return std::nullopt;
  return absl::DeadlineExceededError("no nameserver has said yet what other brokers have");
}

void ClusterView::WhenKnown(Known done) {
  std::optional<absl::Status> knowledge;
  {
    MutexLock lock(&mutex_);
    knowledge = Knowledge();
    if (!knowledge && waiting_.size() < kMostWaiting) return waiting_.push_back(std::move(done));
  }
  done(knowledge.value_or(absl::ResourceExhaustedError(
      "too many calls wait until a nameserver has said what other brokers have; try again")));
}

void ClusterView::EndWaits() {
  std::vector<Known> waiting;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    const std::optional<absl::Status> knowledge = Knowledge();
    if (!knowledge) return;
    status = *knowledge;
    waiting.swap(waiting_);
  }
  for (Known& done : waiting) done(status);
}

void ClusterView::Stop() {
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
  }
  EndWaits();
}

gateway::TopicRoute ClusterView::Route(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  return table_.Route(topic);
}

std::vector<std::string> ClusterView::MastersWith(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  return table_.MastersWith(topic);
}

std::vector<std::string> ClusterView::MastersWithGroup(std::string_view group) const {
  ReaderMutexLock lock(&mutex_);
  return table_.MastersWithGroup(group);
}

std::vector<std::string> ClusterView::Sharing(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  return table_.Sharing(topic);
}

std::string ClusterView::GroupOwner(std::string_view topic, std::string_view message_group,
                                    std::string_view first) const {
  ReaderMutexLock lock(&mutex_);
  return table_.GroupOwner(topic, message_group, first);
}

std::vector<gateway::Master> ClusterView::Masters() const {
  ReaderMutexLock lock(&mutex_);
  return table_.Masters();
}

std::optional<v1::GroupInfo> ClusterView::GroupInfo(std::string_view group) const {
  ReaderMutexLock lock(&mutex_);
  const v1::GroupInfo* const info = table_.GroupInfo(group);
  if (info == nullptr) return std::nullopt;
  return *info;
}

std::optional<gateway::GroupPolicy> ClusterView::Group(std::string_view group) const {
  ReaderMutexLock lock(&mutex_);
  return table_.Group(group);
}

std::optional<gateway::HostPort> ClusterView::MasterOf(std::string_view broker) const {
  ReaderMutexLock lock(&mutex_);
  return table_.MasterOf(broker);
}

size_t ClusterView::size() const {
  ReaderMutexLock lock(&mutex_);
  return table_.members().size();
}

}  // namespace mansio::broker
