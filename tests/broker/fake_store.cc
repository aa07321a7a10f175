#include "tests/broker/fake_store.h"

#include <algorithm>
#include <utility>

#include "store/log/append_encoding.h"
#include "store/log/frame.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {

// Pairs of a checkpoint on their way into another machine.
class PairCollector : public StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs_[std::string(key)] = std::string(value);
  }
  void Delete(std::string_view key) override { pairs_.erase(std::string(key)); }
  const std::map<std::string, std::string>& pairs() const { return pairs_; }

 private:
  std::map<std::string, std::string> pairs_;
};

EncodedRecord RecordAt(std::string_view payload, uint32_t start) {
  std::string_view rest = payload.substr(start);
  EncodedRecord record;
  TakeRecord(rest, &record);
  return record;
}

}  // namespace

FakeStore::FakeStore(StateMachine* machine, Mode mode, Epoch epoch)
    : machine_(machine), epoch_(epoch), mode_(mode) {
  if (machine_ != nullptr) machine_->Attach(this);
}

std::unique_ptr<FakeStore> FakeStore::Restart(StateMachine* machine, Mode mode) const {
  auto next = std::make_unique<FakeStore>(machine, mode, epoch_ + 1);
  std::vector<Frame> history;
  {
    MutexLock lock(&mutex_);
    history = committed_;
  }
  for (const Frame& frame : history) {
    next->ApplyFrame(frame, /*replay=*/true);
    MutexLock lock(&next->mutex_);
    next->committed_.push_back(frame);
    next->end_ = frame.offset + frame.payload->size() + 2 * kFrameHeaderBytes;
  }
  return next;
}

std::unique_ptr<FakeStore> FakeStore::RestartFromCheckpoint(StateMachine& from,
                                                            StateMachine* machine,
                                                            Mode mode) const {
  auto next = std::make_unique<FakeStore>(machine, mode, epoch_ + 1);
  PairCollector checkpoint;
  from.CaptureAll(checkpoint);
  {
    MutexLock lock(&mutex_);
    MutexLock next_lock(&next->mutex_);
    next->committed_ = committed_;
    next->queues_ = queues_;
    next->end_ = end_ + kFrameHeaderBytes;
    next->store_time_ = store_time_;
    for (const auto& [key, queue] : queues_) next->next_[key] = queue.messages.size();
  }
  for (const auto& [key, value] : checkpoint.pairs()) {
    if (absl::Status status = machine->Restore(key, value); !status.ok()) return nullptr;
  }
  return next;
}

void FakeStore::SetMode(Mode mode) {
  MutexLock lock(&mutex_);
  mode_ = mode;
}

absl::Status FakeStore::Submit(std::unique_ptr<Append> append) {
  if (absl::Status status = AppendEncoding::Seal(*append, kMaxFrameBytes); !status.ok())
    return status;
  {
    MutexLock lock(&mutex_);
    if (append->size() > max_append_bytes_) return absl::InvalidArgumentError("too large");
    if (!refuse_.ok()) return refuse_;
    if (accept_only_ == 0) return absl::ResourceExhaustedError("too many uncommitted bytes");
    if (accept_only_) --*accept_only_;
    ++submitted_count_;
    submitted_.push_back({std::move(append)});
    if (mode_ == Mode::kHeld || running_) return absl::OkStatus();
    running_ = true;
  }
  for (;;) {
    Run();
    MutexLock lock(&mutex_);
    if (!submitted_.empty() || !appended_.empty()) continue;
    running_ = false;
    return absl::OkStatus();
  }
}

void FakeStore::Take(Pending& pending) {
  Frame& frame = pending.frame;
  frame.offset = end_;
  frame.epoch = epoch_;
  frame.payload = std::make_shared<const std::string>(AppendEncoding::Payload(*pending.append));
  const auto starts = AppendEncoding::Starts(*pending.append);
  frame.starts.assign(starts.begin(), starts.end());
  for (const QueueKey& queue : AppendEncoding::Messages(*pending.append)) {
    frame.queue_offsets.push_back(next_[queue]++);
  }
  end_ += kFrameHeaderBytes + frame.payload->size();

  AppendResult& result = pending.result;
  result.epoch = epoch_;
  result.frame = frame.offset;
  for (uint32_t start : frame.starts) {
    result.records.push_back(frame.offset + kFrameHeaderBytes + start);
  }
  result.queue_offsets.assign(frame.queue_offsets.begin(), frame.queue_offsets.end());
}

