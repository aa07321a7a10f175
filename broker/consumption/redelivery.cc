#include "broker/consumption/redelivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/consumption/records.h"
#include "broker/message/content_copy.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"

namespace mansio::broker {

namespace {

// Bounds what a storm of expiries holds in memory: jobs at a time, and what one of them moves.
constexpr size_t kMaxJobs = 8;
constexpr size_t kMaxMessages = 64;
constexpr uint64_t kMaxBytes = 8u << 20;
// What a copy may add to the content of its message.
constexpr uint64_t kCopyOverhead = 1024;
constexpr uint64_t kUnknownBytes = 512u << 10;  // of a message whose entry is not in memory

std::string_view Text(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace

enum class Redelivery::Fate {
  kRetry,
  kDeadLetter,
  kBackOff,  // the lease goes on for the group's back-off
  kGone,     // retention has taken the message
  kInPlace,  // the group is a broadcast one
  kDamaged,  // it cannot be read: it comes again in place, too
};

struct Redelivery::Decision {
  Fate fate = Fate::kRetry;
  uint32_t attempts = 0;  // deliveries, this one included
  StoredContent content;
  Provenance source;
};

struct Redelivery::Job {
  ProgressKey queue;
  std::vector<QueueProgress::Ended> leases;
  Cause cause = Cause::kEnded;
  Done done;
  std::vector<store::QueueOffset> unreadable;
  GroupPtr group;
  TopicPtr topic;  // of the queue: a topic of the users, or the retry topic
  std::vector<absl::StatusOr<store::StoredMessage>> messages;
  std::vector<Decision> decisions;
  std::optional<store::QueueKey> retry_queue;
  TopicPtr dead_letters;
  bool budgeted = false;

  store::QueueKey key() const { return {queue.topic, queue.queue}; }
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (const auto& message : messages) bytes += message.ok() ? message->bytes.bytes.size() : 0;
    return bytes;
  }
  void Drop(size_t index) {
    const auto at = static_cast<ptrdiff_t>(index);
    leases.erase(leases.begin() + at);
    messages.erase(messages.begin() + at);
    decisions.erase(decisions.begin() + at);
  }
  bool Has(Fate fate) const {
    return std::any_of(decisions.begin(), decisions.end(),
                       [fate](const Decision& d) { return d.fate == fate; });
  }
};

std::string_view Redelivery::ReasonOf(Cause cause) {
  switch (cause) {
    case Cause::kForwarded:
      return kReasonForwarded;
    case Cause::kExpired:
      return kReasonExpired;
    case Cause::kOverflow:
      return kReasonOverflow;
    default:
      return kReasonAttempts;
  }
}

// The frame of one job.
class Redelivery::Frame : public store::Append {
 public:
  Frame(Redelivery* redelivery, JobPtr job) : redelivery_(redelivery), job_(std::move(job)) {
    if (job_->cause == Cause::kOverflow) AddCursor();
    Add(Fate::kRetry, kRetriedRecord);
    Add(Fate::kDeadLetter, kDeadLetterRecord);
    Add(Fate::kGone, kAckRecord);
    Add(Fate::kInPlace, kLeaseEndedRecord);
    Add(Fate::kDamaged, kLeaseEndedRecord);
    AddBackOffs();
  }
  void Applied(const store::AppendResult&) override {
    CountDeadLetters();
    if (job_->cause == Cause::kOverflow) redelivery_->WakeReceives(*job_);
    redelivery_->Finish(job_, absl::OkStatus());
  }
  void Failed(const absl::Status& status) override {
    redelivery_->Unclaim(*job_);
    if (job_->cause == Cause::kOverflow) redelivery_->WakeReceives(*job_);
    redelivery_->Finish(job_, status);
  }

