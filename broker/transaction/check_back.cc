#include "broker/transaction/check_back.h"

#include <algorithm>
#include <optional>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/transaction/transaction_id.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/logging/logging.h"
#include "common/names/string_map.h"
#include "common/rpc/proto_call.h"
#include "common/rpc/server.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Halves and bytes of one round: bounds what is read at once, for commits and timers wait behind
// it, and how long the timers' thread is busy.
constexpr size_t kRound = 256;
constexpr uint64_t kRoundBytes = 2u << 20;
// Between rounds while there is more to ask: some 50,000 checks a second at most.
constexpr int64_t kPauseMs = 5;
// After this, look again whether a producer has come, or takes more, or whether the store accepts
// again.
constexpr int64_t kLookAgainMs = 1000;
// What a check has besides when it goes through another node: the client's id.
constexpr size_t kRelayOverhead = gateway::kMaxClientIdBytes + 64;

// The message as its producer knows it, with everything that SDKs read of a delivery.
v2::Message MessageOf(const StoredContent& content, const Delivery& delivery) {
  v2::ReceiveMessageResponse response;
  // The body is copied, as nothing keeps the stored one.
  rpc::Parse(EncodeReceivedMessage(content, delivery, nullptr, SIZE_MAX).Flatten(), &response);
  response.mutable_message()->mutable_system_properties()->clear_receipt_handle();
  return std::move(*response.mutable_message());
}

// A round of checks on its way into the log. Lost, they are made again and counted then.
class ChecksAppend : public store::Append {
 public:
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

}  // namespace

CheckBack::CheckBack(Options options, Environment environment)
    : options_(std::move(options)), environment_(environment) {}

CheckBack::~CheckBack() { Stop(); }

void CheckBack::Start() {
  {
    MutexLock lock(&mutex_);
    running_ = true;
  }
  for (const auto& [offset, half] : environment_.state->List(0, SIZE_MAX, 0)) Added(offset, half);
}

void CheckBack::Stop() {
  TimerQueue::Id timer;
  {
    MutexLock lock(&mutex_);
    if (!running_) return;
    running_ = false;
    timer = timer_;
  }
  environment_.timers->Cancel(timer);
}

CheckBack::Policy CheckBack::PolicyOf(uint32_t topic_id) const {
  Policy policy = options_.policy;
  if (const TopicPtr topic = environment_.metadata->FindTopic(topic_id)) {
    const CheckBackPolicy& own = topic->check_back;
    if (own.first_check_ms > 0) policy.first_check_ms = own.first_check_ms;
    if (own.interval_ms > 0) policy.interval_ms = own.interval_ms;
    if (own.max_checks > 0) policy.max_checks = own.max_checks;
  }
  return policy;
}

int64_t CheckBack::NextCheck(const Half& half) const {
  const Policy policy = PolicyOf(half.topic);
  if (half.checks > 0) return half.checked_ms + policy.interval_ms;
  return half.stored_ms + (half.recovery_ms > 0 ? half.recovery_ms : policy.first_check_ms);
}

void CheckBack::Added(store::QueueOffset half, const Half& entry) {
  Schedule(half, NextCheck(entry));
}

void CheckBack::Ended(store::QueueOffset half, const Half& entry) {
  MutexLock lock(&mutex_);
  if (const auto waiting = waiting_.find(entry.topic); waiting != waiting_.end()) {
    waiting->second.erase(half);
    if (waiting->second.empty()) waiting_.erase(waiting);
  }
  const auto due = due_of_.find(half);
  if (due == due_of_.end()) return;
  by_due_.erase({due->second, half});
  due_of_.erase(due);
}

void CheckBack::Schedule(store::QueueOffset half, int64_t due_ms) {
  MutexLock lock(&mutex_);
  if (!running_) return;
  Put(half, due_ms);
  Arm();
}