void FakeStore::StepAppend() {
  std::deque<Pending> batch;
  {
    MutexLock lock(&mutex_);
    batch.swap(submitted_);
    for (Pending& pending : batch) Take(pending);
  }
  if (batch.empty()) return;
  if (machine_ != nullptr) machine_->BatchBegin();
  for (Pending& pending : batch) pending.append->Appended(pending.result);
  {
    MutexLock lock(&mutex_);
    std::move(batch.begin(), batch.end(), std::back_inserter(appended_));
  }
  if (machine_ != nullptr) machine_->BatchEnd();
}

void FakeStore::StepCommit() {
  std::deque<Pending> batch;
  {
    MutexLock lock(&mutex_);
    batch.swap(appended_);
    for (const Pending& pending : batch) committed_.push_back(pending.frame);
  }
  if (batch.empty()) return;
  if (machine_ != nullptr) machine_->BatchBegin();
  for (const Pending& pending : batch) ApplyFrame(pending.frame, /*replay=*/false);
  for (Pending& pending : batch) pending.append->Applied(pending.result);
  if (machine_ != nullptr) machine_->BatchEnd();
}

void FakeStore::StepFail(const absl::Status& status) {
  std::deque<Pending> failed;
  {
    MutexLock lock(&mutex_);
    failed.swap(appended_);
    std::move(submitted_.begin(), submitted_.end(), std::back_inserter(failed));
    submitted_.clear();
    for (const auto& [key, queue] : queues_) next_[key] = queue.messages.size();
  }
  for (Pending& pending : failed) pending.append->Failed(status);
}

void FakeStore::StepFailMessages(const absl::Status& status) {
  std::deque<Pending> failed;
  {
    MutexLock lock(&mutex_);
    std::deque<Pending> others;
    for (Pending& pending : submitted_) {
      const bool messages = !AppendEncoding::Messages(*pending.append).empty();
      (messages ? failed : others).push_back(std::move(pending));
    }
    submitted_ = std::move(others);
  }
  for (Pending& pending : failed) pending.append->Failed(status);
}

void FakeStore::Run() {
  while (pending() > 0) {
    StepAppend();
    StepCommit();
  }
}

size_t FakeStore::pending() const {
  MutexLock lock(&mutex_);
  return submitted_.size() + appended_.size();
}

size_t FakeStore::submitted() const {
  MutexLock lock(&mutex_);
  return submitted_count_;
}

size_t FakeStore::reads() const {
  MutexLock lock(&mutex_);
  return reads_;
}

size_t FakeStore::entries_read() const {
  MutexLock lock(&mutex_);
  return entries_read_;
}

void FakeStore::ApplyFrame(const Frame& frame, bool replay) {
  size_t message_index = 0;
  for (uint32_t start : frame.starts) {
    const EncodedRecord encoded = RecordAt(*frame.payload, start);
    RecordView record;
    record.kind = encoded.kind;
    record.position = {frame.epoch, frame.offset + kFrameHeaderBytes + start};
    record.body = encoded.body;
    record.replay = replay;
    MessageView message;
    {
      MutexLock lock(&mutex_);
      if (encoded.kind == kMessageRecord) {
        EncodedMessage decoded;
        DecodeMessageBody(encoded.body, &decoded);
        message = {decoded.queue, frame.queue_offsets[message_index++], decoded.tag_hash,
                   decoded.store_time, decoded.content};
        record.message = &message;
        store_time_ = std::max(store_time_, decoded.store_time);
        Queue& queue = queues_[decoded.queue];
        queue.messages.push_back({{record.position.offset, encoded.bytes, decoded.tag_hash},
                                  decoded.store_time,
                                  frame.payload,
                                  decoded.content});
        next_[decoded.queue] = std::max<QueueOffset>(next_[decoded.queue], queue.messages.size());
      }
      record.store_time = store_time_;
    }
    if (machine_ != nullptr) machine_->Apply(record);
  }
}

void FakeStore::RefuseSubmits(absl::Status status) {
  MutexLock lock(&mutex_);
  refuse_ = std::move(status);
}

void FakeStore::AcceptOnly(size_t appends) {
  MutexLock lock(&mutex_);
  accept_only_ = appends;
}

