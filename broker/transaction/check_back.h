#ifndef MANSIO_BROKER_TRANSACTION_CHECK_BACK_H_
#define MANSIO_BROKER_TRANSACTION_CHECK_BACK_H_

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/message/stored_message.h"
#include "broker/move/append_budget.h"
#include "broker/transaction/transaction_ender.h"
#include "common/gateway/client_registry.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio::broker {

// Asks producers about halves that nobody has ended (RocketMQ 5 API): through the telemetry
// stream of a living producer of the topic, each time the next one, another one when that fails. A
// half whose topic has no producer waits for one, uncounted. After the last check and one more
// interval the half expires. Thread-safe.
class CheckBack {
 public:
  // How often a producer is asked: of a topic where it says so, else this.
  struct Policy {
    int64_t first_check_ms = 6000;  // after the half was stored
    int64_t interval_ms = 30000;
    uint32_t max_checks = 15;
  };
  struct Options {
    Policy policy;
    std::string broker_name;
    std::string store_host;
    size_t max_check_bytes = 8u << 20;  // more than a stream ever takes
  };
  // All borrowed.
  struct Environment {
    TransactionState* state = nullptr;
    TransactionEnder* ender = nullptr;
    Metadata* metadata = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  CheckBack(Options options, Environment environment);
  ~CheckBack();

  // Begins, with the halves that are pending by now; later ones are told by Added.
  void Start();
  void Stop();

  // A half is pending. Ignored before Start.
  void Added(store::QueueOffset half, const Half& entry);
  // It has ended.
  void Ended(store::QueueOffset half, const Half& entry);
  // When a half is to be checked the next time, or to expire; broker time.
  int64_t NextCheck(const Half& half) const;

 private:
  struct Candidate {
    store::QueueOffset half = 0;
    Half entry;
  };
  using Streams = std::vector<std::shared_ptr<rpc::BidiCall>>;
  // What became of the candidates of a round.
  struct Round {
    std::vector<store::QueueOffset> asked;
    std::vector<Candidate> not_asked;
    // Topics of which no producer took more, and the half that was refused.
    absl::flat_hash_map<uint32_t, store::QueueOffset> full;
  };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  Policy PolicyOf(uint32_t topic) const;
  void Schedule(store::QueueOffset half, int64_t due_ms) ABSL_LOCKS_EXCLUDED(mutex_);
  void Put(store::QueueOffset half, int64_t due_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sorts it again after a moment, as what it needs is not there.
  void LookAgain(store::QueueOffset half);
  // The next round, unless one comes earlier.
  void FireAfter(int64_t pause_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A round: what is due waits for a producer of its topic or expires; then some of what has a
  // producer is gathered and sent.
  void Fire();
  std::vector<store::QueueOffset> TakeDue(int64_t now_ms) ABSL_LOCKS_EXCLUDED(mutex_);
  void Sort(store::QueueOffset half, int64_t now_ms);
  void Wait(store::QueueOffset half, const Half& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Expire(store::QueueOffset half, store::Epoch epoch, int64_t now_ms);
  void AskProducers();
  // A share of each topic that has producers.
  std::vector<Candidate> TakeAskable(const absl::flat_hash_map<uint32_t, Streams>& producers)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Behind the topic that the last round ended with, so that none waits for the others.
  std::vector<uint32_t> AskableTopics(const absl::flat_hash_map<uint32_t, Streams>& producers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::flat_hash_map<uint32_t, Streams> ProducersOfWaiting() const;
  void Deliver(const std::vector<Candidate>& candidates,
               const absl::flat_hash_map<uint32_t, Streams>& producers,
               const std::vector<absl::StatusOr<store::StoredMessage>>& messages);
  void DeliverOne(const Candidate& candidate,
                  const absl::flat_hash_map<uint32_t, Streams>& producers,
                  const absl::StatusOr<store::StoredMessage>& message, int64_t now_ms,
                  Round& round);
  // True when a producer was asked, or none ever can be: that counts, or the half would never end.
  bool Ask(const Candidate& candidate, const Streams& producers,
           const StoredContent& content) const;
  void LogChecks(std::vector<store::QueueOffset> halves, int64_t now_ms);

  const Options options_;
  const Environment environment_;

  mutable Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;  // bytes are being gathered
  absl::btree_set<std::pair<int64_t, store::QueueOffset>> by_due_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<store::QueueOffset, int64_t> due_of_ ABSL_GUARDED_BY(mutex_);
  // Due, and waiting for a producer of their topic.
  absl::btree_map<uint32_t, absl::btree_set<store::QueueOffset>> waiting_ ABSL_GUARDED_BY(mutex_);
  // Topics whose producers took no more: until when they are left alone (BrokerTime::PassedMillis),
  // and the half that was refused, behind which the next round begins.
  struct Pause {
    int64_t until_ms = 0;
    store::QueueOffset refused = 0;
  };
  absl::flat_hash_map<uint32_t, Pause> paused_ ABSL_GUARDED_BY(mutex_);
  uint32_t last_topic_ ABSL_GUARDED_BY(mutex_) = 0;         // that the last round ended with
  int64_t next_round_ms_ ABSL_GUARDED_BY(mutex_) = kNever;  // by pauses; PassedMillis
  int64_t armed_for_ ABSL_GUARDED_BY(mutex_) = kNever;
  TimerQueue::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_CHECK_BACK_H_