void CheckBack::Put(store::QueueOffset half, int64_t due_ms) {
  const auto [due, added] = due_of_.try_emplace(half, due_ms);
  if (!added) by_due_.erase({due->second, half});
  due->second = due_ms;
  by_due_.insert({due_ms, half});
}

void CheckBack::Arm() {
  if (!running_ || by_due_.empty() || by_due_.begin()->first >= armed_for_) return;
  if (armed_for_ != kNever) environment_.timers->Cancel(timer_);
  armed_for_ = by_due_.begin()->first;
  timer_ = environment_.timers->Schedule(armed_for_, [this] {
    {
      MutexLock lock(&mutex_);
      armed_for_ = kNever;
    }
    Fire();
  });
}

void CheckBack::FireAfter(int64_t pause_ms) {
  const int64_t at = environment_.time->PassedMillis() + pause_ms;
  if (!running_ || at >= next_round_ms_) return;
  next_round_ms_ = at;
  environment_.timers->ScheduleAfter(pause_ms, [this, at] {
    {
      MutexLock lock(&mutex_);
      if (next_round_ms_ != at) return;  // there is an earlier one
      next_round_ms_ = kNever;
    }
    Fire();
  });
}

void CheckBack::LookAgain(store::QueueOffset half) {
  environment_.timers->ScheduleAfter(
      kLookAgainMs, [this, half] { Schedule(half, environment_.time->NowMillis()); });
}

void CheckBack::Fire() {
  const int64_t now = environment_.time->NowMillis();
  for (const store::QueueOffset half : TakeDue(now)) Sort(half, now);
  AskProducers();
  MutexLock lock(&mutex_);
  Arm();
}

std::vector<store::QueueOffset> CheckBack::TakeDue(int64_t now_ms) {
  std::vector<store::QueueOffset> due;
  MutexLock lock(&mutex_);
  while (running_ && !by_due_.empty() && by_due_.begin()->first <= now_ms && due.size() < kRound) {
    due.push_back(by_due_.begin()->second);
    due_of_.erase(due.back());
    by_due_.erase(by_due_.begin());
  }
  return due;
}

void CheckBack::Sort(store::QueueOffset half, int64_t now_ms) {
  const std::optional<Half> entry = environment_.state->Find(half);
  if (!entry) return;
  // Its end is on the way; should that fail, it is looked at again.
  if (environment_.state->IsClaimed(half)) return LookAgain(half);
  if (entry->checks >= PolicyOf(entry->topic).max_checks) return Expire(half, entry->epoch, now_ms);
  MutexLock lock(&mutex_);
  Wait(half, *entry);
}

void CheckBack::Wait(store::QueueOffset half, const Half& entry) {
  // Under the lock that Ended takes: one that has ended meanwhile would wait for ever.
  if (environment_.state->Find(half)) waiting_[entry.topic].insert(half);
}

void CheckBack::Expire(store::QueueOffset half, store::Epoch epoch, int64_t now_ms) {
  // Its bytes are charged when they are known.
  const int64_t wait = environment_.budget->Take(0, 1);
  if (wait > 0) {
    environment_.timers->ScheduleAfter(wait, [this, half, now_ms] { Schedule(half, now_ms); });
    return;
  }
  environment_.ender->End({epoch, half}, TransactionOutcome::kExpired,
                          [this, half](const absl::Status& status) {
                            if (!status.ok()) LookAgain(half);
                          });
}

absl::flat_hash_map<uint32_t, CheckBack::Streams> CheckBack::ProducersOfWaiting() const {
  StringMap<uint32_t> ids;
  {
    MutexLock lock(&mutex_);
    for (const auto& [topic_id, halves] : waiting_) {
      const TopicPtr topic = environment_.metadata->FindTopic(topic_id);
      if (topic != nullptr) ids[topic->name] = topic_id;
    }
  }
  absl::flat_hash_map<uint32_t, Streams> producers;
  if (ids.empty()) return producers;
  StringSet names;
  for (const auto& [name, id] : ids) names.insert(name);
  for (auto& [name, streams] : environment_.clients->ProducerStreams(names)) {
    producers[ids[name]] = std::move(streams);
  }
  return producers;
}

