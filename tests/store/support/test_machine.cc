#include "tests/store/support/test_machine.h"

#include <fmt/format.h>

#include <utility>

#include "absl/status/status.h"
#include "common/hash/siphash.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {

std::string TopicName(uint32_t topic) { return fmt::format("t{}", topic); }
std::string MessagesOf(uint32_t topic) { return fmt::format("m{}/", topic); }
std::string LiveOf(uint32_t topic) { return fmt::format("l{}/", topic); }
// Zeros in front, so that keys sort as offsets do.
std::string LiveName(QueueKey queue, QueueOffset offset) {
  return fmt::format("l{}/{}/{:020}", queue.topic, queue.queue, offset);
}

std::string EncodePlace(QueueKey queue, QueueOffset offset) {
  std::string body;
  PutLittle(body, queue.topic);
  PutLittle(body, queue.queue);
  PutLittle(body, offset);
  return body;
}
std::pair<QueueKey, QueueOffset> DecodePlace(std::string_view body) {
  return {{GetLittle<uint32_t>(body), GetLittle<uint32_t>(body, 4)},
          GetLittle<QueueOffset>(body, 8)};
}

QueueOffset OffsetOfLiveName(const std::string& name) {
  return std::stoull(name.substr(name.rfind('/') + 1));
}

}  // namespace

void TestMachine::AddDefineTopic(Append& append, uint32_t topic, uint32_t queues) {
  std::string body;
  PutLittle(body, topic);
  PutLittle(body, queues);
  append.AddRecord(kDefineTopic, body);
}

void TestMachine::AddDropTopic(Append& append, uint32_t topic) {
  std::string body;
  PutLittle(body, topic);
  append.AddRecord(kDropTopic, body);
}

void TestMachine::AddRelease(Append& append, QueueKey queue, QueueOffset offset) {
  append.AddRecord(kRelease, EncodePlace(queue, offset));
}

void TestMachine::AddHold(Append& append, QueueKey queue, QueueOffset offset) {
  append.AddRecord(kHold, EncodePlace(queue, offset));
}

bool TestMachine::HoldFirst(QueueKey queue, Append& append) {
  const MutexLock lock(&mutex_);
  const QueueRange range = store_->Range(queue);
  if (range.min >= range.next) return false;
  claimed_.insert(LiveName(queue, range.min));
  AddHold(append, queue, range.min);
  return true;
}

void TestMachine::AddPut(Append& append, std::string_view key, std::string_view value) {
  append.AddRecord(kPut, fmt::format("{}={}", key, value));
}

void TestMachine::Apply(const RecordView& record) {
  {
    const MutexLock lock(&mutex_);
    ++applied_;
    if (record.replay) ++replayed_;
    if (record.kind == kMessageRecord) {
      const MessageView& message = *record.message;
      if (!state_.contains(TopicName(message.queue.topic))) return;
      const std::string key = MessagesOf(message.queue.topic) + std::to_string(message.queue.queue);
      const std::string text =
          fmt::format("{}|{}|{}|{}|{}", state_[key], message.queue_offset, message.tag_hash,
                      record.position.offset, message.content);
      Set(key, fmt::format("{:016x}", SipHash24({1, 2}, text)));
      if (message.tag_hash == kLiveTag) Set(LiveName(message.queue, message.queue_offset), "");
    } else if (record.kind == kRelease) {
      const auto [queue, offset] = DecodePlace(record.body);
      Release(queue, offset);
    } else if (record.kind == kHold) {
      const auto [queue, offset] = DecodePlace(record.body);
      claimed_.erase(LiveName(queue, offset));
      Set(LiveName(queue, offset), "");
    } else if (record.kind == kDefineTopic) {
      DefineTopic(GetLittle<uint32_t>(record.body), GetLittle<uint32_t>(record.body, 4));
    } else if (record.kind == kDropTopic) {
      DropTopic(GetLittle<uint32_t>(record.body));
    } else {
      const size_t split = record.body.find('=');
      Set("p" + std::string(record.body.substr(0, split)),
          std::string(record.body.substr(split + 1)));
    }
  }
  if (on_apply) on_apply(record);
}

void TestMachine::Release(QueueKey queue, QueueOffset offset) {
  state_.erase(LiveName(queue, offset));
  dirty_.insert(LiveName(queue, offset));
  store_->ForgetCarried(queue, offset);
}

