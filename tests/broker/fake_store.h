#ifndef MANSIO_TESTS_BROKER_FAKE_STORE_H_
#define MANSIO_TESTS_BROKER_FAKE_STORE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/sync/sync.h"
#include "store/store.h"

namespace mansio::store {

// A store in memory, with the contract of store::Store and without threads: each append is a frame
// of its own, and callbacks run on the thread that submits or steps, never under the store's lock.
//
//   automatic  Submit takes the append, applies it and makes all callbacks before it returns
//   (unless it
//              was called from a callback: then the outer call goes on with it). Not for callers
//              that submit under a lock of their own.
//   held       nothing happens until StepAppend and StepCommit, or Run, which does both until all
//   is done.
class FakeStore : public Store {
 public:
  enum class Mode { kAutomatic, kHeld };

  // `machine` is borrowed and may be null.
  explicit FakeStore(StateMachine* machine = nullptr, Mode mode = Mode::kAutomatic,
                     Epoch epoch = 1);

  // A store that starts from the history committed in this one, as after kill -9: folds it into
  // `machine` as a replay, in the next epoch. What was not committed is lost.
  std::unique_ptr<FakeStore> Restart(StateMachine* machine, Mode mode = Mode::kAutomatic) const;
  // The same, with the fold starting from a checkpoint of `from` taken now.
  std::unique_ptr<FakeStore> RestartFromCheckpoint(StateMachine& from, StateMachine* machine,
                                                   Mode mode = Mode::kAutomatic) const;

  void SetMode(Mode mode);
  // Held mode: takes all submitted appends into the log (Appended), commits and applies what is in
  // the log (Apply, Applied), or fails everything that is not committed (Failed).
  void StepAppend();
  void StepCommit();
  void StepFail(const absl::Status& status);
  // Fails the submitted appends that have messages, as a full disk does, and no others.
  void StepFailMessages(const absl::Status& status);
  // StepAppend and StepCommit until nothing is left.
  void Run();
  // Appends submitted, or appended, that are not committed.
  size_t pending() const;

  // Appends with messages that are larger are refused with InvalidArgument; kMaxFramePayload at
  // first.
  void SetMaxAppendBytes(size_t bytes);
  // What the following Submits answer; OK: accept again. Health follows.
  void RefuseSubmits(absl::Status status);
  // Accepts `appends` more, then refuses with ResourceExhausted.
  void AcceptOnly(size_t appends);
  // False: HotEntries and HotMessage find nothing, so that readers take the cold way.
  void SetHot(bool entries, bool messages);
  // HotEntries finds nothing of this queue.
  void SetColdQueue(QueueKey queue);
  // What ReadMessage gives of one message; OK: the message again.
  void FailReads(QueueKey queue, QueueOffset offset, absl::Status status);
  // What ReadEntries answers; OK: the entries again.
  void FailEntries(absl::Status status);
  // Cold jobs run in RunColdJobs instead of at once.
  void HoldColdJobs(bool hold);
  void RefuseColdJobs(bool refuse);
  size_t RunColdJobs();
  // Retention: the queue begins at `min`.
  void TrimQueue(QueueKey queue, QueueOffset min);
  // The same, with what the machine says is live carried forward.
  void CarryAndTrimQueue(QueueKey queue, QueueOffset min);
  // Before that: nobody gets what is below `min` any more, though it is there. 0 withdraws it.
  void AnnounceMin(QueueKey queue, QueueOffset min);
  // What CarryBudgetLeft answers; UINT64_MAX at first.
  void SetCarryBudget(uint64_t bytes);
  // What messages are found by; borrowed. Without, FindByKey refuses.
  void SetKeys(const MessageKeys* keys);
  // The next frame begins another file of the log.
  void BeginLogFile();
  // ReadLog finds the frame at `offset` damaged.
  void DamageLog(LogOffset offset);
  // How many appends were ever submitted and accepted.
  size_t submitted() const;
  // How often ReadMessage was called.
  size_t reads() const;
  // How many entries ReadEntries was asked for.
  size_t entries_read() const;

