#include "broker/deadletter/dead_letter_moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "broker/deadletter/records.h"
#include "broker/delay/delay.h"
#include "broker/message/content_copy.h"
#include "broker/move/append_budget.h"
#include "broker/send/queue_choice.h"
#include "broker/send/send_append.h"
#include "common/clock/broker_time.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

std::string InstantOf(int64_t ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

std::vector<std::pair<std::string, std::string>> PropertiesOf(const DeadLetterMessage& letter) {
  const Provenance& p = letter.provenance;
  return {
      {std::string(kDlqGroupProperty), std::string(p.group)},
      {std::string(kDlqTimeProperty), InstantOf(letter.dead_ms())},
      {std::string(kDlqReasonProperty), std::string(p.reason)},
      {std::string(kDlqOriginProperty), fmt::format("{}/{}/{}", p.topic_name, p.queue, p.offset)},
      {std::string(kDlqAttemptsProperty), fmt::format("{}", p.attempts)},
      {std::string(kDlqResendsProperty), fmt::format("{}", letter.resends() + 1)}};
}

// As a send would choose it.
store::QueueKey QueueAtEnd(const Topic& topic, const StoredContent& content) {
  v2::SystemProperties system;
  rpc::Parse(content.system, &system);
  if (system.has_message_group()) {
    return {topic.id, QueueOfGroup(system.message_group(), topic.queues)};
  }
  if (system.has_priority()) return {topic.id, QueueOfPriority(system.priority(), topic.queues)};
  return {topic.id, topic.next_queue.fetch_add(1, std::memory_order_relaxed) % topic.queues};
}

// At the end of a group's topic, nothing would be known of where the message came from. A group
// that reads another's dead letters has retries of them, as of any topic.
bool MayGoTo(const Topic& topic, ResendTarget target) {
  return topic.kind == TopicKind::kUser ||
         (target == ResendTarget::kGroup && topic.kind == TopicKind::kDeadLetter);
}

}  // namespace

struct DeadLetterMoves::Job {
  // One letter that is to be moved.
  struct Item {
    size_t letter = 0;  // in result.page.letters
    TopicPtr topic;     // where to; for ResendTarget::kGroup the origin
    store::QueueKey queue;
  };
  DeadLetterMove move;
  Done done;
  DeadLetterMoveResult result;
  std::vector<Item> items;
  bool budgeted = false;

  const DeadLetterMessage& Letter(size_t index) const {
    return result.page.letters[items[index].letter];
  }
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (size_t i = 0; i < items.size(); ++i) bytes += Letter(i).message.bytes.bytes.size();
    return bytes;
  }
  void Finish(const absl::Status& status) {
    if (!status.ok()) return std::exchange(done, nullptr)(status);
    result.moved = items.size();
    std::exchange(done, nullptr)(std::move(result));
  }
};

// The removal of what was claimed, and the copies.
class DeadLetterMoves::Frame : public store::Append {
 public:
  Frame(DeadLetterState* state, JobPtr job) : state_(state), job_(std::move(job)) {
    record.topic = job_->move.letters->id;
  }
  DeadLettersRemovedRecord record;

  void Applied(const store::AppendResult&) override { job_->Finish(absl::OkStatus()); }
  void Failed(const absl::Status& status) override {
    state_->Unclaim(record.topic, record.offsets);
    job_->Finish(ToSendStatus(status));
  }

 private:
  DeadLetterState* const state_;
  const JobPtr job_;
};

void DeadLetterMoves::Run(DeadLetterMove move, Done done) {
  auto job = std::make_shared<Job>();
  job->move = std::move(move);
  job->done = std::move(done);
  if (environment_.state->store()->RunCold([this, job] { Read(job); })) return;
  job->Finish(WireError(v2::TOO_MANY_REQUESTS,
                        "too many reads of old messages wait for the disk; try again later"));
}

void DeadLetterMoves::Read(const JobPtr& job) {
  DeadLetterStretch stretch = job->move.stretch;
  if (!job->move.purge) stretch.max_bytes = environment_.state->store()->MaxAppendBytes();
  auto page = DeadLetterReader(environment_.state, job->move.letters->id)
                  .ReadPage(stretch, job->move.selection);
  if (!page.ok()) {
    return job->Finish(WireError(v2::INTERNAL_SERVER_ERROR, std::string(page.status().message())));
  }
  job->result.page = *std::move(page);
  Plan(job);
}

void DeadLetterMoves::Plan(const JobPtr& job) {
  const size_t count = job->result.page.letters.size();
  for (size_t i = 0; i < count; ++i) {
    job->items.push_back({i, nullptr, {}});
    const std::string refusal = job->move.purge ? "" : PlanOne(*job, job->items.size() - 1);
    if (refusal.empty()) continue;
    const DeadLetterMessage& letter = job->result.page.letters[i];
    job->items.pop_back();
    job->result.refusals.push_back(
        {std::string(MessageIdOf(letter.content)), letter.offset, refusal});
  }
  if (job->items.empty() || job->move.dry_run) return job->Finish(absl::OkStatus());
  EnsureRetryQueues(job);
}

