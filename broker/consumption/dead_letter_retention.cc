#include "broker/consumption/dead_letter_retention.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "broker/core/codec.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

std::string KeyOf(uint32_t topic) { return ByteWriter().U8('L').Key32(topic).Take(); }

}  // namespace

DeadLetterRetention::DeadLetterRetention(Metadata* metadata, const DeadLetterState* letters,
                                         BrokerTime* time, absl::Duration keep)
    : letters_(letters), time_(time), keep_(keep) {
  metadata->AddListener({
      .topic_changed =
          [this](const TopicPtr& topic) {
            if (topic->kind == TopicKind::kDeadLetter) topics_.try_emplace(topic->id);
          },
      .topic_deleted =
          [this](const TopicPtr& topic) {
            if (topics_.erase(topic->id) > 0) dirty_.insert(topic->id);
          },
  });
}

void DeadLetterRetention::Apply(const store::RecordView& record) {
  const auto topic = topics_.find(record.message->queue.topic);
  if (topic == topics_.end()) return;
  Marks& marks = topic->second;
  if (!marks.empty() && record.store_time < marks.back().time_ms + kMarkMs) return;
  marks.push_back({record.store_time, record.message->queue_offset});
  // One mark that is too old says the same as many.
  const int64_t horizon = record.store_time - absl::ToInt64Milliseconds(keep_);
  while (marks.size() > 1 && marks[1].time_ms < horizon) marks.pop_front();
  dirty_.insert(topic->first);
}

void DeadLetterRetention::Put(uint32_t topic, const Marks& marks, store::StateSink& sink) {
  ByteWriter value;
  for (const Mark& mark : marks) {
    value.Varint(static_cast<uint64_t>(mark.time_ms)).Varint(mark.offset);
  }
  sink.Put(KeyOf(topic), value.Take());
}

void DeadLetterRetention::CaptureDirty(store::StateSink& sink) {
  for (const uint32_t id : dirty_) {
    if (const auto topic = topics_.find(id); topic != topics_.end()) {
      Put(id, topic->second, sink);
    } else {
      sink.Delete(KeyOf(id));
    }
  }
  dirty_.clear();
}

void DeadLetterRetention::CaptureAll(store::StateSink& sink) {
  for (const auto& [id, marks] : topics_) Put(id, marks, sink);
}

absl::Status DeadLetterRetention::Restore(std::string_view key, std::string_view value) {
  ByteReader k(key.substr(1));
  const uint32_t topic = k.Key32();
  ByteReader v(value);
  Marks marks;
  while (v.ok() && !v.AtEnd()) {
    const auto time_ms = static_cast<int64_t>(v.Varint());
    marks.push_back({time_ms, v.Varint()});
  }
  if (!k.ok() || !k.AtEnd() || !v.ok()) {
    return absl::DataLossError("the ages of a group's dead letters cannot be decoded");
  }
  topics_[topic] = std::move(marks);
  return absl::OkStatus();
}

void DeadLetterRetention::Clear() {
  topics_.clear();
  dirty_.clear();
}

store::QueueOffset DeadLetterRetention::YoungFrom(const Marks& marks) const {
  const int64_t horizon = time_->NowMillis() - absl::ToInt64Milliseconds(keep_);
  const auto young = std::partition_point(
      marks.begin(), marks.end(), [horizon](const Mark& mark) { return mark.time_ms < horizon; });
  return young == marks.begin() ? 0 : std::prev(young)->offset;
}

std::vector<store::LiveMessage> DeadLetterRetention::LiveMessages(store::QueueKey queue,
                                                                  store::QueueOffset from,
                                                                  store::QueueOffset to,
                                                                  size_t max) const {
  std::vector<store::LiveMessage> live;
  const auto topic = topics_.find(queue.topic);
  if (topic == topics_.end()) return live;
  // Between two marks the retention looks at each message's own time.
  for (store::QueueOffset offset = std::max(from, YoungFrom(topic->second));
       offset < to && live.size() < max; ++offset) {
    if (!letters_->IsRemoved(queue.topic, offset)) live.push_back({offset, keep_});
  }
  return live;
}

}  // namespace mansio::broker