  // Store
  absl::Status Submit(std::unique_ptr<Append> append) override;
  size_t MaxAppendBytes() const override;
  Cursors cursors() const override;
  Epoch epoch() const override { return epoch_; }
  absl::Status Health() const override;
  StoreUsage usage() const override { return {}; }
  void DefineTopic(uint32_t topic, uint32_t queues) override;
  void DropTopic(uint32_t topic) override;
  QueueRange Range(QueueKey queue) const override;
  QueueRange StoredRange(QueueKey queue) const override;
  std::optional<std::vector<QueueEntry>> HotEntries(QueueKey queue, QueueOffset from,
                                                    size_t max) const override;
  absl::StatusOr<std::vector<QueueEntry>> ReadEntries(QueueKey queue, QueueOffset from,
                                                      size_t max) override;
  std::vector<CarriedEntry> CarriedEntries(QueueKey queue, QueueOffset from,
                                           size_t max) const override;
  void ForgetCarried(QueueKey queue, QueueOffset offset) override;
  uint64_t CarryBudgetLeft() const override;
  std::optional<StoredMessage> HotMessage(QueueKey queue, QueueOffset offset,
                                          const QueueEntry& entry) const override;
  absl::StatusOr<StoredMessage> ReadMessage(QueueKey queue, QueueOffset offset,
                                            const QueueEntry& entry) override;
  absl::StatusOr<KeySearch> FindByKey(const KeyQuery& query,
                                      absl::FunctionRef<bool(const KeyMatch&)> visit) override;
  absl::StatusOr<LocatedMessage> ReadMessageAt(LogOffset offset) override;
  absl::StatusOr<LogOffset> ReadLog(
      LogOffset from, size_t max_bytes,
      absl::FunctionRef<void(const RecordView& record)> visit) override;
  LogOffset NextLogFile(LogOffset from) const override;
  bool RunCold(absl::AnyInvocable<void()> job) override;
  std::optional<StoreTime> FirstStoreTime(QueueKey queue) const override;
  bool NeverTrimmed(QueueKey queue) const override;
  absl::Status Checkpoint() override { return absl::OkStatus(); }
  void SetRetention(absl::Duration, uint64_t) override {}
  absl::Status EnforceRetention() override { return absl::OkStatus(); }
  absl::Status Close() override;

 private:
  // The bytes of one append and where it stands.
  struct Frame {
    LogOffset offset = 0;
    Epoch epoch = 0;
    std::shared_ptr<const std::string> payload;
    std::vector<uint32_t> starts;            // of the records
    std::vector<QueueOffset> queue_offsets;  // of the messages
  };
  struct Pending {
    std::unique_ptr<Append> append;
    Frame frame;
    AppendResult result;
  };
  struct Message {
    QueueEntry entry;
    StoreTime store_time = 0;
    std::shared_ptr<const std::string> payload;
    std::string_view content;
  };
  struct Queue {
    QueueOffset min = 0;
    QueueOffset announced = 0;
    bool trimmed = false;
    std::set<QueueOffset> carried;  // below min
    std::vector<Message> messages;
  };

  void Take(Pending& pending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyFrame(const Frame& frame, bool replay) ABSL_LOCKS_EXCLUDED(mutex_);
  // The records of a frame; `time` is the latest store time so far.
  static void ForEachRecord(const Frame& frame, StoreTime* time,
                            absl::FunctionRef<void(const RecordView& record)> visit);
  // The records of what is committed, oldest first, each with its frame.
  void ForEachCommitted(absl::FunctionRef<void(const Frame& frame, const RecordView& record)> visit)
      const ABSL_LOCKS_EXCLUDED(mutex_);
  const Message* Find(QueueKey queue, QueueOffset offset) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<QueueEntry> EntriesOf(QueueKey queue, QueueOffset from, size_t max) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  StateMachine* const machine_;
  const Epoch epoch_;

  mutable Mutex mutex_;
  Mode mode_ ABSL_GUARDED_BY(mutex_);
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // an automatic Submit is making callbacks
  const MessageKeys* keys_ ABSL_GUARDED_BY(mutex_) = nullptr;
  absl::Status refuse_ ABSL_GUARDED_BY(mutex_);
  std::optional<size_t> accept_only_ ABSL_GUARDED_BY(mutex_);
  bool hot_entries_ ABSL_GUARDED_BY(mutex_) = true;
  bool hot_messages_ ABSL_GUARDED_BY(mutex_) = true;
  std::optional<QueueKey> cold_queue_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<QueueKey, QueueOffset>, absl::Status> failing_ ABSL_GUARDED_BY(mutex_);
  absl::Status fail_entries_ ABSL_GUARDED_BY(mutex_);
  bool hold_cold_ ABSL_GUARDED_BY(mutex_) = false;
  bool refuse_cold_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t carry_budget_ ABSL_GUARDED_BY(mutex_) = UINT64_MAX;
  size_t max_append_bytes_ ABSL_GUARDED_BY(mutex_) = kMaxFramePayload;
  size_t submitted_count_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t entries_read_ ABSL_GUARDED_BY(mutex_) = 0;
  LogOffset end_ ABSL_GUARDED_BY(mutex_) = 64;  // an EPOCH frame begins every log
  StoreTime store_time_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Pending> submitted_ ABSL_GUARDED_BY(mutex_);
  std::deque<Pending> appended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Frame> committed_ ABSL_GUARDED_BY(mutex_);
  std::set<LogOffset> log_files_ ABSL_GUARDED_BY(mutex_);  // where the second and later ones begin
  std::set<LogOffset> damaged_ ABSL_GUARDED_BY(mutex_);
  std::map<QueueKey, Queue> queues_ ABSL_GUARDED_BY(mutex_);
  std::map<QueueKey, QueueOffset> next_ ABSL_GUARDED_BY(mutex_);  // to assign, ahead of queues_
  std::deque<absl::AnyInvocable<void()>> cold_jobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_BROKER_FAKE_STORE_H_