std::vector<CheckBack::Candidate> CheckBack::TakeAskable(
    const absl::flat_hash_map<uint32_t, Streams>& producers) {
  MutexLock lock(&mutex_);
  if (!running_ || asking_) return {};
  const std::vector<uint32_t> topics = AskableTopics(producers);
  std::vector<Candidate> candidates;
  const size_t share = topics.empty() ? 0 : std::max<size_t>(kRound / topics.size(), 1);
  for (size_t i = 0; i < topics.size() && i < kRound; ++i) {
    const auto topic = waiting_.find(topics[i]);
    absl::btree_set<store::QueueOffset>& halves = topic->second;
    const auto pause = paused_.find(topics[i]);
    auto next = pause == paused_.end() ? halves.begin() : halves.upper_bound(pause->second.refused);
    if (pause != paused_.end()) paused_.erase(pause);
    for (size_t n = 0; n < share && !halves.empty(); ++n) {
      if (next == halves.end()) next = halves.begin();
      const store::QueueOffset half = *next;
      next = halves.erase(next);
      if (const auto entry = environment_.state->Find(half)) candidates.push_back({half, *entry});
    }
    if (halves.empty()) waiting_.erase(topic);
  }
  asking_ = !candidates.empty();
  return candidates;
}

std::vector<uint32_t> CheckBack::AskableTopics(
    const absl::flat_hash_map<uint32_t, Streams>& producers) {
  absl::erase_if(paused_, [this](const auto& topic) { return !waiting_.contains(topic.first); });
  const int64_t now = environment_.time->PassedMillis();
  std::vector<uint32_t> topics;
  for (const auto& [topic, halves] : waiting_) {
    const auto pause = paused_.find(topic);
    const bool paused = pause != paused_.end() && pause->second.until_ms > now;
    if (producers.contains(topic) && !paused) topics.push_back(topic);
  }
  std::rotate(topics.begin(), std::upper_bound(topics.begin(), topics.end(), last_topic_),
              topics.end());
  return topics;
}

void CheckBack::AskProducers() {
  const std::optional<store::QueueKey> queue = environment_.ender->HalfQueue();
  if (!queue) return;
  auto producers = ProducersOfWaiting();
  std::vector<Candidate> candidates = TakeAskable(producers);
  {
    MutexLock lock(&mutex_);
    if (!waiting_.empty()) FireAfter(kLookAgainMs);
  }
  if (candidates.empty()) return;
  std::vector<MoveSource> sources;
  for (const Candidate& candidate : candidates) sources.push_back({*queue, candidate.half, {}});
  environment_.mover->GatherSome(
      std::move(sources), kRoundBytes,
      [this, candidates = std::move(candidates), producers = std::move(producers)](
          std::vector<absl::StatusOr<store::StoredMessage>> messages) {
        Deliver(candidates, producers, messages);
      });
}

void CheckBack::Deliver(const std::vector<Candidate>& candidates,
                        const absl::flat_hash_map<uint32_t, Streams>& producers,
                        const std::vector<absl::StatusOr<store::StoredMessage>>& messages) {
  const rpc::CompletionScope one_wake;  // for all that is asked here
  const int64_t now = environment_.time->NowMillis();
  Round round;
  for (size_t i = 0; i < messages.size(); ++i) {
    DeliverOne(candidates[i], producers, messages[i], now, round);
  }
  // What was too much to be read at once has its turn in the next round.
  for (size_t i = messages.size(); i < candidates.size(); ++i) {
    round.not_asked.push_back(candidates[i]);
  }
  if (!round.asked.empty()) LogChecks(round.asked, now);
  MutexLock lock(&mutex_);
  asking_ = false;
  if (!messages.empty()) last_topic_ = candidates[messages.size() - 1].entry.topic;
  const int64_t until = environment_.time->PassedMillis() + kLookAgainMs;
  for (const auto& [topic, refused] : round.full) paused_[topic] = {until, refused};
  for (const Candidate& candidate : round.not_asked) Wait(candidate.half, candidate.entry);
  if (!waiting_.empty()) FireAfter(kPauseMs);
  Arm();
}

