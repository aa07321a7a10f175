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

void TestMachine::DefineTopic(uint32_t topic, uint32_t queues) {
  Set(TopicName(topic), std::to_string(queues));
  store_->DefineTopic(topic, queues);
}

void TestMachine::DropTopic(uint32_t topic) {
  state_.erase(TopicName(topic));
  dirty_.insert(TopicName(topic));
  for (auto it = state_.lower_bound(MessagesOf(topic));
       it != state_.end() && it->first.starts_with(MessagesOf(topic));) {
    dirty_.insert(it->first);
    it = state_.erase(it);
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
  if (key.empty() || (key[0] != 't' && key[0] != 'm' && key[0] != 'p')) {
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

uint64_t TestMachine::applied() const {
  const MutexLock lock(&mutex_);
  return applied_;
}

uint64_t TestMachine::replayed() const {
  const MutexLock lock(&mutex_);
  return replayed_;
}

}  // namespace mansio::store
