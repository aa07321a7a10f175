#include "broker/delay/delay_state.h"

#include <algorithm>
#include <utility>

#include "broker/message/stored_message.h"
#include "common/logging/logging.h"

namespace mansio::broker {

DelayState::DelayState(Metadata* metadata) {
  metadata->AddListener({.topic_changed = [this](const TopicPtr& topic) {
    if (topic->name == kLevelTopic) level_topic_ = topic->id;
    if (topic->name == kTimerTopic) timer_topic_ = topic->id;
  }});
}

store::QueueKey DelayState::QueueOf(uint32_t level) const {
  if (level == 0) return {timer_topic_, 0};
  return {level_topic_, level - 1};
}

std::vector<TimerKey> DelayState::TakeDue(int64_t now_ms, size_t max) {
  MutexLock lock(&mutex_);
  TimerKey end = scan_;
  std::vector<TimerKey> due = FindDue(now_ms, max, &end);
  scan_ = end;
  return due;
}

std::vector<TimerKey> DelayState::Due(int64_t now_ms, size_t max) const {
  MutexLock lock(&mutex_);
  TimerKey end;
  return FindDue(now_ms, max, &end);
}

std::vector<TimerKey> DelayState::FindDue(int64_t now_ms, size_t max, TimerKey* end) const {
  std::vector<TimerKey> due;
  const TimerTable::Keys& keys = pending_.keys();
  for (auto it = keys.lower_bound(scan_); it != keys.end() && it->due_ms <= now_ms; ++it) {
    if (due.size() == max) break;
    *end = it->Next();
    if (!claims_.contains(it->place) && !aside_.contains(*it)) due.push_back(*it);
  }
  return due;
}

void DelayState::PutBack(const TimerKey& first) {
  MutexLock lock(&mutex_);
  scan_ = std::min(scan_, first);
}

std::optional<int64_t> DelayState::NextDue() const {
  MutexLock lock(&mutex_);
  return NextDueFrom(scan_);
}

std::optional<int64_t> DelayState::NextDue(const TimerKey& from) const {
  MutexLock lock(&mutex_);
  return NextDueFrom(from);
}

std::optional<int64_t> DelayState::NextDueFrom(const TimerKey& from) const {
  const auto next = pending_.keys().lower_bound(from);
  if (next == pending_.keys().end()) return std::nullopt;
  return next->due_ms;
}

std::vector<TimerKey> DelayState::Upcoming(const TimerKey& from, int64_t until_ms,
                                           size_t max) const {
  std::vector<TimerKey> upcoming;
  MutexLock lock(&mutex_);
  const TimerTable::Keys& keys = pending_.keys();
  for (auto it = keys.lower_bound(from); it != keys.end() && it->due_ms <= until_ms; ++it) {
    if (upcoming.size() == max) break;
    upcoming.push_back(*it);
  }
  return upcoming;
}

bool DelayState::ClaimFiring(const TimerKey& timer) {
  MutexLock lock(&mutex_);
  return pending_.keys().contains(timer) && claims_.try_emplace(timer.place).second;
}

void DelayState::Unclaim(const TimerKey& timer) {
  MutexLock lock(&mutex_);
  claims_.erase(timer.place);
}

void DelayState::SetAside(const TimerKey& timer) {
  MutexLock lock(&mutex_);
  aside_.insert(timer);
}

void DelayState::TakeUp() {
  MutexLock lock(&mutex_);
  if (aside_.empty()) return;
  scan_ = std::min(scan_, *aside_.begin());
  aside_.clear();
}

bool DelayState::has_aside() const {
  MutexLock lock(&mutex_);
  return !aside_.empty();
}

bool DelayState::IsPending(const TimerKey& timer) const {
  MutexLock lock(&mutex_);
  return pending_.keys().contains(timer);
}

DelayState::Recall DelayState::ClaimRecall(const TimerKey& timer, RecallDone done) {
  MutexLock lock(&mutex_);
  if (recalled_.keys().contains(timer)) return Recall::kBefore;
  if (!pending_.keys().contains(timer)) return Recall::kGone;
  const auto [claim, claimed] = claims_.try_emplace(timer.place);
  if (claimed) {
    claim->second.recall = true;
    claim->second.joined.push_back(std::move(done));
    return Recall::kClaimed;
  }
  if (!claim->second.recall) return Recall::kGone;
  claim->second.joined.push_back(std::move(done));
  return Recall::kJoined;
}

void DelayState::EndRecall(const TimerKey& timer, const absl::Status& status) {
  std::vector<RecallDone> joined;
  {
    MutexLock lock(&mutex_);
    const auto claim = claims_.find(timer.place);
    if (claim == claims_.end()) return;
    joined = std::move(claim->second.joined);
    claims_.erase(claim);
    // Not recalled after all: it fires.
    if (!status.ok()) scan_ = std::min(scan_, timer);
  }
  for (const RecallDone& done : joined) done(status);
  if (!status.ok() && on_earlier_) on_earlier_();
}

std::vector<TimerKey> DelayState::List(const TimerKey& after, size_t max) const {
  std::vector<TimerKey> listed;
  MutexLock lock(&mutex_);
  const TimerTable::Keys& keys = pending_.keys();
  for (auto it = keys.upper_bound(after); it != keys.end() && listed.size() < max; ++it) {
    listed.push_back(*it);
  }
  return listed;
}

std::vector<size_t> DelayState::PendingByLevel() const {
  MutexLock lock(&mutex_);
  return by_level_;
}

std::vector<store::RecordKind> DelayState::Kinds() const {
  return {store::kMessageRecord, kTimersFiredRecord, kTimersRecalledRecord};
}

void DelayState::Apply(const store::RecordView& record) {
  if (record.message == nullptr) return ApplyEnd(record);
  const uint32_t topic = record.message->queue.topic;
  if (topic == level_topic_ || topic == timer_topic_) ApplyMessage(*record.message);
}

void DelayState::ApplyMessage(const store::MessageView& message) {
  const auto content = DecodeContent(message.content);
  const auto provenance = content.ok() ? Provenance::Decode(content->provenance) : content.status();
  if (!provenance.ok()) {
    LOG_ERROR("The delayed message at offset {} cannot be read and is never delivered: {}",
              message.queue_offset, std::string(provenance.status().message()));
    return;
  }
  const TimerKey timer = TimerKey::Of(provenance->due_ms, provenance->level, message.queue_offset);
  MutexLock lock(&mutex_);
  if (!pending_.Insert(timer)) return;
  Insert(timer);
  scan_ = std::min(scan_, timer);
  added_ = true;
}

void DelayState::Insert(const TimerKey& timer) {
  places_.Insert(timer.place);
  if (by_level_.size() <= timer.level()) by_level_.resize(timer.level() + 1);
  ++by_level_[timer.level()];
  pending_count_.store(pending_.keys().size(), std::memory_order_relaxed);
}

void DelayState::Erase(const TimerKey& timer) {
  if (!pending_.Erase(timer)) return;
  places_.Erase(timer.place);
  --by_level_[timer.level()];
  pending_count_.store(pending_.keys().size(), std::memory_order_relaxed);
}

void DelayState::ApplyEnd(const store::RecordView& record) {
  const auto timers = DecodeTimers(record.body);
  if (!timers.ok()) return;
  const bool recalled = record.kind == kTimersRecalledRecord;
  {
    MutexLock lock(&mutex_);
    for (const TimerKey& timer : *timers) {
      Erase(timer);
      if (recalled) {
        recalled_.Insert(timer);
      } else {
        claims_.erase(timer.place);
      }
    }
    ForgetRecalls(record.store_time);
  }
  for (const TimerKey& timer : *timers) {
    store_->ForgetCarried(QueueOf(timer.level()), timer.offset());
  }
  if (record.replay) return;
  (recalled ? recalled_count_ : ended_).fetch_add(timers->size(), std::memory_order_relaxed);
}

void DelayState::ForgetRecalls(int64_t now_ms) {
  const TimerTable::Keys& keys = recalled_.keys();
  while (!keys.empty() &&
         (keys.size() > kRemembered || keys.begin()->due_ms + kRememberMs < now_ms)) {
    recalled_.Erase(TimerKey(*keys.begin()));
  }
}

void DelayState::BatchEnd() {
  if (std::exchange(added_, false) && on_earlier_) on_earlier_();
}

void DelayState::CaptureDirty(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  pending_.CaptureDirty(sink);
  recalled_.CaptureDirty(sink);
}

void DelayState::CaptureAll(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  pending_.CaptureAll(sink);
  recalled_.CaptureAll(sink);
}

absl::Status DelayState::Restore(std::string_view key, std::string_view value) {
  MutexLock lock(&mutex_);
  switch (key.size() > 1 ? key[1] : 0) {
    case 'p': {
      const auto timers = DecodeTimers(value);
      if (!timers.ok()) return timers.status();
      for (const TimerKey& timer : *timers) {
        pending_.Restore(timer);
        Insert(timer);
      }
      return absl::OkStatus();
    }
    case 'r': {
      const auto timers = DecodeTimers(value);
      if (!timers.ok()) return timers.status();
      for (const TimerKey& timer : *timers) recalled_.Restore(timer);
      return absl::OkStatus();
    }
    default:
      return absl::DataLossError("the checkpoint holds an unknown key of the delay feature");
  }
}

void DelayState::Clear() {
  MutexLock lock(&mutex_);
  pending_.Clear();
  recalled_.Clear();
  places_.Clear();
  by_level_.clear();
  claims_.clear();
  aside_.clear();
  scan_ = {};
  pending_count_ = 0;
}

std::vector<store::LiveMessage> DelayState::LiveMessages(store::QueueKey queue,
                                                         store::QueueOffset from,
                                                         store::QueueOffset to, size_t max) const {
  std::vector<store::LiveMessage> live;
  if (queue.topic != level_topic_ && queue.topic != timer_topic_) return live;
  const uint32_t level = queue.topic == timer_topic_ ? 0 : queue.queue + 1;
  const uint64_t end = TimerKey::Of(0, level, to).place;
  MutexLock lock(&mutex_);
  for (auto place = places_.FirstFrom(TimerKey::Of(0, level, from).place);
       place.has_value() && *place < end && live.size() < max;
       place = places_.FirstFrom(*place + 1)) {
    live.push_back({TimerKey{0, *place}.offset()});
  }
  return live;
}

}  // namespace mansio::broker
