#include "broker/delay/firing.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "broker/message/content_copy.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"

namespace mansio::broker {

namespace {

constexpr int64_t kNotArmed = std::numeric_limits<int64_t>::max();
// A batch is one frame; small enough that no send waits for it noticeably.
constexpr size_t kBatchTimers = 256;
constexpr uint64_t kBatchBytes = 1u << 20;
// What a timer takes of a frame besides the content of its message, at most.
constexpr uint64_t kTimerOverhead = 128;
// After the store refused a batch.
constexpr int64_t kAgainMs = 50;
// After a batch failed in the log (a full disk); after a round that met messages which could not be
// read.
constexpr int64_t kTakeAgainMs = 1000;

}  // namespace

// Delivered messages and the end of their timers on their way into the log.
class Firing::FiredAppend : public store::Append {
 public:
  explicit FiredAppend(Firing* firing) : firing_(firing) {}
  std::vector<TimerKey> timers;
  uint64_t lost = 0;  // of them: there is nothing to deliver

  void Applied(const store::AppendResult&) override { firing_->environment_.state->NoteLost(lost); }
  void Failed(const absl::Status&) override {
    firing_->SetAside(timers);
    firing_->TakeUpLater();
  }

 private:
  Firing* const firing_;
};

Firing::Firing(Environment environment)
    : environment_(environment),
      ahead_({environment.state, environment.mover, environment.time, environment.timers}),
      batch_timers_(kBatchTimers),
      armed_for_(kNotArmed) {}

void Firing::Start() {
  ahead_.Start();
  MutexLock lock(&mutex_);
  running_ = true;
  Arm();
}

void Firing::Stop() {
  ahead_.Stop();
  MutexLock lock(&mutex_);
  running_ = false;
}

void Firing::Wake() {
  ahead_.Wake();
  if (in_round_) return;  // the log thread does not wait for a batch to be built
  MutexLock lock(&mutex_);
  Arm();
}

void Firing::Arm() {
  if (!running_ || in_round_) return;
  const std::optional<int64_t> due = environment_.state->NextDue();
  if (!due.has_value() || *due >= armed_for_) return;
  if (armed_for_ != kNotArmed) environment_.timers->Cancel(timer_);
  armed_for_ = *due;
  timer_ = environment_.timers->Schedule(*due, [this] { OnTimer(); });
}

void Firing::OnTimer() {
  {
    MutexLock lock(&mutex_);
    armed_for_ = kNotArmed;
    if (!running_ || in_round_.exchange(true)) return;
  }
  NextBatch();
}

void Firing::EndRound() {
  // Only now: they must not be met again and again before those behind them.
  if (environment_.state->has_aside()) TakeUpLater();
  MutexLock lock(&mutex_);
  in_round_ = false;
  Arm();
}

void Firing::NextBatchIn(int64_t delay_ms) {
  environment_.timers->ScheduleAfter(delay_ms, [this] { NextBatch(); });
}

void Firing::NextBatch() {
  int64_t wait = 0;
  while (wait == 0) {
    {
      MutexLock lock(&mutex_);
      if (!running_) return;
    }
    wait = environment_.budget->Take(0, 0);
    if (wait > 0) break;
    // Nothing is taken before the read has ended, which may be at once and on another thread.
    const int64_t now = environment_.time->NowMillis();
    const std::vector<TimerKey> next = environment_.state->Due(now, batch_timers_);
    if (!next.empty() && ahead_.WaitFor(next, [this] { NextBatch(); })) return;
    std::vector<TimerKey> due = environment_.state->TakeDue(now, batch_timers_);
    if (due.empty()) return EndRound();
    std::vector<ReadAhead::Content> held = ahead_.Take(due, BatchBytes());
    const bool complete =
        std::all_of(held.begin(), held.end(), [](const auto& c) { return c.has_value(); });
    if (!complete) return GatherRest(std::move(due), std::move(held));
    Contents contents;
    for (ReadAhead::Content& content : held) contents.push_back(*std::move(content));
    wait = Fire(due, contents);
  }
  NextBatchIn(wait);
}

void Firing::GatherRest(std::vector<TimerKey> due, std::vector<ReadAhead::Content> held) {
  std::vector<MoveSource> sources;
  for (size_t i = 0; i < held.size(); ++i) {
    if (held[i].has_value()) continue;
    sources.push_back({environment_.state->QueueOf(due[i].level()), due[i].offset(), {}});
  }
  environment_.mover->GatherSome(
      std::move(sources), BatchBytes(),
      [this, due = std::move(due), held = std::move(held)](const Messages& messages) mutable {
        Contents contents;
        auto message = messages.begin();
        for (ReadAhead::Content& content : held) {
          if (content.has_value()) {
            contents.push_back(*std::move(content));
          } else if (message == messages.end()) {
            break;  // too much at once: the next batch begins here
          } else if (const auto& read = *message++; read.ok()) {
            contents.emplace_back(std::string(read->view.content));
          } else {
            contents.emplace_back(read.status());
          }
        }
        if (const int64_t wait = Fire(due, contents); wait > 0) return NextBatchIn(wait);
        NextBatch();
      });
}

int64_t Firing::Fire(const std::vector<TimerKey>& due, const Contents& contents) {
  // Held over Submit, so that nothing is submitted once Stop has returned.
  MutexLock lock(&mutex_);
  if (!running_) return kAgainMs;
  DelayState& state = *environment_.state;
  if (contents.size() < due.size()) state.PutBack(due[contents.size()]);
  auto append = std::make_unique<FiredAppend>(this);
  absl::Status unread;
  for (size_t i = 0; i < contents.size(); ++i) {
    if (!state.ClaimFiring(due[i])) continue;
    if (absl::Status added = AddCopy(due[i], contents[i], *append); !added.ok()) {
      SetAside({due[i]});
      unread.Update(added);
      continue;
    }
    append->timers.push_back(due[i]);
  }
  if (!unread.ok()) {
    LOG_WARNING("Delayed messages that are due could not be read and are tried again: {}",
                std::string(unread.message()));
  }
  if (append->timers.empty()) return 0;
  append->AddRecord(kTimersFiredRecord, EncodeTimers(append->timers));
  environment_.budget->Charge(append->size() + append->timers.size() * AppendBudget::kMessageCost);
  const std::vector<TimerKey> fired = append->timers;
  const absl::Status submitted = state.store()->Submit(std::move(append));
  if (submitted.ok()) {
    batch_timers_ = std::min<size_t>(kBatchTimers, 2 * batch_timers_);
    return 0;
  }
  return NotTaken(fired, submitted);
}

int64_t Firing::NotTaken(const std::vector<TimerKey>& timers, const absl::Status& why) {
  DelayState& state = *environment_.state;
  if (!absl::IsInvalidArgument(why)) {
    for (const TimerKey& timer : timers) state.Unclaim(timer);
    state.PutBack(timers.front());
    return kAgainMs;
  }
  if (timers.size() == 1) {
    LOG_ERROR_EVERY(
        absl::Minutes(10),
        "The delayed message at offset {} (level {}) is due and is too large for the log: {}. It is "
        "tried each second; raise store.segment-bytes, or take it back with `mansio delay cancel`.",
        timers.front().offset(), timers.front().level(), std::string(why.message()));
    SetAside(timers);
    return 0;
  }
  // More than was reckoned for; less will do.
  batch_timers_ = timers.size() / 2;
  for (const TimerKey& timer : timers) state.Unclaim(timer);
  state.PutBack(timers.front());
  return 0;
}

uint64_t Firing::BatchBytes() const {
  const uint64_t frame = environment_.state->store()->MaxAppendBytes();
  const uint64_t overhead = batch_timers_ * kTimerOverhead;
  return std::min(kBatchBytes, frame > 2 * overhead ? frame - overhead : frame / 2);
}

void Firing::SetAside(const std::vector<TimerKey>& timers) {
  for (const TimerKey& timer : timers) environment_.state->SetAside(timer);
  for (const TimerKey& timer : timers) environment_.state->Unclaim(timer);
}

void Firing::TakeUpLater() {
  if (taking_up_.exchange(true)) return;
  environment_.timers->ScheduleAfter(kTakeAgainMs, [this] {
    taking_up_ = false;
    environment_.state->TakeUp();
    Wake();
  });
}

absl::Status Firing::AddCopy(const TimerKey& timer, const absl::StatusOr<std::string>& bytes,
                             FiredAppend& append) const {
  const auto lost = [&timer, &append](const absl::Status& status) {
    ++append.lost;
    LOG_ERROR("The delayed message at offset {} (level {}) is lost: {}", timer.offset(),
              timer.level(), std::string(status.message()));
    return absl::OkStatus();
  };
  if (absl::IsNotFound(bytes.status()) || absl::IsOutOfRange(bytes.status()) ||
      absl::IsDataLoss(bytes.status())) {
    return lost(bytes.status());
  }
  if (!bytes.ok()) return bytes.status();
  const auto content = DecodeContent(*bytes);
  if (!content.ok()) return lost(content.status());
  const auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return lost(provenance.status());
  const TopicPtr topic = environment_.metadata->FindTopic(provenance->topic);
  if (topic == nullptr) return absl::OkStatus();  // deleted, and with it what was to come
  CopyChanges changes;
  if (const auto delivered = Provenance::Decode(provenance->delivered); delivered.ok()) {
    changes.provenance = *delivered;
  }
  // As in RocketMQ: a consumer that sends the message on does not delay it again.
  if (timer.level() > 0) changes.drop_property = kDelayProperty;
  ContentCopy(*content, changes)
      .AddTo(append, {topic->id, provenance->queue % topic->queues},
             environment_.time->NowMillis());
  return absl::OkStatus();
}

}  // namespace mansio::broker
