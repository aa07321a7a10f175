#include "broker/consumption/group_progress.h"

#include <algorithm>
#include <utility>

namespace mansio::broker {

namespace {

// How far one receive looks past messages that its filter does not want before it lets others work.
constexpr size_t kMaxScan = 4096;
constexpr size_t kScanStep = 64;

}  // namespace

// The part of one Take that concerns one queue.
class QueueTake {
 public:
  QueueTake(const store::Store& store, store::QueueKey key, QueueProgress& progress,
            const TakeRequest& request, TakeOutcome& outcome)
      : store_(store), key_(key), progress_(progress), request_(request), outcome_(outcome) {
    offsets_.queue = key.queue;
  }

  // Takes up to `max`; false when what comes next is not in memory.
  bool Run(size_t max, store::QueueRange range) {
    const store::QueueOffset begin = progress_.next();
    const bool hot = TakeReturned(max, range) && TakeNew(max, range);
    offsets_.cursor = progress_.next();
    if (!offsets_.offsets.empty() || progress_.next() != begin) {
      std::sort(offsets_.offsets.begin(), offsets_.offsets.end());
      outcome_.record.queues.push_back(std::move(offsets_));
    }
    return hot;
  }

 private:
  bool Full(size_t max) const {
    return offsets_.offsets.size() >= max || outcome_.bytes >= request_.max_bytes;
  }

  bool TakeReturned(size_t max, store::QueueRange range) {
    while (!progress_.ready().empty() && !Full(max)) {
      const store::QueueOffset offset = *progress_.ready().begin();
      // Retention has taken the message; its lease goes with an ack of the reader that finds it
      // gone.
      if (offset < range.min) {
        Claim(offset, store::QueueEntry{});
        continue;
      }
      const auto entries = Entries(offset, 1);
      if (!entries.has_value()) return Cold(offset);
      Claim(offset, entries->front());
    }
    return true;
  }

  bool TakeNew(size_t max, store::QueueRange range) {
    size_t scanned = 0;
    while (!Full(max) && progress_.next() < range.next && scanned < kMaxScan) {
      const store::QueueOffset from = progress_.next();
      const size_t want = request_.filter->all() ? max - offsets_.offsets.size() : kScanStep;
      const auto entries = Entries(from, std::min<size_t>(want, range.next - from));
      if (!entries.has_value()) return Cold(from);
      if (entries->empty()) break;
      scanned += entries->size();
      for (size_t i = 0; i < entries->size() && !Full(max); ++i) {
        if (request_.filter->MayMatch((*entries)[i].tag_hash)) {
          Claim(from + i, (*entries)[i]);
        } else {
          progress_.SkipTo(from + i + 1);
        }
      }
    }
    return true;
  }

  std::optional<std::vector<store::QueueEntry>> Entries(store::QueueOffset from, size_t max) const {
    if (auto hot = store_.HotEntries(key_, from, max); hot.has_value()) return hot;
    const ColdEntries* cold = request_.cold;
    if (cold == nullptr || cold->queue != key_.queue || from < cold->from ||
        from >= cold->from + cold->entries.size()) {
      return std::nullopt;
    }
    const auto first = cold->entries.begin() + static_cast<ptrdiff_t>(from - cold->from);
    const size_t count = std::min<size_t>(max, cold->entries.end() - first);
    return std::vector<store::QueueEntry>(first, first + static_cast<ptrdiff_t>(count));
  }

  bool Cold(store::QueueOffset from) {
    if (!outcome_.cold_queue.has_value()) {
      outcome_.cold_queue = key_;
      outcome_.cold_from = from;
    }
    return false;
  }

  void Claim(store::QueueOffset offset, const store::QueueEntry& entry) {
    const uint32_t attempt = progress_.ClaimLease(offset, request_.lease);
    outcome_.taken.push_back({key_.queue, offset, entry, attempt});
    outcome_.bytes += entry.size;
    offsets_.offsets.push_back(offset);
  }

  const store::Store& store_;
  const store::QueueKey key_;
  QueueProgress& progress_;
  const TakeRequest& request_;
  TakeOutcome& outcome_;
  QueueOffsets offsets_;
};

TakeOutcome TopicProgress::Take(const store::Store& store, uint32_t topic,
                                const TakeRequest& request,
                                absl::FunctionRef<void(uint32_t, uint64_t)> missed) {
  TakeOutcome outcome;
  rewind_.clear();
  for (const QueueProgress& progress : queues_) rewind_.push_back(progress.next());
  const auto count = static_cast<uint32_t>(queues_.size());
  // A receive comes back to the queue that it had to read from disk, whose turn it was.
  const uint32_t first = request.cold != nullptr ? request.cold->queue : turn_;
  for (uint32_t i = 0; i < count && outcome.taken.size() < request.max; ++i) {
    if (outcome.bytes >= request.max_bytes) break;
    const uint32_t id = (first + i) % count;
    QueueProgress& progress = queues_[id];
    const store::QueueKey key{topic, id};
    const store::QueueRange range = store.Range(key);
    if (progress.next() < range.min) {
      missed(id, range.min - progress.next());
      progress.SkipTo(range.min);
    }
    if (progress.ready().empty() && progress.next() >= range.next) continue;
    const bool hot = QueueTake(store, key, progress, request, outcome)
                         .Run(request.max - outcome.taken.size(), range);
    // Others that are always hot must not keep it waiting: it is read now.
    if (!hot && outcome.taken.empty()) break;
  }
  if (count > 0 && request.cold == nullptr) turn_ = (turn_ + 1) % count;
  if (!outcome.taken.empty()) outcome.cold_queue.reset();
  outcome.more = HasMore(store, topic);
  return outcome;
}

void TopicProgress::Undo(const TakeOutcome& outcome) {
  for (const TakenMessage& message : outcome.taken) queues_[message.queue].Unclaim(message.offset);
  for (size_t i = 0; i < queues_.size() && i < rewind_.size(); ++i) queues_[i].RewindTo(rewind_[i]);
}

bool TopicProgress::HasMore(const store::Store& store, uint32_t topic) const {
  for (uint32_t id = 0; id < queues_.size(); ++id) {
    if (!queues_[id].ready().empty()) return true;
    if (queues_[id].next() < store.Range({topic, id}).next) return true;
  }
  return false;
}

}  // namespace mansio::broker