void TestMachine::DefineTopic(uint32_t topic, uint32_t queues) {
  Set(TopicName(topic), std::to_string(queues));
  store_->DefineTopic(topic, queues);
}

void TestMachine::DropTopic(uint32_t topic) {
  state_.erase(TopicName(topic));
  dirty_.insert(TopicName(topic));
  for (const std::string& prefix : {MessagesOf(topic), LiveOf(topic)}) {
    for (auto it = state_.lower_bound(prefix);
         it != state_.end() && it->first.starts_with(prefix);) {
      dirty_.insert(it->first);
      it = state_.erase(it);
    }
  }
  store_->DropTopic(topic);
}

void TestMachine::Set(const std::string& key, std::string value) {
  state_[key] = std::move(value);
  dirty_.insert(key);
}

void TestMachine::CaptureDirty(StateSink& sink) {
  const MutexLock lock(&mutex_);
  for (const std::string& key : dirty_) {
    const auto it = state_.find(key);
    if (it == state_.end()) {
      sink.Delete(key);
    } else {
      sink.Put(key, it->second);
    }
  }
  dirty_.clear();
}

void TestMachine::CaptureAll(StateSink& sink) {
  const MutexLock lock(&mutex_);
  for (const auto& [key, value] : state_) sink.Put(key, value);
}

absl::Status TestMachine::Restore(std::string_view key, std::string_view value) {
  if (key.empty() || std::string_view("tmpl").find(key[0]) == std::string_view::npos) {
    return absl::DataLossError("an unknown key");
  }
  const MutexLock lock(&mutex_);
  state_[std::string(key)] = value;
  if (key[0] == 't') {
    store_->DefineTopic(static_cast<uint32_t>(std::stoul(std::string(key.substr(1)))),
                        static_cast<uint32_t>(std::stoul(std::string(value))));
  }
  return absl::OkStatus();
}

void TestMachine::Clear() {
  const MutexLock lock(&mutex_);
  state_.clear();
  claimed_.clear();
  dirty_.clear();
}

std::string TestMachine::Digest() const {
  const MutexLock lock(&mutex_);
  std::string text;
  for (const auto& [key, value] : state_) text += fmt::format("{}={}\n", key, value);
  return text;
}

std::string TestMachine::Get(const std::string& key) const {
  const MutexLock lock(&mutex_);
  const auto it = state_.find("p" + key);
  return it == state_.end() ? "" : it->second;
}

std::vector<LiveMessage> TestMachine::LiveMessages(QueueKey queue, QueueOffset from, QueueOffset to,
                                                   size_t max) const {
  if (on_live) on_live();
  const MutexLock lock(&mutex_);
  const std::string begin = LiveName(queue, from);
  const std::string end = LiveName(queue, to);
  std::set<QueueOffset> found;
  for (auto it = state_.lower_bound(begin); it != state_.end() && it->first < end; ++it) {
    found.insert(OffsetOfLiveName(it->first));
  }
  for (auto it = claimed_.lower_bound(begin); it != claimed_.end() && *it < end; ++it) {
    found.insert(OffsetOfLiveName(*it));
  }
  std::vector<LiveMessage> live;
  for (const QueueOffset offset : found) {
    if (live.size() < max && !hides_live) live.push_back({offset, keep});
  }
  return live;
}

std::vector<std::pair<QueueKey, QueueOffset>> TestMachine::Live() const {
  const MutexLock lock(&mutex_);
  std::vector<std::pair<QueueKey, QueueOffset>> live;
  for (auto it = state_.lower_bound("l"); it != state_.end() && it->first[0] == 'l'; ++it) {
    const std::string text = it->first.substr(1);
    const size_t first = text.find('/');
    const size_t last = text.rfind('/');
    live.emplace_back(
        QueueKey{static_cast<uint32_t>(std::stoul(text.substr(0, first))),
                 static_cast<uint32_t>(std::stoul(text.substr(first + 1, last - first - 1)))},
        std::stoull(text.substr(last + 1)));
  }
  return live;
}

uint64_t TestMachine::applied() const {
  const MutexLock lock(&mutex_);
  return applied_;
}

uint64_t TestMachine::replayed() const {
  const MutexLock lock(&mutex_);
  return replayed_;
}

}  // namespace mansio::store
