#include "broker/consumption/wait_list.h"

#include <algorithm>
#include <utility>

namespace mansio::broker {

bool WaitList::Park(uint32_t group, uint32_t topic, std::shared_ptr<ParkedReceive> receive) {
  MutexLock lock(&mutex_);
  if (size_ >= limit_) return false;
  ParkedReceive* parked = receive.get();
  Queue& queue = by_topic_[topic][group];
  parked->place_ = queue.insert(queue.end(), std::move(receive));
  parked->group_ = group;
  parked->topic_ = topic;
  parked->parked_ = true;
  ++size_;
  return true;
}

bool WaitList::Remove(ParkedReceive* receive) {
  std::shared_ptr<ParkedReceive> removed;  // destroyed after the lock is released
  MutexLock lock(&mutex_);
  if (!receive->parked_) return false;
  receive->parked_ = false;
  --size_;
  const auto topic = by_topic_.find(receive->topic_);
  const auto group = topic->second.find(receive->group_);
  removed = std::move(*receive->place_);
  group->second.erase(receive->place_);
  if (group->second.empty()) topic->second.erase(group);
  if (topic->second.empty()) by_topic_.erase(topic);
  return true;
}

void WaitList::TakeFrom(Queue& queue, size_t count, Woken& woken) {
  size_t wanted = 0;
  while (!queue.empty() && wanted < count) {
    queue.front()->parked_ = false;
    --size_;
    wanted += std::max<size_t>(1, queue.front()->wanted());
    woken.push_back(std::move(queue.front()));
    queue.pop_front();
  }
}

void WaitList::WakeTopic(uint32_t topic, size_t count) {
  Woken woken;
  {
    MutexLock lock(&mutex_);
    const auto groups = by_topic_.find(topic);
    if (groups == by_topic_.end()) return;
    for (auto it = groups->second.begin(); it != groups->second.end();) {
      TakeFrom(it->second, count, woken);
      if (it->second.empty()) {
        groups->second.erase(it++);
      } else {
        ++it;
      }
    }
    if (groups->second.empty()) by_topic_.erase(groups);
  }
  for (const auto& receive : woken) receive->Wake();
}

void WaitList::WakeGroup(uint32_t group, uint32_t topic, size_t count) {
  Woken woken;
  {
    MutexLock lock(&mutex_);
    const auto groups = by_topic_.find(topic);
    if (groups == by_topic_.end()) return;
    const auto it = groups->second.find(group);
    if (it == groups->second.end()) return;
    TakeFrom(it->second, count, woken);
    if (it->second.empty()) groups->second.erase(it);
    if (groups->second.empty()) by_topic_.erase(groups);
  }
  for (const auto& receive : woken) receive->Wake();
}

template <typename Wanted>
WaitList::Woken WaitList::TakeAll(Wanted wanted) {
  Woken woken;
  MutexLock lock(&mutex_);
  for (auto topic = by_topic_.begin(); topic != by_topic_.end();) {
    for (auto group = topic->second.begin(); group != topic->second.end();) {
      if (!wanted(topic->first, group->first)) {
        ++group;
        continue;
      }
      TakeFrom(group->second, SIZE_MAX, woken);
      topic->second.erase(group++);
    }
    if (topic->second.empty()) {
      by_topic_.erase(topic++);
    } else {
      ++topic;
    }
  }
  return woken;
}

void WaitList::WakeAll() {
  for (const auto& receive : TakeAll([](uint32_t, uint32_t) { return true; })) receive->Wake();
}

void WaitList::WakeAllOfTopic(uint32_t id) {
  const Woken woken = TakeAll([id](uint32_t topic, uint32_t) { return topic == id; });
  for (const auto& receive : woken) receive->Wake();
}

void WaitList::WakeAllOfGroups(const absl::flat_hash_set<uint32_t>& groups) {
  const Woken woken =
      TakeAll([&groups](uint32_t, uint32_t group) { return groups.contains(group); });
  for (const auto& receive : woken) receive->Wake();
}

size_t WaitList::CountOf(uint32_t group, uint32_t topic) const {
  MutexLock lock(&mutex_);
  const auto groups = by_topic_.find(topic);
  if (groups == by_topic_.end()) return 0;
  const auto queue = groups->second.find(group);
  return queue == groups->second.end() ? 0 : queue->second.size();
}

size_t WaitList::size() const {
  MutexLock lock(&mutex_);
  return size_;
}

}  // namespace mansio::broker
