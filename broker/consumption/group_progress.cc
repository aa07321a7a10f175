#include "broker/consumption/group_progress.h"

#include <algorithm>
#include <utility>

namespace mansio::broker {

namespace {

// How far one receive looks past messages that its filter does not want before it lets others work.
constexpr size_t kMaxScan = 4096;
constexpr size_t kScanStep = 64;
// The same for a filter that reads messages, in bytes that it looks at: some 0.1 ms.
constexpr size_t kMaxFilteredBytes = 256 * 1024;
// A cursor that only passed over messages is logged after this many. Fewer are passed over again
// after a restart, which costs less than a record for each message that nobody wants.
constexpr uint64_t kUnloggedSkips = 1024;
// One in so many receives looks at retries first.
constexpr uint64_t kRetryTurn = 4;
// One in so many receives by guarded priority begins with a queue in its turn.
constexpr uint64_t kGuardTurn = 8;

// The queue that a Take looks at after `i` others: round from `first`, or the highest ones first.
uint32_t QueueAt(uint32_t i, uint32_t first, uint32_t count, bool in_turn) {
  if (in_turn) return (first + i) % count;
  if (i == 0) return first;
  const uint32_t id = count - i;
  return id > first ? id : id - 1;
}

LeaseRecord& RecordOf(TakeOutcome& outcome, uint32_t topic) {
  for (LeaseRecord& record : outcome.records) {
    if (record.topic == topic) return record;
  }
  LeaseRecord& record = outcome.records.emplace_back();
  record.topic = topic;
  return record;
}

// Whether retention decides at the moment about a message that was never handed out: if it were
// now, it would not be kept.
bool IsLeaving(const store::Store& store, store::QueueKey key, const QueueProgress& progress,
               store::QueueOffset offset, store::QueueOffset min) {
  return offset < min && progress.WaitsForFirst(offset) && offset >= store.StoredRange(key).min;
}

}  // namespace

// The part of one Take that concerns one queue.
class QueueTake {
 public:
  // `outlives_segments`: its messages are kept for a time of their own, as dead letters are.
  QueueTake(const store::Store& store, store::QueueKey key, QueueProgress& progress,
            const TakeRequest& request, TakeOutcome& outcome, bool outlives_segments = false)
      : store_(store),
        key_(key),
        progress_(progress),
        request_(request),
        outcome_(outcome),
        outlives_segments_(outlives_segments) {
    offsets_.queue = key.queue;
  }

  // FIFO: takes once more what the receive's attempt id holds.
  void RunHeld(size_t max) {
    const Lease& by = request_.lease;
    for (const auto& [offset, lease] : progress_.HeldBy(by.owner, by.attempt_id, max)) {
      const auto entries = Entries(offset, 1);
      if (!entries.has_value()) {
        Cold(offset);
        return;
      }
      const store::QueueEntry entry = entries->empty() ? store::QueueEntry{} : entries->front();
      outcome_.taken.push_back(
          {key_, offset, entry, lease.attempt, lease.id, false, lease.deadline_ms});
    }
  }

  // Takes up to `max`; false when what comes next is not in memory.
  bool Run(size_t max, store::QueueRange range) {
    const store::QueueOffset begin = progress_.next();
    const bool hot =
        TakeReturned(max, range.min) && TakeCarried(max, range.min) && TakeNew(max, range);
    progress_.EndTake();
    offsets_.cursor = progress_.next();
    const bool skipped_far =
        progress_.next() != begin && progress_.next() - progress_.cursor() >= kUnloggedSkips;
    if (!offsets_.offsets.empty() || !offsets_.passed.empty() || skipped_far) {
      std::sort(offsets_.offsets.begin(), offsets_.offsets.end());
      LeaseRecord& record = RecordOf(outcome_, key_.topic);
      record.queues.push_back(std::move(offsets_));
    }
    return hot;
  }