 private:
  void CountDeadLetters() const {
    const Job& job = *job_;
    for (const Decision& decision : job.decisions) {
      if (decision.fate != Fate::kDeadLetter) continue;
      const bool retried = job.topic->kind == TopicKind::kRetry;
      const uint32_t origin = retried ? decision.source.topic : job.queue.topic;
      redelivery_->environment_.deliveries->Of({job.group->id, origin})->dead_letters.Add();
    }
  }

  // The group goes on behind messages that nobody has a lease of.
  void AddCursor() {
    LeaseRecord record{.group = job_->queue.group, .topic = job_->queue.topic};
    record.queues.push_back({job_->queue.queue, job_->leases.back().offset + 1, {}});
    AddRecord(kLeaseRecord, record.Encode());
  }

  void Add(Fate fate, store::RecordKind kind) {
    const Job& job = *job_;
    QueueOffsets ended{job.queue.queue, 0, {}};
    for (size_t i = 0; i < job.leases.size(); ++i) {
      if (job.decisions[i].fate != fate) continue;
      ended.offsets.push_back(job.leases[i].offset);
      if (fate == Fate::kRetry) AddCopy(i, *job.retry_queue);
      if (fate == Fate::kDeadLetter) AddCopy(i, {job.dead_letters->id, 0});
    }
    if (ended.offsets.empty()) return;
    AddRecord(kind, LeasesEndRecord{job.queue.group, job.queue.topic, true, {ended}}.Encode());
  }

  void AddCopy(size_t i, store::QueueKey to) {
    const Job& job = *job_;
    const Decision& decision = job.decisions[i];
    const Lease& lease = job.leases[i].lease;
    CopyChanges changes;
    Provenance& p = changes.provenance = decision.source;
    if (job.topic->kind != TopicKind::kRetry) {
      p = {};
      p.topic = job.queue.topic;
      p.queue = job.queue.queue;
      p.offset = job.leases[i].offset;
      p.stored_ms = job.messages[i]->view.store_time;
      p.topic_name = job.topic->name;
      p.first_ms = lease.first_ms;
      if (job.topic->kind == TopicKind::kDeadLetter) p.dead_letter = decision.content.provenance;
    } else if (p.attempts == 0) {
      p.first_ms = lease.first_ms;  // a resent dead letter begins anew
    }
    p.attempts = decision.attempts;
    if (job.cause != Cause::kExpired) {
      p.last_ms = lease.delivered_ms;
    } else if (p.attempts == 0) {
      p.first_ms = 0;
    }
    if (decision.fate == Fate::kDeadLetter) {
      p.group = job.group->name;
      p.reason = ReasonOf(job.cause);
    }
    ContentCopy(decision.content, changes)
        .AddTo(*this, to, redelivery_->environment_.time->NowMillis());
  }

  void AddBackOffs() {
    const Job& job = *job_;
    for (size_t i = 0; i < job.leases.size(); ++i) {
      if (job.decisions[i].fate != Fate::kBackOff) continue;
      const int64_t until =
          redelivery_->environment_.time->NowMillis() +
          absl::ToInt64Milliseconds(job.group->backoff.After(job.decisions[i].attempts));
      AddRecord(kLeaseChangedRecord,
                LeaseChangedRecord{job.queue.group, job.queue.topic, job.queue.queue,
                                   job.leases[i].offset, until, job.decisions[i].attempts}
                    .Encode());
    }
  }

