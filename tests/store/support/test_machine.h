#ifndef MANSIO_TESTS_STORE_SUPPORT_TEST_MACHINE_H_
#define MANSIO_TESTS_STORE_SUPPORT_TEST_MACHINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/sync/sync.h"
#include "store/append.h"
#include "store/state_machine.h"
#include "store/store.h"

namespace mansio::store {

// A broker in miniature: topics, a table of texts, and per queue a digest of every message ever
// folded.
class TestMachine : public StateMachine {
 public:
  static constexpr RecordKind kDefineTopic = 16;
  static constexpr RecordKind kDropTopic = 17;
  static constexpr RecordKind kPut = 18;
  static constexpr RecordKind kRelease = 19;
  static constexpr RecordKind kHold = 20;

  // A message with this tag hash is live until it is released; any other, while it is held.
  static constexpr uint64_t kLiveTag = 0x11fe;

  static void AddDefineTopic(Append& append, uint32_t topic, uint32_t queues);
  static void AddDropTopic(Append& append, uint32_t topic);
  static void AddRelease(Append& append, QueueKey queue, QueueOffset offset);
  static void AddHold(Append& append, QueueKey queue, QueueOffset offset);
  static void AddPut(Append& append, std::string_view key, std::string_view value);

  void Attach(Store* store) override { store_ = store; }
  void Apply(const RecordView& record) override;
  void CaptureDirty(StateSink& sink) override;
  void CaptureAll(StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  std::vector<LiveMessage> LiveMessages(QueueKey queue, QueueOffset from, QueueOffset to,
                                        size_t max) const override;

  // A decision, as a lease is one: the queue's first message is live from now on, and `append`,
  // which is to be submitted at once, says so. False when there is none.
  bool HoldFirst(QueueKey queue, Append& append);

  // Called at the end of each Apply.
  std::function<void(const RecordView&)> on_apply;

  // Called at the beginning of each LiveMessages.
  std::function<void()> on_live;

  // The whole state as text, to compare two machines.
  std::string Digest() const;
  std::string Get(const std::string& key) const;
  // Every live message.
  std::vector<std::pair<QueueKey, QueueOffset>> Live() const;
  // How long live messages stay so.
  absl::Duration keep = absl::InfiniteDuration();
  // LiveMessages names none: a build that is broken on purpose.
  bool hides_live = false;
  // Records folded since the machine was made, and how many of them in a replay.
  uint64_t applied() const;
  uint64_t replayed() const;

 private:
  void Release(QueueKey queue, QueueOffset offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DefineTopic(uint32_t topic, uint32_t queues) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropTopic(uint32_t topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Set(const std::string& key, std::string value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* store_ = nullptr;
  mutable Mutex mutex_;
  // All state: "t<topic>" -> queues, "m<topic>/<queue>" -> digest, "p<key>" -> value,
  // "l<topic>/<queue>/<offset>" -> "" for a live message.
  std::map<std::string, std::string> state_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> dirty_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> claimed_ ABSL_GUARDED_BY(mutex_);  // names of held messages on their way
  uint64_t applied_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t replayed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_SUPPORT_TEST_MACHINE_H_
