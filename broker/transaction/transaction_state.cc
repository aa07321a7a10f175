#include "broker/transaction/transaction_state.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

bool IsRollback(TransactionOutcome outcome) {
  return outcome == TransactionOutcome::kRolledBack || outcome == TransactionOutcome::kExpired;
}

// Whether somebody who wants `wanted` can be content with `decided`.
bool SameWay(TransactionOutcome wanted, TransactionOutcome decided) {
  return IsRollback(wanted) == IsRollback(decided);
}

absl::Status OtherWay(std::string_view what) {
  return WireError(apache::rocketmq::v2::INVALID_TRANSACTION_ID,
                   fmt::format("this transaction {}; that cannot be changed", what));
}

absl::Status JudgeEnded(std::optional<TransactionOutcome> outcome, TransactionOutcome wanted) {
  if (!outcome || *outcome == TransactionOutcome::kPending) return UnknownTransaction();
  if (SameWay(wanted, *outcome)) return absl::OkStatus();
  switch (*outcome) {
    case TransactionOutcome::kCommitted:
      return OtherWay("was committed");
    case TransactionOutcome::kExpired:
      return OtherWay(
          "was rolled back by the broker, because nobody ended it until after its last check; its "
          "message is in TRANS_CHECK_MAX_TIME_TOPIC");
    default:
      return OtherWay("was rolled back");
  }
}

}  // namespace

absl::Status UnknownTransaction() {
  return WireError(apache::rocketmq::v2::INVALID_TRANSACTION_ID,
                   "this transaction is not known: it ended so long ago that its outcome is not "
                   "remembered, or its message was lost with a power cut before it was flushed");
}

TransactionState::TransactionState(Metadata* metadata) : metadata_(metadata) {
  metadata->AddListener(
      {.topic_deleted = [this](const TopicPtr& topic) { ForgetTopic(topic->id); }});
}

TransactionState::ClaimResult TransactionState::ClaimEnd(HalfKey key, TransactionOutcome outcome,
                                                         Done& done) {
  MutexLock lock(&mutex_);
  const auto half = halves_.find(key.half);
  if (half == halves_.end() || half->second.epoch != key.epoch) {
    return {Claim::kDecided, JudgeEnded(outcomes_.Find(key.epoch, key.half), outcome), {}};
  }
  const auto [claim, mine] = claims_.try_emplace(key.half);
  if (mine) {
    claim->second.outcome = outcome;
  } else if (!SameWay(outcome, claim->second.outcome)) {
    return {Claim::kDecided,
            OtherWay(IsRollback(outcome) ? "is being committed" : "is being rolled back"),
            {}};
  }
  claim->second.waiting.push_back(std::move(done));
  return {mine ? Claim::kMine : Claim::kJoined, absl::OkStatus(), half->second};
}

void TransactionState::Ended(store::QueueOffset half, const absl::Status& status) {
  std::vector<Done> waiting;
  {
    MutexLock lock(&mutex_);
    const auto claim = claims_.find(half);
    if (claim == claims_.end()) return;
    waiting = std::move(claim->second.waiting);
    claims_.erase(claim);
  }
  for (Done& done : waiting) done(status);
}

std::optional<Half> TransactionState::Find(store::QueueOffset half) const {
  MutexLock lock(&mutex_);
  const auto it = halves_.find(half);
  if (it == halves_.end()) return std::nullopt;
  return it->second;
}

bool TransactionState::IsClaimed(store::QueueOffset half) const {
  MutexLock lock(&mutex_);
  return claims_.contains(half);
}

std::optional<store::Epoch> TransactionState::EpochOf(store::QueueOffset half) const {
  MutexLock lock(&mutex_);
  return outcomes_.EpochOf(half);
}

std::optional<Half> TransactionState::Find(HalfKey key) const {
  MutexLock lock(&mutex_);
  const auto it = halves_.find(key.half);
  if (it == halves_.end() || it->second.epoch != key.epoch) return std::nullopt;
  return it->second;
}

std::optional<TransactionOutcome> TransactionState::OutcomeOf(HalfKey key) const {
  MutexLock lock(&mutex_);
  const auto it = halves_.find(key.half);
  if (it != halves_.end() && it->second.epoch == key.epoch) return TransactionOutcome::kPending;
  return outcomes_.Find(key.epoch, key.half);
}

std::vector<std::pair<store::QueueOffset, Half>> TransactionState::List(store::QueueOffset from,
                                                                        size_t max,
                                                                        uint32_t topic) const {
  std::vector<std::pair<store::QueueOffset, Half>> found;
  MutexLock lock(&mutex_);
  for (auto it = halves_.lower_bound(from); it != halves_.end() && found.size() < max; ++it) {
    if (topic == 0 || it->second.topic == topic) found.emplace_back(it->first, it->second);
  }
  return found;
}

absl::btree_map<uint32_t, size_t> TransactionState::CountByTopic() const {
  MutexLock lock(&mutex_);
  return pending_by_topic_;
}

size_t TransactionState::pending() const {
  MutexLock lock(&mutex_);
  return halves_.size();
}

TransactionTotals TransactionState::totals() const {
  MutexLock lock(&mutex_);
  return totals_;
}

