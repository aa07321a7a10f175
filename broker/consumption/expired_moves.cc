#include "broker/consumption/expired_moves.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/consumption/durations.h"

namespace mansio::broker {

namespace {
// As many as one frame may have.
constexpr size_t kMovedAtOnce = 64;
}  // namespace

void ExpiredMoves::Add(const ProgressKey& key, const std::vector<TakenMessage>& messages,
                       absl::AnyInvocable<void()> done) {
  bool failing = false;
  bool begin = false;
  {
    MutexLock lock(&mutex_);
    Line& line = lines_[key];
    line.waiting.insert(line.waiting.end(), messages.begin(), messages.end());
    failing = line.refusals > 0;
    if (!failing) line.done.push_back(std::move(done));
    begin = !std::exchange(line.moving, true);
  }
  if (failing) return done();
  if (begin) Run(key);
}

void ExpiredMoves::Run(const ProgressKey& key) {
  for (;;) {
    const std::vector<TakenMessage> next = Next(key);
    if (next.empty()) return;
    std::vector<QueueProgress::Ended> leases = Living(key, next);
    if (leases.empty()) continue;
    return environment_.redelivery->Move(
        key, std::move(leases), Redelivery::Cause::kExpired,
        [this, key, next](const Redelivery::Outcome& outcome) { Ended(key, next, outcome); });
  }
}

std::vector<TakenMessage> ExpiredMoves::Next(const ProgressKey& key) {
  std::vector<absl::AnyInvocable<void()>> done;
  int64_t wait = 0;
  {
    MutexLock lock(&mutex_);
    Line& line = lines_[key];
    if (!line.waiting.empty()) {
      const auto end = line.waiting.begin() +
                       static_cast<ptrdiff_t>(std::min(line.waiting.size(), kMovedAtOnce));
      const std::vector<TakenMessage> next(line.waiting.begin(), end);
      line.waiting.erase(line.waiting.begin(), end);
      return next;
    }
    done = std::exchange(line.done, {});
    line.moving = false;
    if (line.unreadable.empty()) {
      lines_.erase(key);
    } else if (!std::exchange(line.take_up_set, true)) {
      wait = ReadAgainMs(++line.take_ups);
    }
  }
  if (wait > 0) environment_.timers->ScheduleAfter(wait, [this, key] { TakeUp(key); });
  for (auto& call : done) call();
  return {};
}

void ExpiredMoves::TakeUp(const ProgressKey& key) {
  bool begin = false;
  {
    MutexLock lock(&mutex_);
    Line& line = lines_[key];
    line.take_up_set = false;
    line.waiting.insert(line.waiting.end(), line.unreadable.begin(), line.unreadable.end());
    line.unreadable.clear();
    begin = !std::exchange(line.moving, true);
  }
  if (begin) Run(key);
}

void ExpiredMoves::Ended(const ProgressKey& key, const std::vector<TakenMessage>& tried,
                         const Redelivery::Outcome& outcome) {
  const bool refused = !outcome.status.ok() && outcome.unreadable.empty();
  int64_t wait = 0;
  {
    MutexLock lock(&mutex_);
    Line& line = lines_[key];
    // Those that were moved have no lease any more. What was too much for one frame is next; given
    // back, a message of a FIFO group would take its batch away from who has the rest of it.
    Messages left;
    for (const TakenMessage& message : tried) {
      const auto& unreadable = outcome.unreadable;
      const bool off =
          std::find(unreadable.begin(), unreadable.end(), message.offset) != unreadable.end();
      (off ? line.unreadable : left).push_back(message);
    }
    line.waiting.insert(line.waiting.begin(), left.begin(), left.end());
    line.refusals = refused ? line.refusals + 1 : 0;
    if (refused) wait = ReadAgainMs(line.refusals);
  }
  // Not from here, which may be the log thread.
  environment_.timers->ScheduleAfter(wait, [this, key] { Run(key); });
  CallDone(key);
}

std::vector<QueueProgress::Ended> ExpiredMoves::Living(
    const ProgressKey& key, const std::vector<TakenMessage>& messages) const {
  std::vector<QueueProgress::Ended> leases;
  const GroupProgressPtr group = environment_.state->Find(key.group);
  if (group == nullptr) return leases;
  MutexLock lock(&group->mutex);
  const QueueProgress* progress = group->Queue({key.topic, key.queue});
  for (const TakenMessage& message : messages) {
    const Lease* lease =
        progress == nullptr ? nullptr : progress->Find(message.offset, message.lease);
    if (lease != nullptr) leases.push_back({message.offset, *lease, false});
  }
  return leases;
}

void ExpiredMoves::CallDone(const ProgressKey& key) {
  std::vector<absl::AnyInvocable<void()>> done;
  {
    MutexLock lock(&mutex_);
    const auto line = lines_.find(key);
    if (line != lines_.end()) done = std::exchange(line->second.done, {});
  }
  for (auto& call : done) call();
}

}  // namespace mansio::broker