  // Messages that were looked at, had to wait, and were deleted by retention meanwhile.
  uint64_t missed() const { return missed_; }

 private:
  bool Full(size_t max) const {
    return offsets_.offsets.size() >= max || outcome_.bytes >= request_.max_bytes;
  }

  bool TakeReturned(size_t max, store::QueueOffset min) {
    for (store::QueueOffset from = 0; !Full(max);) {
      const auto next = progress_.ready().lower_bound(from);
      if (next == progress_.ready().end()) break;
      const store::QueueOffset offset = *next;
      from = offset + 1;
      if (offset < min && !outlives_segments_ && progress_.WaitsForFirst(offset)) {
        if (IsLeaving(store_, key_, progress_, offset, min)) continue;
        if (!IsCarried(offset)) {
          // Retention keeps what was handed out only. An empty entry is acknowledged unread.
          ++missed_;
          Claim(offset, {}, false);
          continue;
        }
      }
      const auto entries = Entries(offset, 1);
      if (!entries.has_value()) return Cold(offset);
      // None: retention has taken the message all the same (its segment was damaged, or deleted by
      // hand). The lease goes with an ack of the reader that finds it gone.
      Claim(offset, entries->empty() ? store::QueueEntry{} : entries->front(), false);
    }
    return true;
  }

  // One whose delivery was taken back uncounted, or that another group holds, may be.
  bool IsCarried(store::QueueOffset offset) const {
    const auto carried = store_.CarriedEntries(key_, offset, 1);
    return !carried.empty() && carried[0].offset == offset;
  }

  // Dead letters that were carried forward come before the one that the queue begins with now.
  bool TakeCarried(size_t max, store::QueueOffset min) {
    while (outlives_segments_ && progress_.next() < progress_.LookEnd(min) && MayGoOn(max)) {
      const store::QueueOffset from = progress_.next();
      const auto entries =
          Entries(from, std::min<size_t>(kScanStep, progress_.LookEnd(min) - from));
      if (!entries.has_value()) return Cold(from);
      if (entries->empty()) {
        const auto carried = store_.CarriedEntries(key_, from, 1);
        progress_.SkipTo(carried.empty() ? min : std::min(min, carried[0].offset));
      } else if (!TakeEach(from, *entries, max)) {
        return false;
      }
    }
    return true;
  }

  bool TakeNew(size_t max, store::QueueRange range) {
    while (progress_.next() < range.next && MayGoOn(max)) {
      const store::QueueOffset from = progress_.next();
      const size_t want = request_.filter->all() ? max - offsets_.offsets.size() : kScanStep;
      const auto entries = Entries(from, std::min<size_t>(want, range.next - from));
      if (!entries.has_value()) return Cold(from);
      if (entries->empty()) break;
      if (!TakeEach(from, *entries, max)) return false;
    }
    return true;
  }

  // Takes or passes over entries from next() on; false when the cold pool has to read one.
  bool TakeEach(store::QueueOffset from, const std::vector<store::QueueEntry>& entries,
                size_t max) {
    for (size_t i = 0; i < entries.size() && MayGoOn(max); ++i) {
      if (!TakeOne(from + i, entries[i])) return Cold(from + i);
    }
    return true;
  }

  // Takes or passes over the message at next(); false when the filter has to read it from disk.
  bool TakeOne(store::QueueOffset offset, const store::QueueEntry& entry) {
    const std::optional<bool> wanted = Removed(offset) ? false : Wanted(offset, entry);
    if (!wanted.has_value()) return false;
    if (*wanted) {
      TakeWanted(offset, entry);
    } else {
      progress_.SkipTo(offset + 1);
      ++outcome_.passed_over;
    }
    return true;
  }

  void TakeWanted(store::QueueOffset offset, const store::QueueEntry& entry) {
    const MessageGroupHash group = MessageGroupHashOf(entry.tag_hash);
    if (progress_.fifo()) offsets_.passed.push_back({offset, group});
    if (progress_.MustWait(group)) {
      progress_.ClaimWait(group);
    } else {
      ++outcome_.fresh;
      Claim(offset, entry, request_.filter->reads_messages());
    }
  }