void FakeStore::SetHot(bool entries, bool messages) {
  MutexLock lock(&mutex_);
  hot_entries_ = entries;
  hot_messages_ = messages;
}

void FakeStore::SetColdQueue(QueueKey queue) {
  MutexLock lock(&mutex_);
  cold_queue_ = queue;
}

void FakeStore::FailReads(QueueKey queue, QueueOffset offset, absl::Status status) {
  MutexLock lock(&mutex_);
  failing_[{queue, offset}] = std::move(status);
}

void FakeStore::SetMaxAppendBytes(size_t bytes) {
  MutexLock lock(&mutex_);
  max_append_bytes_ = bytes;
}

size_t FakeStore::MaxAppendBytes() const {
  MutexLock lock(&mutex_);
  return max_append_bytes_;
}

void FakeStore::FailEntries(absl::Status status) {
  MutexLock lock(&mutex_);
  fail_entries_ = std::move(status);
}

void FakeStore::HoldColdJobs(bool hold) {
  MutexLock lock(&mutex_);
  hold_cold_ = hold;
}

void FakeStore::RefuseColdJobs(bool refuse) {
  MutexLock lock(&mutex_);
  refuse_cold_ = refuse;
}

size_t FakeStore::RunColdJobs() {
  std::deque<absl::AnyInvocable<void()>> jobs;
  {
    MutexLock lock(&mutex_);
    jobs.swap(cold_jobs_);
  }
  for (auto& job : jobs) job();
  return jobs.size();
}

void FakeStore::TrimQueue(QueueKey queue, QueueOffset min) {
  MutexLock lock(&mutex_);
  queues_[queue].min = min;
  queues_[queue].trimmed = true;
  queues_[queue].carried.clear();
}

void FakeStore::CarryAndTrimQueue(QueueKey queue, QueueOffset min) {
  const std::vector<LiveMessage> live = machine_->LiveMessages(queue, 0, min, 1'000'000);
  MutexLock lock(&mutex_);
  Queue& trimmed = queues_[queue];
  std::set<QueueOffset> carried;
  for (const LiveMessage& message : live) {
    if (message.offset < trimmed.min && !trimmed.carried.contains(message.offset)) continue;
    carried.insert(message.offset);
    QueueEntry& entry = trimmed.messages[message.offset].entry;
    entry.log_offset = end_;
    end_ += entry.size;
  }
  trimmed.carried = std::move(carried);
  trimmed.min = min;
  trimmed.trimmed = true;
}

void FakeStore::SetCarryBudget(uint64_t bytes) {
  MutexLock lock(&mutex_);
  carry_budget_ = bytes;
}

Cursors FakeStore::cursors() const {
  MutexLock lock(&mutex_);
  const LogOffset committed = appended_.empty() ? end_ : appended_.front().frame.offset;
  return {.appended = end_, .committed = committed, .applied = committed, .synced = committed};
}

absl::Status FakeStore::Health() const {
  MutexLock lock(&mutex_);
  return refuse_;
}

void FakeStore::DefineTopic(uint32_t topic, uint32_t queues) {
  MutexLock lock(&mutex_);
  for (uint32_t i = 0; i < queues; ++i) queues_[{topic, i}];
}

void FakeStore::DropTopic(uint32_t topic) {
  MutexLock lock(&mutex_);
  const auto of_topic = [topic](const auto& entry) { return entry.first.topic == topic; };
  std::erase_if(queues_, of_topic);
  std::erase_if(next_, of_topic);
}

QueueRange FakeStore::Range(QueueKey queue) const {
  MutexLock lock(&mutex_);
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return {};
  return {std::max(it->second.min, it->second.announced), it->second.messages.size()};
}

QueueRange FakeStore::StoredRange(QueueKey queue) const {
  MutexLock lock(&mutex_);
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return {};
  return {it->second.min, it->second.messages.size()};
}

void FakeStore::AnnounceMin(QueueKey queue, QueueOffset min) {
  MutexLock lock(&mutex_);
  queues_[queue].announced = min;
}

std::vector<QueueEntry> FakeStore::EntriesOf(QueueKey queue, QueueOffset from, size_t max) const {
  std::vector<QueueEntry> entries;
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return entries;
  const Queue& found = it->second;
  const bool below = from < found.min;
  const QueueOffset end = below ? found.min : found.messages.size();
  for (QueueOffset o = from; o < end && entries.size() < max; ++o) {
    if (below && !found.carried.contains(o)) break;
    entries.push_back(it->second.messages[o].entry);
  }
  return entries;
}