void CheckBack::DeliverOne(const Candidate& candidate,
                           const absl::flat_hash_map<uint32_t, Streams>& producers,
                           const absl::StatusOr<store::StoredMessage>& message, int64_t now_ms,
                           Round& round) {
  const absl::StatusOr<StoredContent> content =
      message.ok() ? DecodeContent(message->view.content)
                   : absl::StatusOr<StoredContent>(message.status());
  const uint32_t topic = candidate.entry.topic;
  if (absl::IsCancelled(content.status())) return;  // the broker stops
  if (IsLost(content.status())) {
    // Nobody can be asked; counted all the same, so that it comes to its end.
    round.asked.push_back(candidate.half);
    Schedule(candidate.half, now_ms + PolicyOf(topic).interval_ms);
  } else if (!content.ok()) {
    LOG_WARNING("The half message at offset {} cannot be read for its check: {}", candidate.half,
                std::string(content.status().message()));
    Schedule(candidate.half, now_ms + PolicyOf(topic).interval_ms);
  } else if (environment_.state->IsClaimed(candidate.half)) {
    LookAgain(candidate.half);
  } else if (round.full.contains(topic)) {
    round.not_asked.push_back(candidate);
  } else if (Ask(candidate, producers.at(topic), *content)) {
    round.asked.push_back(candidate.half);
    Schedule(candidate.half, now_ms + PolicyOf(topic).interval_ms);
  } else {
    round.full.emplace(topic, candidate.half);
    round.not_asked.push_back(candidate);
  }
}

bool CheckBack::Ask(const Candidate& candidate, const Streams& producers,
                    const StoredContent& content) const {
  const TopicPtr topic = environment_.metadata->FindTopic(candidate.entry.topic);
  if (topic == nullptr) return false;  // deleted, and the half has ended with it
  v2::TelemetryCommand command;
  v2::RecoverOrphanedTransactionCommand* check =
      command.mutable_recover_orphaned_transaction_command();
  check->set_transaction_id(
      TransactionId{options_.broker_name, topic->id, candidate.entry.epoch, candidate.half}.Encode(
          environment_.metadata->handle_key()));
  Delivery delivery;
  delivery.topic = topic->name;
  delivery.store_host = options_.store_host;
  delivery.queue_offset = static_cast<int64_t>(candidate.half);
  delivery.store_time_ms = candidate.entry.stored_ms;
  *check->mutable_message() = MessageOf(content, delivery);
  if (command.ByteSizeLong() + kRelayOverhead > options_.max_check_bytes) {
    LOG_WARNING(
        "The half message at offset {} is too large for its check ({} bytes): no producer can be "
        "asked about it. Resolve it with `mansio transaction`, or raise "
        "limits.unsent-bytes-per-stream",
        candidate.half, command.ByteSizeLong());
    return true;
  }
  // Each check asks the next producer, so that one which never answers cannot hold a half up.
  const uint64_t turn = candidate.half + candidate.entry.checks;
  for (size_t i = 0; i < producers.size(); ++i) {
    if (rpc::Write(*producers[(turn + i) % producers.size()], command)) return true;
  }
  return false;
}

void CheckBack::LogChecks(std::vector<store::QueueOffset> halves, int64_t now_ms) {
  auto append = std::make_unique<ChecksAppend>();
  append->AddRecord(kHalvesCheckedRecord, HalvesCheckedRecord{now_ms, std::move(halves)}.Encode());
  (void)environment_.state->store()->Submit(std::move(append));
}

}  // namespace mansio::broker