  std::optional<std::vector<store::QueueEntry>> Entries(store::QueueOffset from, size_t max) const {
    if (auto hot = store_.HotEntries(key_, from, max); hot.has_value()) return hot;
    const ColdEntries* cold = request_.cold;
    if (cold == nullptr || !cold->Contains(key_, from)) return std::nullopt;
    const auto first = cold->entries.begin() + static_cast<ptrdiff_t>(from - cold->from);
    const size_t count = std::min<size_t>(max, cold->entries.end() - first);
    return std::vector<store::QueueEntry>(first, first + static_cast<ptrdiff_t>(count));
  }

  bool MayGoOn(size_t max) { return !Full(max) && MayFilter() && MayLease(); }

  // The bounds are those of a whole Take: a topic can have many queues.
  bool MayFilter() const {
    return outcome_.passed_over < kMaxScan && outcome_.filtered_bytes < kMaxFilteredBytes;
  }

  // Whether the limits allow one more that comes for the first time.
  bool MayLease() {
    const size_t held = progress_.outstanding() - progress_.waiting();
    if (held >= request_.max_queue_leases) outcome_.at_queue_limit = true;
    if (outcome_.fresh >= request_.max_new) outcome_.at_group_limit = true;
    return !outcome_.at_group_limit && held < request_.max_queue_leases;
  }

  bool Removed(store::QueueOffset offset) const {
    return request_.dead_letters != nullptr && request_.dead_letters->IsRemoved(key_.topic, offset);
  }

  // What the filter says of a new message; nullopt when it has to see it and it is not in memory,
  // or is so expensive to judge that the cold pool has to.
  std::optional<bool> Wanted(store::QueueOffset offset, const store::QueueEntry& entry) {
    const MessageFilter& filter = *request_.filter;
    if (!filter.reads_messages()) return filter.MayMatch(TagHashOf(entry.tag_hash));
    const ColdEntries* cold = request_.cold;
    if (cold != nullptr && cold->Contains(key_, offset)) {
      return cold->wanted[offset - cold->from];
    }
    const auto message = store_.HotMessage(key_, offset, entry);
    if (!message.has_value()) return std::nullopt;
    const absl::StatusOr<StoredContent> content = DecodeContent(message->view.content);
    if (!content.ok()) return true;  // its delivery reports the damage
    const size_t cost = filter.Cost(*content);
    if (cost > kMaxFilteredBytes) return std::nullopt;
    outcome_.filtered_bytes += cost;
    return filter.Matches(*content);
  }

  bool Cold(store::QueueOffset from) {
    if (!outcome_.cold_queue.has_value()) {
      outcome_.cold_queue = key_;
      outcome_.cold_from = from;
    }
    return false;
  }

  void Claim(store::QueueOffset offset, const store::QueueEntry& entry, bool judged) {
    const uint32_t attempt =
        progress_.ClaimLease(offset, request_.lease, MessageGroupHashOf(entry.tag_hash));
    outcome_.taken.push_back(
        {key_, offset, entry, attempt, {}, judged, request_.lease.deadline_ms});
    outcome_.bytes += entry.size;
    offsets_.offsets.push_back(offset);
  }

