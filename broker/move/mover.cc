#include "broker/move/mover.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace mansio::broker {

namespace {
// When the cold pool's queue is full, ask again then.
constexpr int64_t kColdRetryMs = 20;
// What a message counts whose size is not known before it is looked up.
constexpr uint64_t kAssumedBytes = 4096;
// Entries of one queue that are so near to each other are read together: a block in the checkpoint.
constexpr store::QueueOffset kNear = 256;
}  // namespace

struct Mover::Job {
  std::vector<MoveSource> sources;
  uint64_t max_bytes = 0;  // the sources behind them are dropped
  Done done;
  uint64_t bytes = 0;  // that count as in flight
  std::vector<std::optional<absl::StatusOr<store::StoredMessage>>> messages;
};

Mover::Mover(Limits limits, TimerQueue* timers) : limits_(limits), timers_(timers) {}

void Mover::Gather(std::vector<MoveSource> sources, Done done) {
  GatherSome(std::move(sources), std::numeric_limits<uint64_t>::max(), std::move(done));
}

void Mover::GatherSome(std::vector<MoveSource> sources, uint64_t max_bytes, Done done) {
  auto job = std::make_shared<Job>();
  job->sources = std::move(sources);
  job->max_bytes = max_bytes;
  job->done = std::move(done);
  job->messages.resize(job->sources.size());
  LookUpHot(*job);
  uint64_t bytes = 0;
  for (const MoveSource& source : job->sources) {
    bytes += source.entry.size > 0 ? source.entry.size : kAssumedBytes;
  }
  job->bytes = std::min(bytes, max_bytes);
  bool stopped;
  {
    MutexLock lock(&mutex_);
    stopped = stopped_;
    if (!stopped) waiting_.push_back(job);
  }
  if (stopped) return Cancel(*job);
  RunWaiting();
}

void Mover::LookUpHot(Job& job) const {
  for (MoveSource& source : job.sources) {
    if (source.entry.size > 0) continue;
    const auto entries = store_->HotEntries(source.queue, source.offset, 1);
    if (entries.has_value() && !entries->empty()) source.entry = entries->front();
  }
}

void Mover::RunWaiting() {
  {
    MutexLock lock(&mutex_);
    if (running_) return;
    running_ = true;
  }
  while (JobPtr job = TakeNext()) {
    if (ReadHot(*job)) {
      Finish(*job);
    } else if (!StartCold(job)) {
      return Postpone(std::move(job));
    }
  }
}

Mover::JobPtr Mover::TakeNext() {
  MutexLock lock(&mutex_);
  const bool fits =
      !waiting_.empty() && !retry_scheduled_ &&
      (in_flight_ == 0 || in_flight_ + waiting_.front()->bytes <= limits_.bytes_in_flight);
  if (!fits) {
    running_ = false;
    return nullptr;
  }
  JobPtr job = std::move(waiting_.front());
  waiting_.pop_front();
  in_flight_ += job->bytes;
  return job;
}

bool Mover::ReadHot(Job& job) const {
  uint64_t bytes = 0;
  bool complete = true;
  for (size_t i = 0; i < job.sources.size(); ++i) {
    const MoveSource& source = job.sources[i];
    bytes += source.entry.size;
    if (i > 0 && bytes > job.max_bytes) break;
    std::optional<store::StoredMessage> message;
    if (source.entry.size > 0) {
      message = store_->HotMessage(source.queue, source.offset, source.entry);
    }
    if (message.has_value()) {
      job.messages[i] = *std::move(message);
    } else {
      complete = false;
    }
  }
  return complete;
}

bool Mover::StartCold(const JobPtr& job) {
  return store_->RunCold([this, job] {
    ReadCold(*job);
    Finish(*job);
    RunWaiting();
  });
}

void Mover::Postpone(JobPtr job) {
  {
    MutexLock lock(&mutex_);
    in_flight_ -= job->bytes;
    running_ = false;
    if (!stopped_) {
      waiting_.push_front(std::exchange(job, nullptr));
      retry_scheduled_ = true;
    }
  }
  if (job != nullptr) return Cancel(*job);
  timers_->ScheduleAfter(kColdRetryMs, [this] {
    {
      MutexLock lock(&mutex_);
      retry_scheduled_ = false;
    }
    RunWaiting();
  });
}