  Redelivery* const redelivery_;
  const JobPtr job_;
};

void Redelivery::Move(const ProgressKey& queue, std::vector<QueueProgress::Ended> leases,
                      Cause cause, Done done) {
  auto job = std::make_shared<Job>();
  job->queue = queue;
  job->leases = std::move(leases);
  job->cause = cause;
  job->done = std::move(done);
  Begin(std::move(job));
}

void Redelivery::MoveUndelivered(const ProgressKey& queue, store::QueueOffset from, size_t count,
                                 Done done) {
  auto job = std::make_shared<Job>();
  job->queue = queue;
  job->cause = Cause::kOverflow;
  job->done = std::move(done);
  Lease none;
  none.attempt = 0;
  for (size_t i = 0; i < count; ++i) job->leases.push_back({from + i, none});
  Begin(std::move(job));
}

void Redelivery::Begin(JobPtr job) {
  {
    MutexLock lock(&mutex_);
    waiting_.push_back(std::move(job));
  }
  RunWaiting();
}

void Redelivery::RunWaiting() {
  for (;;) {
    JobPtr job;
    {
      MutexLock lock(&mutex_);
      if (waiting_.empty() || running_ >= kMaxJobs) return;
      ++running_;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Gather(job);
  }
}

void Redelivery::Finish(const JobPtr& job, const absl::Status& status) {
  job->done({status, std::move(job->unreadable)});
  bool more;
  {
    MutexLock lock(&mutex_);
    --running_;
    more = !waiting_.empty();
  }
  // Not from here, which may be the log thread.
  if (more) {
    environment_.timers->ScheduleAfter(0, [this] { RunWaiting(); });
  }
}

void Redelivery::Later(int64_t delay_ms, const JobPtr& job,
                       void (Redelivery::*step)(const JobPtr&)) {
  environment_.timers->ScheduleAfter(delay_ms, [this, job, step] { (this->*step)(job); });
}

void Redelivery::Gather(const JobPtr& job) {
  job->group = environment_.members->GroupOf(job->queue.group);
  job->topic = environment_.metadata->FindTopic(job->queue.topic);
  if (job->group == nullptr || job->topic == nullptr) return Finish(job, absl::OkStatus());
  std::vector<MoveSource> sources;
  uint64_t bytes = 0;
  for (const QueueProgress::Ended& lease : job->leases) {
    MoveSource source{job->key(), lease.offset, {}};
    const auto hot = environment_.state->store()->HotEntries(source.queue, source.offset, 1);
    if (hot.has_value() && !hot->empty()) source.entry = hot->front();
    bytes += source.entry.size > 0 ? source.entry.size : kUnknownBytes;
    if (!sources.empty() && (bytes > FrameBytes() || sources.size() >= kMaxMessages)) break;
    sources.push_back(source);
  }
  job->leases.resize(sources.size());
  environment_.mover->Gather(std::move(sources), [this, job](auto messages) {
    job->messages = std::move(messages);
    Plan(job);
  });
}

void Redelivery::Plan(const JobPtr& job) {
  uint64_t bytes = 0;
  size_t fits = 0;
  for (; fits < job->messages.size(); ++fits) {
    const auto& message = job->messages[fits];
    if (absl::IsCancelled(message.status())) return Finish(job, message.status());
    if (message.ok()) bytes += message->bytes.bytes.size();
    if (fits > 0 && bytes > FrameBytes()) break;
  }
  job->messages.resize(fits, absl::UnknownError(""));
  job->leases.resize(fits);
  job->decisions.resize(fits);
  absl::Status unreadable;
  for (size_t i = 0; i < job->leases.size();) {
    const absl::Status planned = PlanOne(job, i, *job->group);
    if (planned.ok()) {
      ++i;
      continue;
    }
    unreadable = planned;
    job->unreadable.push_back(job->leases[i].offset);
    // What was not handed out yet goes in order.
    while (job->cause == Cause::kOverflow && job->leases.size() > i + 1) job->Drop(i + 1);
    job->Drop(i);
  }
  if (job->leases.empty()) return Finish(job, unreadable);
  if (job->cause == Cause::kForwarded && job->Has(Fate::kDamaged)) {
    return Finish(job, absl::DataLossError("the message cannot be read any more"));
  }
  EnsureQueues(job);
}

absl::Status Redelivery::PlanOne(const JobPtr& job, size_t index, const GroupRecord& group) {
  const QueueProgress::Ended& ended = job->leases[index];
  const absl::StatusOr<store::StoredMessage>& message = job->messages[index];
  Decision& decision = job->decisions[index];
  decision.attempts = ended.lease.attempt;
  if (job->cause == Cause::kExpired) --decision.attempts;  // it was leased, not delivered
  absl::Status status = message.status();
  if (status.ok()) {
    auto content = DecodeContent(message->view.content);
    status = content.status();
    if (status.ok()) decision.content = *std::move(content);
  }
  if (status.ok() && job->topic->kind == TopicKind::kRetry) {
    auto source = Provenance::Decode(decision.content.provenance);
    status = source.status();
    if (status.ok()) decision.source = *std::move(source);
    decision.attempts += decision.source.attempts;
  }
  if (!status.ok()) {
    const bool for_good = absl::IsNotFound(status) || absl::IsDataLoss(status);
    if (for_good) {
      LOG_ERROR("group {} cannot get topic {} queue {} offset {} again: {}", group.name,
                job->topic->name, job->queue.queue, ended.offset, Text(status));
    } else {
      LOG_ERROR_EVERY(absl::Seconds(1), "group {} cannot get topic {} queue {} offset {} now: {}",
                      group.name, job->topic->name, job->queue.queue, ended.offset, Text(status));
    }
    // What comes again in place is read again by its next delivery.
    if (!for_good && job->cause != Cause::kEnded) return status;
    // One that has used up its attempts would hold up its message group for ever.
    const bool gone =
        absl::IsNotFound(status) || job->cause == Cause::kUsedUp || job->cause == Cause::kOverflow;
    decision.fate = gone ? Fate::kGone : Fate::kDamaged;
  } else if (job->cause != Cause::kEnded || decision.attempts >= group.max_attempts) {
    decision.fate = Fate::kDeadLetter;
  } else if (ended.lease.auto_renew && !ended.abandoned) {
    decision.fate = Fate::kBackOff;
  } else {
    decision.fate = group.broadcast ? Fate::kInPlace : Fate::kRetry;
  }
  return absl::OkStatus();
}

void Redelivery::EnsureQueues(const JobPtr& job) {
  const auto go_on = [this, job](const absl::Status& status) {
    if (!status.ok() && !absl::IsNotFound(status)) return Finish(job, status);
    if (!status.ok()) return Finish(job, absl::OkStatus());  // the group has gone
    Later(0, job, &Redelivery::EnsureQueues);
  };
  if (job->Has(Fate::kRetry)) {
    job->retry_queue = job->topic->kind == TopicKind::kRetry
                           ? job->key()
                           : environment_.metadata->FindRetryQueue(*job->group, job->queue.topic);
    if (!job->retry_queue.has_value()) {
      return environment_.metadata->EnsureRetryQueue(
          job->group, job->queue.topic,
          [go_on](const absl::StatusOr<store::QueueKey>& queue) { go_on(queue.status()); });
    }
  }
  if (job->Has(Fate::kDeadLetter)) {
    job->dead_letters = environment_.metadata->FindDeadLetters(*job->group);
    if (job->dead_letters == nullptr) {
      return environment_.metadata->EnsureDeadLetters(
          job->group, [go_on](const absl::StatusOr<TopicPtr>& topic) { go_on(topic.status()); });
    }
  }
  Log(job);
}

void Redelivery::Log(const JobPtr& job) {
  if (!job->budgeted) {
    if (const int64_t wait = environment_.budget->Take(job->Bytes(), job->messages.size());
        wait > 0) {
      return Later(wait, job, &Redelivery::Log);
    }
    job->budgeted = true;
  }
  // The copies are encoded outside the group's lock; should leases have ended meanwhile, again
  // without them.
  for (;;) {
    auto frame = std::make_unique<Frame>(this, job);
    const absl::Status status = ClaimAndSubmit(job, frame);
    if (absl::IsAborted(status)) {
      if (job->leases.empty()) return Finish(job, absl::OkStatus());
      continue;
    }
    if (absl::IsInvalidArgument(status) && Shrink(*job)) continue;
    if (!status.ok()) Finish(job, status);
    return;
  }
}

uint64_t Redelivery::FrameBytes() const {
  const uint64_t frame = environment_.state->store()->MaxAppendBytes();
  const uint64_t overhead = kMaxMessages * kCopyOverhead;
  return std::min(kMaxBytes, frame > 2 * overhead ? frame - overhead : frame / 2);
}

bool Redelivery::Shrink(Job& job) const {
  if (job.leases.size() > 1) {
    const size_t half = job.leases.size() / 2;
    while (job.leases.size() > half) job.Drop(half);
    return true;
  }
  const store::QueueOffset offset = job.leases[0].offset;
  LOG_ERROR_EVERY(absl::Seconds(10),
                  "the message of topic {} queue {} offset {} and what a move adds to it are too "
                  "large for a segment (store.segment-bytes): group {} cannot get it elsewhere",
                  job.topic->name, job.queue.queue, offset, job.group->name);
  Fate& fate = job.decisions[0].fate;
  if (job.cause == Cause::kEnded && fate != Fate::kDamaged) {
    fate = Fate::kDamaged;  // which comes again in place
    return true;
  }
  job.unreadable.push_back(offset);
  return false;
}

void Redelivery::Unclaim(const Job& job) {
  const GroupProgressPtr group = environment_.state->Find(job.queue.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  QueueProgress* progress = group->Appended(job.key());
  if (progress == nullptr) return;
  if (job.cause == Cause::kOverflow) return progress->UnclaimPass();
  for (const QueueProgress::Ended& ended : job.leases) progress->UnclaimEnd(ended.offset);
}

void Redelivery::WakeReceives(const Job& job) {
  const store::QueueOffset next = environment_.state->store()->Range(job.key()).next;
  const store::QueueOffset from = job.leases.front().offset;
  if (next > from) environment_.waiting->WakeGroup(job.queue.group, job.queue.topic, next - from);
}

bool Redelivery::DropStale(Job& job, GroupProgress& group) const {
  const QueueProgress* progress = group.Queue(job.key());
  const store::QueueOffset min = environment_.state->store()->Range(job.key()).min;
  // Where the group has gone back, none of them is its next one.
  const bool at_next = progress != nullptr && !progress->passing() && !job.leases.empty() &&
                       std::max(progress->next(), min) >= job.leases[0].offset;
  const auto stale = [&](const QueueProgress::Ended& ended) {
    if (job.cause == Cause::kOverflow) return !at_next || ended.offset < progress->next();
    return progress == nullptr || progress->Find(ended.offset, ended.lease.id) == nullptr;
  };
  const size_t before = job.leases.size();
  for (size_t i = before; i-- > 0;) {
    if (stale(job.leases[i])) job.Drop(i);
  }
  return job.leases.size() == before;
}

// Aborted when some of the job's leases live no more; they are then out of the job.
absl::Status Redelivery::ClaimAndSubmit(const JobPtr& job, std::unique_ptr<Frame>& frame) {
  const GroupProgressPtr group = environment_.state->Find(job->queue.group);
  if (group == nullptr) {
    job->leases.clear();
    return absl::AbortedError("the group has gone");
  }
  MutexLock lock(&group->mutex);
  if (!DropStale(*job, *group)) return absl::AbortedError("leases have ended meanwhile");
  absl::Status status = environment_.state->store()->Submit(std::move(frame));
  if (!status.ok()) return status;
  QueueProgress* progress = group->Queue(job->key());
  if (job->cause == Cause::kOverflow) {
    progress->ClaimPass(job->leases.back().offset + 1);
    return status;
  }
  for (const QueueProgress::Ended& ended : job->leases) progress->ClaimEnd(ended.offset);
  return status;
}

}  // namespace mansio::broker