std::optional<std::vector<QueueEntry>> FakeStore::HotEntries(QueueKey queue, QueueOffset from,
                                                             size_t max) const {
  MutexLock lock(&mutex_);
  if (!hot_entries_ || cold_queue_ == queue) return std::nullopt;
  return EntriesOf(queue, from, max);
}

absl::StatusOr<std::vector<QueueEntry>> FakeStore::ReadEntries(QueueKey queue, QueueOffset from,
                                                               size_t max) {
  MutexLock lock(&mutex_);
  entries_read_ += max;
  if (!fail_entries_.ok()) return fail_entries_;
  if (const auto it = queues_.find(queue);
      it != queues_.end() && from < it->second.min && !it->second.carried.contains(from)) {
    return absl::OutOfRangeError("the offset is below the queue's minimum");
  }
  return EntriesOf(queue, from, max);
}

const FakeStore::Message* FakeStore::Find(QueueKey queue, QueueOffset offset) const {
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return nullptr;
  if (offset < it->second.min && !it->second.carried.contains(offset)) return nullptr;
  return offset < it->second.messages.size() ? &it->second.messages[offset] : nullptr;
}

std::vector<CarriedEntry> FakeStore::CarriedEntries(QueueKey queue, QueueOffset from,
                                                    size_t max) const {
  MutexLock lock(&mutex_);
  std::vector<CarriedEntry> entries;
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return entries;
  for (auto o = it->second.carried.lower_bound(from);
       o != it->second.carried.end() && entries.size() < max; ++o) {
    entries.push_back({*o, it->second.messages[*o].entry});
  }
  return entries;
}

void FakeStore::ForgetCarried(QueueKey queue, QueueOffset offset) {
  MutexLock lock(&mutex_);
  const auto it = queues_.find(queue);
  if (it != queues_.end()) it->second.carried.erase(offset);
}

uint64_t FakeStore::CarryBudgetLeft() const {
  MutexLock lock(&mutex_);
  return carry_budget_;
}

std::optional<StoredMessage> FakeStore::HotMessage(QueueKey queue, QueueOffset offset,
                                                   const QueueEntry& entry) const {
  MutexLock lock(&mutex_);
  if (!hot_messages_) return std::nullopt;
  const Message* message = Find(queue, offset);
  if (message == nullptr || message->entry.log_offset != entry.log_offset) return std::nullopt;
  return StoredMessage{{queue, offset, entry.tag_hash, message->store_time, message->content},
                       {message->payload, *message->payload}};
}

absl::StatusOr<StoredMessage> FakeStore::ReadMessage(QueueKey queue, QueueOffset offset,
                                                     const QueueEntry& entry) {
  MutexLock lock(&mutex_);
  ++reads_;
  const auto failing = failing_.find({queue, offset});
  if (failing != failing_.end() && !failing->second.ok()) return failing->second;
  const Message* message = Find(queue, offset);  // also one that was carried meanwhile
  if (message == nullptr) {
    return absl::NotFoundError("the segment of the message has been deleted");
  }
  return StoredMessage{{queue, offset, entry.tag_hash, message->store_time, message->content},
                       {message->payload, *message->payload}};
}

bool FakeStore::RunCold(absl::AnyInvocable<void()> job) {
  {
    MutexLock lock(&mutex_);
    if (refuse_cold_) return false;
    if (hold_cold_) {
      cold_jobs_.push_back(std::move(job));
      return true;
    }
  }
  job();
  return true;
}

std::optional<StoreTime> FakeStore::FirstStoreTime(QueueKey queue) const {
  MutexLock lock(&mutex_);
  const auto it = queues_.find(queue);
  if (it == queues_.end()) return std::nullopt;
  const Message* first = Find(queue, it->second.min);
  if (first == nullptr) return std::nullopt;
  return first->store_time;
}

bool FakeStore::NeverTrimmed(QueueKey queue) const {
  MutexLock lock(&mutex_);
  const auto it = queues_.find(queue);
  return it == queues_.end() || !it->second.trimmed;
}

absl::Status FakeStore::Close() {
  Run();
  RefuseSubmits(absl::UnavailableError("the store is closed"));
  return absl::OkStatus();
}

}  // namespace mansio::store
