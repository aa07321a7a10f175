#include "broker/deadletter/dead_letter_state.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "broker/core/codec.h"
#include "broker/deadletter/records.h"

namespace mansio::broker {

namespace {

constexpr size_t kCountedAtATime = 1024;

std::string ChunkKey(uint32_t topic, uint64_t chunk) {
  return ByteWriter().U8('R').Key32(topic).Varint(chunk).Take();
}

}  // namespace

DeadLetterState::DeadLetterState(Metadata* metadata) {
  metadata->AddListener(
      {.topic_deleted = [this](const TopicPtr& topic) { ForgetTopic(topic->id); }});
}

bool DeadLetterState::IsGone(uint32_t topic, store::QueueOffset offset) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  return it != topics_.end() &&
         (it->second.removed.Contains(offset) || it->second.claimed.contains(offset));
}

bool DeadLetterState::IsRemoved(uint32_t topic, store::QueueOffset offset) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  return it != topics_.end() && it->second.removed.Contains(offset);
}

store::QueueOffset DeadLetterState::SkipRemoved(uint32_t topic, store::QueueOffset offset) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  return it == topics_.end() ? offset : it->second.removed.Skip(offset);
}

store::QueueOffset DeadLetterState::SkipRemovedBack(uint32_t topic,
                                                    store::QueueOffset offset) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  return it == topics_.end() ? offset : it->second.removed.SkipBack(offset);
}

uint64_t DeadLetterState::Count(uint32_t topic) const {
  const store::QueueKey queue{topic, 0};
  const store::QueueRange range = store_->StoredRange(queue);
  uint64_t count = range.next - range.min;
  {
    ReaderMutexLock lock(&mutex_);
    const auto it = topics_.find(topic);
    if (it != topics_.end()) count -= it->second.removed.CountIn(range.min, range.next);
  }
  return count + CountCarried(topic, 0);
}

uint64_t DeadLetterState::CountCarried(uint32_t topic, store::QueueOffset from) const {
  uint64_t count = 0;
  for (;;) {
    const auto carried = store_->CarriedEntries({topic, 0}, from, kCountedAtATime);
    for (const store::CarriedEntry& entry : carried) count += !IsRemoved(topic, entry.offset);
    if (carried.size() < kCountedAtATime) return count;
    from = carried.back().offset + 1;
  }
}

bool DeadLetterState::Claim(uint32_t topic, store::QueueOffset offset) {
  MutexLock lock(&mutex_);
  Letters& letters = topics_[topic];
  return !letters.removed.Contains(offset) && letters.claimed.insert(offset).second;
}

void DeadLetterState::Unclaim(uint32_t topic, const std::vector<store::QueueOffset>& offsets) {
  MutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  if (it == topics_.end()) return;
  for (const store::QueueOffset offset : offsets) it->second.claimed.erase(offset);
}

std::vector<store::RecordKind> DeadLetterState::Kinds() const {
  return {kDeadLettersRemovedRecord};
}

void DeadLetterState::Apply(const store::RecordView& view) {
  const auto record = DeadLettersRemovedRecord::Decode(view.body);
  if (!record.ok()) return;
  const store::QueueOffset first = FirstOf(record->topic);
  {
    MutexLock lock(&mutex_);
    Letters& letters = topics_[record->topic];
    for (const store::QueueOffset offset : record->offsets) {
      letters.removed.Add(offset);
      letters.claimed.erase(offset);
      dirty_.insert({record->topic, RemovedOffsets::ChunkOf(offset)});
    }
    for (const uint64_t chunk : letters.removed.ForgetBefore(first)) {
      dirty_.insert({record->topic, chunk});
    }
  }
  for (const store::QueueOffset offset : record->offsets) {
    store_->ForgetCarried({record->topic, 0}, offset);
  }
}

store::QueueOffset DeadLetterState::FirstOf(uint32_t topic) const {
  const store::QueueOffset min = store_->StoredRange({topic, 0}).min;
  const auto carried = store_->CarriedEntries({topic, 0}, 0, 1);
  return carried.empty() ? min : std::min(min, carried[0].offset);
}

void DeadLetterState::ForgetTopic(uint32_t topic) {
  MutexLock lock(&mutex_);
  const auto it = topics_.find(topic);
  if (it == topics_.end()) return;
  for (const uint64_t chunk : it->second.removed.chunks()) dirty_.insert({topic, chunk});
  topics_.erase(it);
}

void DeadLetterState::CaptureDirty(store::StateSink& sink) {
  ReaderMutexLock lock(&mutex_);
  for (const auto& [topic, chunk] : dirty_) {
    const auto it = topics_.find(topic);
    const std::string bytes = it == topics_.end() ? "" : it->second.removed.Encode(chunk);
    if (bytes.empty()) {
      sink.Delete(ChunkKey(topic, chunk));
    } else {
      sink.Put(ChunkKey(topic, chunk), bytes);
    }
  }
  dirty_.clear();
}

void DeadLetterState::CaptureAll(store::StateSink& sink) {
  ReaderMutexLock lock(&mutex_);
  for (const auto& [topic, letters] : topics_) {
    for (const uint64_t chunk : letters.removed.chunks()) {
      sink.Put(ChunkKey(topic, chunk), letters.removed.Encode(chunk));
    }
  }
}

absl::Status DeadLetterState::Restore(std::string_view key, std::string_view value) {
  ByteReader r(key.substr(1));
  const uint32_t topic = r.Key32();
  const uint64_t chunk = r.Varint();
  if (!r.ok() || !r.AtEnd()) {
    return absl::DataLossError("a key of removed dead letters cannot be decoded");
  }
  MutexLock lock(&mutex_);
  return topics_[topic].removed.Decode(chunk, value);
}

void DeadLetterState::Clear() {
  MutexLock lock(&mutex_);
  topics_.clear();
  dirty_.clear();
}

}  // namespace mansio::broker