std::string DeadLetterMoves::PlanOne(Job& job, size_t index) const {
  const DeadLetterMessage& letter = job.Letter(index);
  if (!job.move.force && letter.resends() >= max_resends_) {
    return fmt::format("it was resent {} times already and failed again; --force resends it",
                       letter.resends());
  }
  const size_t bytes = letter.message.bytes.bytes.size() + DeadLetterStretch::kCopyOverhead;
  if (!CheckRoomForEnd(*environment_.state->store(), bytes).ok()) {
    return "it and what is added to it are too large for a segment of this broker "
           "(store.segment-bytes); export it instead";
  }
  Job::Item& item = job.items[index];
  item.topic = job.move.target == ResendTarget::kTopic
                   ? job.move.topic
                   : environment_.metadata->FindTopic(letter.provenance.topic_name);
  if (item.topic == nullptr) {
    return fmt::format("its topic '{}' is not on this broker any more; --to-topic names another",
                       EscapeForLog(letter.provenance.topic_name));
  }
  if (!MayGoTo(*item.topic, job.move.target)) {
    return fmt::format("its topic '{}' belongs to a group; --to-topic names another",
                       EscapeForLog(letter.provenance.topic_name));
  }
  if (job.move.target != ResendTarget::kGroup) item.queue = QueueAtEnd(*item.topic, letter.content);
  return "";
}

void DeadLetterMoves::EnsureRetryQueues(const JobPtr& job) {
  if (job->move.purge || job->move.target != ResendTarget::kGroup) return Log(job);
  for (Job::Item& item : job->items) {
    if (const auto queue =
            environment_.metadata->FindRetryQueue(*job->move.group, item.topic->id)) {
      item.queue = *queue;
      continue;
    }
    return environment_.metadata->EnsureRetryQueue(
        job->move.group, item.topic->id, [this, job](const absl::StatusOr<store::QueueKey>& made) {
          if (!made.ok()) return job->Finish(made.status());
          // Not from here, which may be the log thread.
          environment_.timers->Schedule(environment_.time->NowMillis(),
                                        [this, job] { EnsureRetryQueues(job); });
        });
  }
  Log(job);
}

void DeadLetterMoves::Log(const JobPtr& job) {
  if (!job->budgeted && !job->move.purge) {
    if (const int64_t wait = environment_.budget->Take(job->Bytes(), job->items.size()); wait > 0) {
      environment_.timers->ScheduleAfter(wait, [this, job] { Log(job); });
      return;
    }
    job->budgeted = true;
  }
  // Somebody else may have moved some of them since they were read.
  std::vector<Job::Item> claimed;
  std::vector<store::QueueOffset> offsets;
  for (size_t i = 0; i < job->items.size(); ++i) {
    if (!environment_.state->Claim(job->move.letters->id, job->Letter(i).offset)) continue;
    offsets.push_back(job->Letter(i).offset);
    claimed.push_back(job->items[i]);
  }
  job->items = std::move(claimed);
  if (job->items.empty()) return job->Finish(absl::OkStatus());
  auto frame = std::make_unique<Frame>(environment_.state, job);
  frame->record.offsets = offsets;
  frame->AddRecord(kDeadLettersRemovedRecord, frame->record.Encode());
  absl::Status status;
  for (size_t i = 0; i < job->items.size() && status.ok() && !job->move.purge; ++i) {
    status = AddCopy(*job, i, *frame);
  }
  if (status.ok()) {
    status = environment_.state->store()->Submit(std::move(frame));
    if (!status.ok()) status = ToSendStatus(status);
  }
  if (status.ok()) return;
  environment_.state->Unclaim(job->move.letters->id, offsets);
  job->Finish(status);
}

absl::Status DeadLetterMoves::AddCopy(const Job& job, size_t index, Frame& frame) const {
  const DeadLetterMessage& letter = job.Letter(index);
  const Job::Item& item = job.items[index];
  const int64_t now_ms = environment_.time->NowMillis();
  CopyChanges changes;
  changes.set_properties = PropertiesOf(letter);
  if (job.move.target == ResendTarget::kGroup) {
    // Its attempts begin anew, and so does the time that it has to be consumed, once it is due.
    Provenance& p = changes.provenance = letter.provenance;
    p.topic = item.topic->id;
    p.stored_ms = now_ms + job.move.delay_ms;
    p.attempts = 0;
    p.first_ms = p.last_ms = p.dead_ms = 0;
    p.group = p.reason = {};
  }
  store::QueueKey queue = item.queue;
  std::string delivered;
  if (job.move.delay_ms > 0) {
    const auto waiting = environment_.delay->PlaceAt(queue, now_ms + job.move.delay_ms);
    if (!waiting.ok()) return waiting.status();
    delivered = changes.provenance.Encode();
    changes.provenance = waiting->provenance;
    changes.provenance.delivered = delivered;
    queue = waiting->queue;
  }
  ContentCopy(letter.content, changes).AddTo(frame, queue, now_ms);
  return absl::OkStatus();
}

}  // namespace mansio::broker