  const store::Store& store_;
  const store::QueueKey key_;
  QueueProgress& progress_;
  const TakeRequest& request_;
  TakeOutcome& outcome_;
  const bool outlives_segments_;
  QueueOffsets offsets_;
  uint64_t missed_ = 0;
};

TakeOutcome TopicProgress::Take(const store::Store& store, uint32_t topic,
                                std::optional<RetryQueue> retry, const TakeRequest& request,
                                absl::FunctionRef<void(store::QueueKey, uint64_t)> missed) {
  TakeOutcome outcome;
  rewind_.clear();
  for (const QueueProgress& progress : queues_) rewind_.push_back(progress.next());
  if (retry.has_value()) rewind_retry_ = retry->progress->next();
  if (TakeHeld(store, topic, request, outcome)) return outcome;
  bool ended = false;
  const auto take = [&](store::QueueKey key, QueueProgress& progress) {
    store::QueueRange range = store.Range(key);
    // Of dead letters, those that were carried forward are below the minimum.
    const bool outlives_segments = request.dead_letters != nullptr && key.topic == topic;
    if (progress.next() < range.min && !outlives_segments) {
      missed(key, range.min - progress.next());
      progress.SkipTo(range.min);
    }
    range.next = progress.LookEnd(range.next);
    if (progress.ready().empty() && progress.next() >= range.next) return;
    QueueTake queue_take(store, key, progress, request, outcome, outlives_segments);
    const bool hot = queue_take.Run(request.max - outcome.taken.size(), range);
    if (queue_take.missed() > 0) missed(key, queue_take.missed());
    // Others that are always hot must not keep a cold queue waiting: it is read now.
    ended = (!hot && outcome.taken.empty()) || outcome.taken.size() >= request.max ||
            outcome.bytes >= request.max_bytes;
  };
  // A receive comes back to the queue that it had to read from disk, whose turn it was.
  const ColdEntries* cold = request.cold;
  const bool retry_first = retry.has_value() && (cold != nullptr ? cold->queue == retry->key
                                                                 : takes_++ % kRetryTurn == 0);
  if (retry_first) take(retry->key, *retry->progress);
  const auto count = static_cast<uint32_t>(queues_.size());
  const bool in_turn = TakesInTurn(request);
  uint32_t first = in_turn ? turn_ : count - 1;
  if (cold != nullptr && cold->queue.topic == topic) first = cold->queue.queue;
  for (uint32_t i = 0; i < count && !ended; ++i) {
    const uint32_t id = QueueAt(i, first, count, in_turn);
    take({topic, id}, queues_[id]);
  }
  if (retry.has_value() && !retry_first && !ended) take(retry->key, *retry->progress);
  if (in_turn) EndTurn(topic, request, outcome);
  if (!outcome.taken.empty()) outcome.cold_queue.reset();
  outcome.more = HasMore(store, topic, retry);
  return outcome;
}

bool TopicProgress::TakesInTurn(const TakeRequest& request) {
  if (request.order != QueueOrder::kGuardedPriority) return request.order == QueueOrder::kTurns;
  return request.cold == nullptr && ++guard_ % kGuardTurn == 0;
}

void TopicProgress::EndTurn(uint32_t topic, const TakeRequest& request,
                            const TakeOutcome& outcome) {
  if (queues_.empty() || request.cold != nullptr) return;
  uint32_t served = turn_;
  if (request.order == QueueOrder::kGuardedPriority) {
    // The turn is that of the next queue which has something, or few of them would get far.
    const auto taken =
        std::find_if(outcome.taken.begin(), outcome.taken.end(),
                     [topic](const TakenMessage& message) { return message.queue.topic == topic; });
    if (taken != outcome.taken.end()) served = taken->queue.queue;
  }
  turn_ = (served + 1) % static_cast<uint32_t>(queues_.size());
}

QueueProgress* TopicProgress::appended(uint32_t id) {
  if (const auto ended = ended_.find(id); ended != ended_.end()) {
    for (Ended& e : ended->second) {
      if (!e.move_appended) return &e.progress;
    }
  }
  return queue(id);
}

QueueProgress* TopicProgress::applied(uint32_t id) {
  const auto ended = ended_.find(id);
  return ended != ended_.end() ? &ended->second.front().progress : queue(id);
}

void TopicProgress::ClaimMove(uint32_t id, store::QueueOffset cursor) {
  ended_[id].push_back({std::exchange(queues_[id], QueueProgress(cursor, queues_[id].fifo()))});
}

void TopicProgress::UnclaimMove(uint32_t id) {
  const auto ended = ended_.find(id);
  queues_[id] = std::move(ended->second.back().progress);
  ended->second.pop_back();
  if (ended->second.empty()) ended_.erase(ended);
}

void TopicProgress::MoveAppended(uint32_t id) {
  const auto ended = ended_.find(id);
  if (ended == ended_.end()) return;
  for (Ended& e : ended->second) {
    if (!std::exchange(e.move_appended, true)) return;
  }
}

void TopicProgress::ApplyMove(uint32_t id, store::QueueOffset cursor) {
  const auto ended = ended_.find(id);
  if (ended == ended_.end()) {
    if (QueueProgress* progress = queue(id)) *progress = QueueProgress(cursor, progress->fifo());
    return;
  }
  ended->second.pop_front();
  if (ended->second.empty()) ended_.erase(ended);
}

bool TopicProgress::TakeHeld(const store::Store& store, uint32_t topic, const TakeRequest& request,
                             TakeOutcome& outcome) {
  // Some SDKs send an attempt id with every receive: cheap for groups without order.
  if (request.lease.attempt_id == 0 || queues_.empty() || !queues_[0].fifo()) return false;
  for (uint32_t id = 0; id < queues_.size(); ++id) {
    QueueTake(store, {topic, id}, queues_[id], request, outcome)
        .RunHeld(request.max - outcome.taken.size());
  }
  if (outcome.taken.empty()) return outcome.cold_queue.has_value();
  outcome.cold_queue.reset();
  return true;
}

void TopicProgress::Undo(const TakeOutcome& outcome, std::optional<RetryQueue> retry) {
  for (const TakenMessage& message : outcome.taken) {
    const bool retried = retry.has_value() && message.queue == retry->key;
    QueueProgress& progress = retried ? *retry->progress : queues_[message.queue.queue];
    progress.Unclaim(message.offset);
  }
  for (size_t i = 0; i < queues_.size() && i < rewind_.size(); ++i) queues_[i].RewindTo(rewind_[i]);
  if (retry.has_value()) retry->progress->RewindTo(rewind_retry_);
}

bool TopicProgress::HasMore(const store::Store& store, uint32_t topic,
                            std::optional<RetryQueue> retry) const {
  const auto more = [&store](store::QueueKey key, const QueueProgress& progress) {
    const store::QueueRange range = store.Range(key);
    return progress.next() < progress.LookEnd(range.next) ||
           std::any_of(progress.ready().begin(), progress.ready().end(), [&](auto offset) {
             return !IsLeaving(store, key, progress, offset, range.min);
           });
  };
  for (uint32_t id = 0; id < queues_.size(); ++id) {
    if (more({topic, id}, queues_[id])) return true;
  }
  return retry.has_value() && more(retry->key, *retry->progress);
}

std::optional<RetryQueue> GroupProgress::RetryOf(uint32_t origin) {
  const auto it = retry_queues.find(origin);
  if (it == retry_queues.end()) return std::nullopt;
  const store::QueueKey key{retry_topic, it->second};
  QueueProgress* progress = Queue(key);
  if (progress == nullptr) return std::nullopt;
  return RetryQueue{key, progress};
}

QueueProgress* GroupProgress::Queue(store::QueueKey key) {
  const auto topic = topics.find(key.topic);
  return topic == topics.end() ? nullptr : topic->second.queue(key.queue);
}

QueueProgress* GroupProgress::Appended(store::QueueKey key) {
  const auto topic = topics.find(key.topic);
  return topic == topics.end() ? nullptr : topic->second.appended(key.queue);
}

QueueProgress* GroupProgress::Applied(store::QueueKey key) {
  const auto topic = topics.find(key.topic);
  return topic == topics.end() ? nullptr : topic->second.applied(key.queue);
}

}  // namespace mansio::broker
