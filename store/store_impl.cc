#include "store/store_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/logging/logging.h"
#include "store/checkpoint/rocksdb_store.h"
#include "store/log_reads.h"
#include "store/store_directory.h"

namespace mansio::store {

namespace {

// How often is looked for what has become too old: whoever keeps messages for seconds does not want
// them for a minute.
absl::Duration PeriodFor(absl::Duration retention_age) {
  return std::clamp(retention_age / 4, absl::Seconds(1), Checkpointer::Options().period);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options, Environment environment,
                                                   StateMachine* machine) {
  absl::StatusOr<std::unique_ptr<StoreImpl>> store =
      StoreImpl::Open(std::move(options), environment, machine);
  if (!store.ok()) return store.status();
  return std::unique_ptr<Store>(*std::move(store));
}

absl::StatusOr<std::unique_ptr<StoreImpl>> StoreImpl::Open(StoreOptions options,
                                                           Environment environment,
                                                           StateMachine* machine,
                                                           LogDecorator decorate_log) {
  std::unique_ptr<StoreImpl> store(new StoreImpl(std::move(options), environment, machine));
  if (absl::Status opened = store->OpenParts(std::move(decorate_log)); !opened.ok()) return opened;
  store->StartThreads();
  return store;
}

StoreImpl::StoreImpl(StoreOptions options, Environment environment, StateMachine* machine)
    : options_(std::move(options)),
      environment_(environment),
      machine_(machine),
      retention_limits_(options_) {}

StoreImpl::~StoreImpl() {
  closing_ = true;
  StopThreads();
}

absl::Status StoreImpl::OpenParts(LogDecorator decorate_log) {
  absl::StatusOr<std::unique_ptr<FileLock>> lock =
      ClaimDirectory(environment_.files, options_.path);
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  if (absl::Status opened = OpenCheckpoint(); !opened.ok()) return opened;
  state_ = std::make_unique<DerivedState>(machine_, options_.queue_memory_bytes, checkpoint_);

  absl::StatusOr<std::unique_ptr<CommitLog>> log = CommitLog::Open(options_, environment_);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  if (decorate_log != nullptr) log_ = decorate_log(std::move(log_));
  state_->set_log(log_.get());

  if (absl::Status dropped = DropCheckpointOfCutLog(); !dropped.ok()) return dropped;
  if (absl::Status prepared = PrepareRefilled(); !prepared.ok()) return prepared;
  machine_->Attach(this);
  const absl::StatusOr<Recovered> recovered =
      is_copying() ? VerifyCopy() : RecoverState(log_.get(), checkpoint_, state_.get(), options_);
  if (!recovered.ok()) return recovered.status();
  recovered_ = *recovered;
  LOG_INFO("Store {}: log [{}, {}), replayed {} bytes from {}{}, cut {} bytes of a torn tail.",
           options_.path, recovered_.report.first, recovered_.report.end,
           recovered_.report.replayed_bytes, recovered_.checkpoint,
           recovered_.rebuilt && recovered_.report.end > 0 ? " (without a checkpoint)" : "",
           recovered_.report.cut_bytes);
  return log_->Start(this);
}

absl::Status StoreImpl::DropCheckpointOfCutLog() {
  const std::optional<LogOffset> cut = log_->cut_at_open();
  if (!cut.has_value()) return absl::OkStatus();
  const absl::StatusOr<std::optional<std::string>> value = checkpoint_->Get(kMetaKey);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::OkStatus();
  const absl::StatusOr<CheckpointMeta> meta = DecodeMeta(**value);
  if (!meta.ok() || meta->offset <= *cut) return absl::OkStatus();
  return checkpoint_->Wipe();
}

absl::Status StoreImpl::PrepareRefilled() {
  if (log_->refilling() == CommitLog::Refilling::kNo) return absl::OkStatus();
  if (absl::Status wiped = checkpoint_->Wipe(); !wiped.ok()) return wiped;
  return is_copying() ? absl::OkStatus() : log_->EndRefill();
}

absl::StatusOr<Recovered> StoreImpl::VerifyCopy() {
  LOG_INFO("Store {}: its log is being copied; there is nothing to read in it yet.", options_.path);
  const absl::StatusOr<RecoveryReport> report = log_->Recover(
      {.fold_until = 0}, [](const RecordView&, uint32_t) { return absl::OkStatus(); },
      [](LogOffset, LogOffset) {});
  if (!report.ok()) return report.status();
  return Recovered{*report, report->first, /*rebuilt=*/true};
}

absl::Status StoreImpl::OpenCheckpoint() {
  checkpoint_ = environment_.checkpoint;
  if (checkpoint_ != nullptr) return absl::OkStatus();
  const std::string directory = JoinPath(options_.path, "checkpoint");
  absl::StatusOr<std::unique_ptr<KeyValueStore>> opened = OpenRocksDb(directory);
  if (absl::IsDataLoss(opened.status())) {
    LOG_WARNING("{}", std::string(opened.status().message()));
    if (absl::Status wiped = WipeRocksDb(directory); !wiped.ok()) return wiped;
    opened = OpenRocksDb(directory);
  }
  if (!opened.ok()) return opened.status();
  own_checkpoint_ = *std::move(opened);
  checkpoint_ = own_checkpoint_.get();
  return absl::OkStatus();
}

void StoreImpl::StartThreads() {
  Checkpointer::Options options;
  options.bytes = options_.checkpoint_bytes;
  options.stats = environment_.stats;
  options.period = PeriodFor(options_.retention_age);
  options.periodic = [this] {
    const absl::Status enforced = EnforceRetention();
    if (!enforced.ok() && !absl::IsCancelled(enforced)) {
      LOG_ERROR("Retention: {}", std::string(enforced.message()));
    }
  };
  const LogOffset start = recovered_.rebuilt ? 0 : recovered_.checkpoint;
  checkpointer_ = std::make_unique<Checkpointer>(log_.get(), checkpoint_, state_.get(), start,
                                                 std::move(options));
  log_->SetCheckpointed(start);
  retention_ =
      std::make_unique<Retention>(&options_, &retention_limits_, environment_.time, log_.get(),
                                  state_.get(), checkpointer_.get(), &closing_, environment_.stats);
  cold_pool_ = std::make_unique<ColdPool>(options_.cold_threads, options_.cold_queue);
  // Nothing can be derived from a part of a log.
  if (is_copying()) return;
  OpenKeyIndex();
  ready_.store(true, std::memory_order_release);
  checkpointer_->Start();
  if (key_index_ != nullptr) key_index_->Start();
}

void StoreImpl::OpenKeyIndex() {
  if (!options_.key_index || environment_.keys == nullptr) return;
  KeyIndex::Options options{.directory = JoinPath(options_.path, "index"),
                            .piece_bytes = options_.key_index_piece_bytes};
  key_index_ = std::make_unique<KeyIndex>(std::move(options), environment_.files, log_.get(),
                                          environment_.keys);
  const RecoveryReport& report = recovered_.report;
  const absl::Status opened = key_index_->Open({report.epochs, report.first, report.end});
  if (opened.ok()) return;
  // Messages come and go without it.
  LOG_ERROR("There is no key index, and messages are not found by key or id: {}",
            std::string(opened.message()));
  key_index_.reset();
}

void StoreImpl::StopThreads() {
  // Retention may wait for an append that nobody will commit any more.
  if (log_ != nullptr && options_.WaitsForCommit()) log_->replicated()->StopCommits();
  if (checkpointer_ != nullptr) checkpointer_->Stop();
  if (key_index_ != nullptr) key_index_->Stop();
  if (cold_pool_ != nullptr) cold_pool_->Stop();
  if (log_ == nullptr) return;
  const absl::Status stopped = log_->Stop();
  if (!stopped.ok() && !absl::IsFailedPrecondition(stopped)) {
    LOG_ERROR("The log in {} did not end well: {}", options_.path, std::string(stopped.message()));
  }
}

absl::Status StoreImpl::Submit(std::unique_ptr<Append> append) {
  if (closing_.load(std::memory_order_relaxed)) {
    return absl::UnavailableError("the broker is shutting down");
  }
  if (options_.WaitsForCommit() && log_->cursors().applied < log_->replicated()->ReignStart()) {
    return absl::UnavailableError(
        "the broker waits until the beginning of its reign is committed, as its in-sync slaves must "
        "confirm; send again soon");
  }
  if (state_->queues().PendingBytes() > 2 * options_.queue_memory_bytes) {
    return absl::ResourceExhaustedError(
        "too many messages wait for a checkpoint: look for the reason in the broker's log (a full "
        "disk?), or raise store.queue-memory-bytes");
  }
  return log_->Submit(std::move(append));
}

StoreUsage StoreImpl::usage() const {
  StoreUsage usage;
  usage.uncommitted_bytes = log_->uncommitted();
  usage.queue_bytes = state_->queues().MemoryBytes();
  usage.unsaved_queue_bytes = state_->queues().PendingBytes();
  usage.carried_bytes = state_->queues().carried().bytes();
  if (key_index_ != nullptr) {
    usage.key_index_bytes = key_index_->FileBytes();
    usage.unindexed_bytes = key_index_->MissingBytes();
  }
  usage.segments = log_->Segments().size();
  usage.cold_jobs = cold_pool_->waiting();
  return usage;
}

void StoreImpl::DefineTopic(uint32_t topic, uint32_t queues) {
  state_->queues().Define(topic, queues);
}

void StoreImpl::DropTopic(uint32_t topic) { state_->queues().Drop(topic); }

QueueRange StoreImpl::Range(QueueKey queue) const { return state_->queues().Range(queue); }

QueueRange StoreImpl::StoredRange(QueueKey queue) const { return state_->queues().OwnRange(queue); }

std::optional<std::vector<QueueEntry>> StoreImpl::HotEntries(QueueKey queue, QueueOffset from,
                                                             size_t max) const {
  return state_->queues().HotEntries(queue, from, max);
}

absl::StatusOr<std::vector<QueueEntry>> StoreImpl::ReadEntries(QueueKey queue, QueueOffset from,
                                                               size_t max) {
  return state_->queues().ReadEntries(queue, from, max);
}

std::vector<CarriedEntry> StoreImpl::CarriedEntries(QueueKey queue, QueueOffset from,
                                                    size_t max) const {
  return state_->queues().Carried(queue, from, max);
}

void StoreImpl::ForgetCarried(QueueKey queue, QueueOffset offset) {
  state_->queues().ForgetCarried(queue, offset);
}

uint64_t StoreImpl::CarryBudgetLeft() const {
  const uint64_t bytes = retention_limits_.bytes;
  if (bytes == 0) return std::numeric_limits<uint64_t>::max();
  const uint64_t budget = bytes / 100 * static_cast<uint64_t>(options_.carry_percent);
  const uint64_t carried = state_->queues().carried().bytes();
  return carried < budget ? budget - carried : 0;
}

std::optional<StoredMessage> StoreImpl::HotMessage(QueueKey queue, QueueOffset offset,
                                                   const QueueEntry& entry) const {
  std::optional<LogBytes> bytes = log_->HotBytes(entry.log_offset, entry.size);
  if (!bytes.has_value()) return std::nullopt;
  absl::StatusOr<StoredMessage> message =
      CommitLog::DecodeMessage(queue, offset, *std::move(bytes));
  if (!message.ok()) return std::nullopt;  // ReadMessage finds out and says what is wrong
  return *std::move(message);
}

absl::StatusOr<StoredMessage> StoreImpl::ReadMessage(QueueKey queue, QueueOffset offset,
                                                     const QueueEntry& entry) {
  absl::StatusOr<LogBytes> bytes = log_->ReadBytes(entry.log_offset, entry.size);
  if (absl::IsNotFound(bytes.status())) {
    // Its segment may have gone since the entry was read, and the message with it or ahead of it.
    const absl::StatusOr<QueueEntry> place = state_->queues().Place(queue, offset);
    if (!place.ok()) return place.status();
    if (place->log_offset == entry.log_offset) return bytes.status();
    return ReadMessage(queue, offset, *place);
  }
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<StoredMessage> message =
      CommitLog::DecodeMessage(queue, offset, *std::move(bytes));
  if (message.ok()) return message;
  return absl::DataLossError(fmt::format(
      "the message at log offset {} in {} is damaged: {}; check the disk and restore the segment "
      "from a backup",
      entry.log_offset, options_.path, std::string(message.status().message())));
}

absl::StatusOr<KeySearch> StoreImpl::FindByKey(const KeyQuery& query,
                                               absl::FunctionRef<bool(const KeyMatch&)> visit) {
  if (key_index_ == nullptr) return Store::FindByKey(query, visit);
  return key_index_->Find(query, visit);
}

absl::StatusOr<LocatedMessage> StoreImpl::ReadMessageAt(LogOffset offset) {
  return store::ReadMessageAt(log_.get(), offset);
}

absl::StatusOr<LogOffset> StoreImpl::ReadLog(
    LogOffset from, size_t max_bytes, absl::FunctionRef<void(const RecordView& record)> visit) {
  return ReadRecords(log_.get(), from, max_bytes, visit);
}

LogOffset StoreImpl::NextLogFile(LogOffset from) const { return store::NextLogFile(*log_, from); }

bool StoreImpl::RunCold(absl::AnyInvocable<void()> job) { return cold_pool_->Run(std::move(job)); }

std::optional<StoreTime> StoreImpl::FirstStoreTime(QueueKey queue) const {
  return state_->queues().FirstStoreTime(queue);
}

bool StoreImpl::NeverTrimmed(QueueKey queue) const { return state_->queues().NeverTrimmed(queue); }

absl::Status StoreImpl::Checkpoint() { return checkpointer_->Run(); }

void StoreImpl::SetRetention(absl::Duration age, uint64_t bytes) {
  retention_limits_.age_ms = absl::ToInt64Milliseconds(age);
  retention_limits_.bytes = bytes;
  retention_->Reconsider();
  checkpointer_->SetPeriod(PeriodFor(age));
  checkpointer_->WakePeriodic();
}

absl::Status StoreImpl::EnforceRetention() {
  absl::Status enforced = retention_->Enforce();
  if (key_index_ != nullptr) key_index_->DropBelow(log_->cursors().min);
  return enforced;
}

absl::Status StoreImpl::Close() {
  const MutexLock lock(&close_mutex_);
  if (closed_) return absl::OkStatus();
  closed_ = true;
  closing_ = true;
  absl::Status saved = log_->Health();
  if (saved.ok() || absl::IsDeadlineExceeded(saved)) saved = log_->SyncAll();
  if (saved.ok() && !is_copying()) saved = checkpointer_->Run();
  StopThreads();
  own_checkpoint_.reset();
  lock_.reset();
  return saved;
}

QueueOffset StoreImpl::AssignOffset(QueueKey queue) { return state_->queues().AssignOffset(queue); }

void StoreImpl::BatchBegin() { machine_->BatchBegin(); }

void StoreImpl::Apply(const RecordView& record, uint32_t record_bytes) {
  if (absl::Status folded = state_->Fold(record, record_bytes); !folded.ok()) {
    LOG_ERROR("The broker contradicts its own log: {}", std::string(folded.message()));
  }
}

void StoreImpl::BatchEnd() {
  machine_->BatchEnd();
  if (!ready_.load(std::memory_order_acquire)) return;
  const bool urgent = state_->queues().PendingBytes() > options_.queue_memory_bytes / 2;
  const LogOffset applied = log_->cursors().applied;
  checkpointer_->Applied(applied, urgent);
  if (key_index_ != nullptr) key_index_->Applied(applied);
}

void StoreImpl::SegmentEnded(LogOffset first, LogOffset next) {
  state_->SegmentEnded(first, next);
  if (!ready_.load(std::memory_order_acquire)) return;
  if (retention_->SizeIsDue()) checkpointer_->WakePeriodic();
}

}  // namespace mansio::store