std::vector<store::LiveMessage> TransactionState::LiveMessages(store::QueueKey queue,
                                                               store::QueueOffset from,
                                                               store::QueueOffset to,
                                                               size_t max) const {
  std::vector<store::LiveMessage> live;
  const TopicPtr topic = metadata_->FindTopic(kHalfTopic);
  if (topic == nullptr || topic->id != queue.topic) return live;
  MutexLock lock(&mutex_);
  for (auto it = halves_.lower_bound(from);
       it != halves_.end() && it->first < to && live.size() < max; ++it) {
    live.push_back({it->first});
  }
  return live;
}

std::vector<store::RecordKind> TransactionState::Kinds() const {
  return {store::kMessageRecord, kHalfRecord, kTransactionEndRecord, kHalvesCheckedRecord};
}

void TransactionState::Apply(const store::RecordView& record) {
  switch (record.kind) {
    case store::kMessageRecord:
      last_offset_ = record.message->queue_offset;
      last_stored_ms_ = record.message->store_time;
      break;
    case kHalfRecord:
      if (auto r = HalfRecord::Decode(record.body); r.ok()) ApplyHalf(*r, record.position.epoch);
      break;
    case kTransactionEndRecord:
      if (auto r = TransactionEndRecord::Decode(record.body); r.ok()) {
        const std::optional<Half> half = record.replay ? std::nullopt : Find(r->half);
        ApplyEnd(*r);
        if (half) CountEnd(*half, r->outcome, record.store_time);
      }
      break;
    case kHalvesCheckedRecord:
      if (auto r = HalvesCheckedRecord::Decode(record.body); r.ok()) ApplyChecked(*r);
      break;
  }
}

void TransactionState::ApplyHalf(const HalfRecord& record, store::Epoch epoch) {
  Half half;
  half.epoch = epoch;
  half.topic = record.topic;
  half.stored_ms = last_stored_ms_;
  half.recovery_ms = record.recovery_ms;
  {
    MutexLock lock(&mutex_);
    InsertHalf(last_offset_, half);
    outcomes_.Add(epoch, last_offset_);
    ++totals_.halves;
  }
  dirty_.insert(last_offset_);
  dirty_totals_ = true;
  if (hooks_.half_added) hooks_.half_added(last_offset_, half);
}

void TransactionState::ApplyEnd(const TransactionEndRecord& record) {
  const std::optional<Half> half = Find(record.half);
  if (!half) return;  // ended with its topic before
  {
    MutexLock lock(&mutex_);
    EraseHalf(record.half, record.outcome);
  }
  ForgetCarried({record.half});
  if (hooks_.half_ended) hooks_.half_ended(record.half, *half);
}

void TransactionState::CountEnd(const Half& half, TransactionOutcome outcome,
                                store::StoreTime now) {
  finish_ms_.Record(now - half.stored_ms);
  const TopicPtr topic = metadata_->FindTopic(half.topic);
  if (topic == nullptr) return;
  (IsRollback(outcome) ? topic->counters->rolled_back : topic->counters->committed).Add();
}

void TransactionState::InsertHalf(store::QueueOffset offset, const Half& half) {
  if (halves_.insert_or_assign(offset, half).second) ++pending_by_topic_[half.topic];
}

void TransactionState::EraseHalf(store::QueueOffset offset, TransactionOutcome outcome) {
  const auto half = halves_.find(offset);
  // What no checkpoint holds needs no deletion there: most halves end before the next one.
  if (half->second.in_checkpoint) {
    dirty_.insert(offset);
  } else {
    dirty_.erase(offset);
  }
  const auto pending = pending_by_topic_.find(half->second.topic);
  if (--pending->second == 0) pending_by_topic_.erase(pending);
  halves_.erase(half);
  outcomes_.Set(offset, outcome);
  totals_.committed += outcome == TransactionOutcome::kCommitted;
  totals_.rolled_back += outcome == TransactionOutcome::kRolledBack;
  totals_.expired += outcome == TransactionOutcome::kExpired;
  dirty_totals_ = true;
}

void TransactionState::ApplyChecked(const HalvesCheckedRecord& record) {
  MutexLock lock(&mutex_);
  for (const store::QueueOffset offset : record.halves) {
    const auto half = halves_.find(offset);
    if (half == halves_.end()) continue;
    ++half->second.checks;
    half->second.checked_ms = record.at_ms;
    dirty_.insert(offset);
  }
}

void TransactionState::ForgetTopic(uint32_t topic) {
  const auto ended = List(0, SIZE_MAX, topic);
  {
    MutexLock lock(&mutex_);
    for (const auto& [offset, half] : ended) EraseHalf(offset, TransactionOutcome::kRolledBack);
  }
  std::vector<store::QueueOffset> offsets;
  for (const auto& [offset, half] : ended) offsets.push_back(offset);
  ForgetCarried(offsets);
  for (const auto& [offset, half] : ended) {
    if (hooks_.half_ended) hooks_.half_ended(offset, half);
  }
}

void TransactionState::ForgetCarried(const std::vector<store::QueueOffset>& halves) {
  const TopicPtr topic = metadata_->FindTopic(kHalfTopic);
  if (topic == nullptr) return;
  for (const store::QueueOffset half : halves) store_->ForgetCarried({topic->id, 0}, half);
}

}  // namespace mansio::broker