void Mover::LookUpCold(Job& job) const {
  std::vector<size_t> unknown;
  for (size_t i = 0; i < job.sources.size(); ++i) {
    if (job.sources[i].entry.size == 0) unknown.push_back(i);
  }
  const auto place = [&job](size_t i) {
    return std::pair(job.sources[i].queue, job.sources[i].offset);
  };
  std::sort(unknown.begin(), unknown.end(),
            [&place](size_t a, size_t b) { return place(a) < place(b); });
  for (size_t first = 0, end = 0; first < unknown.size(); first = end) {
    const auto [queue, offset] = place(unknown[first]);
    for (end = first + 1; end < unknown.size(); ++end) {
      const auto [next_queue, next_offset] = place(unknown[end]);
      if (next_queue != queue || next_offset - offset >= kNear) break;
    }
    LookUpRun(job, unknown, first, end);
  }
}

void Mover::LookUpRun(Job& job, const std::vector<size_t>& unknown, size_t first,
                      size_t end) const {
  const MoveSource& begin = job.sources[unknown[first]];
  const store::QueueOffset base = begin.offset;
  const size_t span = job.sources[unknown[end - 1]].offset - base + 1;
  const auto entries = store_->ReadEntries(begin.queue, base, span);
  // What was carried forward has gaps, and what is gone makes them.
  const bool complete = entries.ok() && entries->size() == span;
  for (size_t i = first; i < end; ++i) {
    MoveSource& source = job.sources[unknown[i]];
    if (complete) {
      source.entry = (*entries)[source.offset - base];
    } else if (absl::Status found = LookUpOne(source); !found.ok()) {
      job.messages[unknown[i]] = found;
    }
  }
}

absl::Status Mover::LookUpOne(MoveSource& source) const {
  const auto entries = store_->ReadEntries(source.queue, source.offset, 1);
  if (absl::IsOutOfRange(entries.status())) {
    return absl::NotFoundError("retention has deleted the message");
  }
  if (absl::IsDataLoss(entries.status())) {
    // Of the checkpoint only, which can be rebuilt: the message itself stands in the log.
    return absl::InternalError(std::string(entries.status().message()));
  }
  if (!entries.ok()) return entries.status();
  if (entries->empty()) return absl::NotFoundError("the queue does not reach that far");
  source.entry = entries->front();
  return absl::OkStatus();
}

void Mover::Cut(Job& job) {
  uint64_t bytes = 0;
  size_t kept = 0;
  for (; kept < job.sources.size(); ++kept) {
    const uint64_t size = job.sources[kept].entry.size;
    if (kept > 0 && bytes + size > job.max_bytes) break;
    bytes += size;
  }
  job.sources.resize(kept);
  job.messages.resize(kept);
  MutexLock lock(&mutex_);
  in_flight_ += bytes - job.bytes;
  job.bytes = bytes;
}

void Mover::ReadCold(Job& job) {
  LookUpCold(job);
  Cut(job);
  std::vector<size_t> missing;
  for (size_t i = 0; i < job.sources.size(); ++i) {
    if (!job.messages[i].has_value()) missing.push_back(i);
  }
  std::sort(missing.begin(), missing.end(), [&job](size_t a, size_t b) {
    return job.sources[a].entry.log_offset < job.sources[b].entry.log_offset;
  });
  for (const size_t i : missing) job.messages[i] = ReadOne(job.sources[i]);
}

absl::StatusOr<store::StoredMessage> Mover::ReadOne(MoveSource& source) const {
  auto message = store_->ReadMessage(source.queue, source.offset, source.entry);
  if (!absl::IsNotFound(message.status())) return message;
  // Carried to another place of the log since it was looked up.
  if (absl::Status found = LookUpOne(source); !found.ok()) return found;
  return store_->ReadMessage(source.queue, source.offset, source.entry);
}

void Mover::Finish(Job& job) {
  std::vector<absl::StatusOr<store::StoredMessage>> messages;
  messages.reserve(job.messages.size());
  for (auto& message : job.messages) {
    if (!message.has_value()) break;  // too much, in a job that was all in memory
    messages.push_back(*std::move(message));
  }
  std::exchange(job.done, nullptr)(std::move(messages));
  MutexLock lock(&mutex_);
  in_flight_ -= job.bytes;
}

void Mover::Stop() {
  std::deque<JobPtr> waiting;
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    waiting.swap(waiting_);
  }
  for (const JobPtr& job : waiting) Cancel(*job);
}

void Mover::Cancel(Job& job) {
  std::vector<absl::StatusOr<store::StoredMessage>> messages(
      job.sources.size(), absl::CancelledError("the broker is shutting down"));
  std::exchange(job.done, nullptr)(std::move(messages));
}

}  // namespace mansio::broker
