#include "store/log/commit_log.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/clock/broker_time.h"
#include "common/files/file_system.h"
#include "store/log/append_encoding.h"
#include "store/log/commit_log_impl.h"
#include "store/log/record_codec.h"
#include "store/log/recovery.h"

namespace mansio::store {
namespace {

constexpr std::string_view kLogDirectory = "log";

// A slave that becomes master goes past the reigns that its old master may have begun meanwhile,
// without slaves, by being started again and again.
constexpr Epoch kTakeOverStep = 1'000'000;
// At a time, of what a start is not sure to find on the disk.
constexpr uint64_t kWriteAgainBytes = 1 << 20;

absl::Status CheckOptions(const StoreOptions& options) {
  if (options.segment_bytes < kMinSegmentBytes ||
      options.segment_bytes % kSegmentGranularity != 0) {
    return absl::InvalidArgumentError(
        fmt::format("the segment size is {} bytes; it must be a multiple of {} and at least {}",
                    options.segment_bytes, kSegmentGranularity, kMinSegmentBytes));
  }
  return absl::OkStatus();
}

// A slave begins to replace its log, or goes on. As a master it needs a whole one: that of before,
// or the new one.
absl::Status FindRefill(const StoreOptions& options, SegmentSet& segments, ReplicaMarks& marks) {
  if (!marks.refill.has_value()) return absl::OkStatus();
  if (options.role == Role::kSlave) return BeginRefill(segments, marks);
  switch (marks.refill->phase) {
    case Refill::Phase::kOrdered:
      marks.refill.reset();
      return WriteReplicaMarks(segments, marks);
    case Refill::Phase::kMoveAside:
    case Refill::Phase::kDrop:
    case Refill::Phase::kCopy:
      return absl::FailedPreconditionError(fmt::format(
          "the commit log in {} is a copy of another broker's and not complete: this broker cannot "
          "be the master. Start it as a slave until it is in sync, or make another one the master",
          segments.directory()));
    case Refill::Phase::kRebuild:
      break;
  }
  return absl::OkStatus();
}

CommitLog::Refilling RefillingOf(const ReplicaMarks& marks) {
  if (!marks.refill.has_value()) return CommitLog::Refilling::kNo;
  return marks.refill->phase == Refill::Phase::kRebuild ? CommitLog::Refilling::kComplete
                                                        : CommitLog::Refilling::kCopying;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CommitLog>> CommitLog::Open(const StoreOptions& options,
                                                           Store::Environment environment) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  auto segments =
      SegmentSet::Open(environment.files, JoinPath(options.path, kLogDirectory), options.salvage);
  if (!segments.ok()) return segments.status();
  auto marks = ReadReplicaMarks(**segments);
  if (!marks.ok()) return marks.status();
  std::optional<LogOffset> cut;
  if (marks->truncation.has_value()) {
    cut = marks->truncation->to;
    if (absl::Status status = FinishTruncation(**segments, *marks); !status.ok()) return status;
  }
  if (absl::Status status = FindRefill(options, **segments, *marks); !status.ok()) return status;
  return std::make_unique<CommitLogImpl>(options, environment, *std::move(segments), *marks, cut);
}

absl::StatusOr<StoredMessage> CommitLog::DecodeMessage(QueueKey queue, QueueOffset offset,
                                                       LogBytes bytes) {
  const auto damaged = [&](std::string_view what) {
    return absl::DataLossError(
        fmt::format("message {} of queue {}/{} is damaged in the commit log: {}", offset,
                    queue.topic, queue.queue, what));
  };
  std::string_view rest = bytes.bytes;
  EncodedRecord record;
  EncodedMessage message;
  if (!TakeRecord(rest, &record) || !rest.empty()) return damaged("its length is wrong");
  if (record.kind != kMessageRecord) return damaged("its record is of another kind");
  if (!MessageCrcIsRight(record.body)) return damaged("its checksum is wrong");
  if (!DecodeMessageBody(record.body, &message)) return damaged("its record is malformed");
  if (message.queue != queue) return damaged("it belongs to another queue");
  return StoredMessage{.view = {.queue = queue,
                                .queue_offset = offset,
                                .tag_hash = message.tag_hash,
                                .store_time = message.store_time,
                                .content = message.content},
                       .bytes = std::move(bytes)};
}

bool CallOnLogThread(CommitLog* log, absl::FunctionRef<void()> job) {
  Mutex mutex;
  CondVar finished;
  bool done = false;
  const bool accepted = log->RunOnLogThread([&mutex, &finished, &done, job] {
    job();
    const MutexLock lock(&mutex);
    done = true;
    finished.Signal();  // under the lock: the waiter's stack holds all three
  });
  if (!accepted) return false;
  const MutexLock lock(&mutex);
  while (!done) finished.Wait(&mutex);
  return true;
}

CommitLogImpl::CommitLogImpl(const StoreOptions& options, Store::Environment environment,
                             std::unique_ptr<SegmentSet> segments, ReplicaMarks marks,
                             std::optional<LogOffset> cut_at_open)
    : options_(options),
      environment_(environment),
      segments_(std::move(segments)),
      state_([this] {
        // What waits for a commit is told by the log thread, which may be asleep.
        SubmissionQueue::Job nothing = [] {};
        queue_.PushJob(nothing);
      }),
      cache_(options.tail_cache_bytes),
      preparer_(segments_.get(),
                {.segment_bytes = options.segment_bytes, .zero_ahead = syncs_each_batch()},
                [this](const absl::Status& status) { state_.Fail(status); }),
      flusher_(syncs_each_batch()
                   ? nullptr
                   : std::make_unique<Flusher>(&state_, options.flush_interval, environment.stats)),
      committer_(options.WaitsForCommit()
                     ? std::make_unique<Committer>(segments_.get(), &cache_, &state_,
                                                   environment.may_commit)
                     : nullptr),
      writer_({.segments = segments_.get(),
               .preparer = &preparer_,
               .flusher = flusher_.get(),
               .committer = committer_.get(),
               .commits_alone = !options.WaitsForMembers(),
               .cache = &cache_,
               .state = &state_,
               .time = environment.time,
               .stats = environment.stats}),
      was_slave_(marks.foreign_from.has_value()),
      marks_(marks),
      cut_at_open_(cut_at_open),
      refilling_(RefillingOf(marks)) {}

CommitLogImpl::~CommitLogImpl() { Stop().IgnoreError(); }

absl::StatusOr<RecoveryReport> CommitLogImpl::Recover(
    const RecoveryStart& start,
    absl::FunctionRef<absl::Status(const RecordView&, uint32_t record_bytes)> fold,
    absl::FunctionRef<void(LogOffset first, LogOffset next)> segment_ended) {
  StoreTime last_store_time = start.store_time;
  recovered_times_.clear();
  Recovery recovery(segments_.get(), options_.segment_bytes, options_.salvage,
                    marks_.foreign_from.value_or(kNothingForeign), environment_.give_up);
  auto report = recovery.Run(
      start,
      [&](const RecordView& record, uint32_t bytes) {
        last_store_time = std::max(last_store_time, record.store_time);
        return fold(record, bytes);
      },
      [&](LogOffset first, LogOffset next) {
        recovered_times_[first] = last_store_time;
        segment_ended(first, next);
      });
  if (!report.ok()) return report.status();
  recovered_ = *report;
  replayed_from_ = recovered_.end - recovered_.replayed_bytes;
  return report;
}

absl::Status CommitLogImpl::PrepareTail() {
  const LogOffset end = recovered_.end;
  if (segments_->Find(end) == nullptr) {
    auto segment =
        CreateSegment(segments_->files(), segments_->directory(), end, options_.segment_bytes);
    if (!segment.ok()) return segment.status();
    segments_->Add(*std::move(segment));
  }
  return SyncRecovered();
}

absl::Status CommitLogImpl::SyncRecovered() {
  const LogOffset from = std::min(replayed_from_, recovered_.synced);
  for (const auto& segment : segments_->All()) {
    if (segment->end() <= from || segment->first() >= recovered_.end) continue;
    auto file = segments_->files().Open(segment->path(), OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    if (absl::Status status = WriteAgain(*segment, **file); !status.ok()) return status;
    if (absl::Status status = (*file)->Datasync(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CommitLogImpl::WriteAgain(const Segment& segment, File& file) const {
  // Where a flush has failed the kernel has what it could not write, and takes it for written: a
  // second flush says that all is well and writes nothing.
  const LogOffset end = std::min(segment.end(), recovered_.end);
  std::string chunk;
  for (LogOffset at = std::max(segment.first(), recovered_.synced); at < end; at += chunk.size()) {
    chunk.resize(std::min<uint64_t>(kWriteAgainBytes, end - at));
    const absl::StatusOr<size_t> read = segments_->Read(at, chunk.data(), chunk.size());
    if (!read.ok()) return read.status();
    if (*read < chunk.size()) {
      return absl::DataLossError(fmt::format("{} ends at byte {}, inside the log", segment.path(),
                                             at + *read - segment.first()));
    }
    if (absl::Status written = file.Write(at - segment.first(), chunk); !written.ok()) {
      return written;
    }
  }
  return absl::OkStatus();
}

absl::Status CommitLogImpl::BeginEpoch() {
  const auto segment = segments_->Find(recovered_.end);
  auto file = segments_->files().Open(segment->path(), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  char frame[kFrameHeaderBytes];
  EncodeFrameHeader({.kind = FrameKind::kEpoch,
                     .epoch = epoch_,
                     .offset = recovered_.end,
                     .synced = recovered_.end,
                     .store_time = recovered_.last_store_time,
                     .segment_bytes = segment->bytes()},
                    frame);
  absl::Status status =
      (*file)->Write(recovered_.end - segment->first(), std::string_view(frame, sizeof frame));
  return status.ok() ? (*file)->Datasync() : status;
}

absl::Status CommitLogImpl::Start(LogObserver* observer) {
  return is_slave() ? StartAsSlave(observer) : StartAsMaster(observer);
}

absl::StatusOr<Epoch> CommitLogImpl::NextEpoch() const {
  const Epoch last = recovered_.last_epoch;
  if (options_.reign == 0) {
    const Epoch known = std::max(last, options_.known_epoch);
    const Epoch step = was_slave_ ? kTakeOverStep : 1;
    if (known < kMaxEpoch && step <= kMaxEpoch - known) return known + step;
    return absl::FailedPreconditionError(fmt::format(
        "no epoch is left: the log in {} is to go on behind epoch {}, which counting does not "
        "reach. Another broker's log or a value in etcd was changed by hand",
        segments_->directory(), known));
  }
  if (options_.reign > kMaxEpoch) {
    return absl::FailedPreconditionError(
        fmt::format("this broker was elected master with epoch {}, which counting does not reach: "
                    "the group's value in etcd was changed by hand",
                    options_.reign));
  }
  if (options_.reign > last) return options_.reign;
  return absl::FailedPreconditionError(
      fmt::format("this broker was elected master with epoch {}, and the log in {} has epoch {} "
                  "already: another broker has been master since. Start it again, and it follows "
                  "that one or stands with a later epoch",
                  options_.reign, segments_->directory(), last));
}

absl::Status CommitLogImpl::StartAsMaster(LogObserver* observer) {
  const absl::StatusOr<Epoch> epoch = NextEpoch();
  if (!epoch.ok()) return epoch.status();
  epoch_ = *epoch;
  environment_.time->NeverBefore(absl::FromUnixMillis(recovered_.last_store_time));
  recovered_.last_store_time = environment_.time->NowMillis();
  if (absl::Status status = PrepareTail(); !status.ok()) return status;
  if (absl::Status status = BeginEpoch(); !status.ok()) return status;
  tail_ = recovered_.end + kFrameHeaderBytes;
  recovered_.epochs.Note({epoch_, recovered_.end, recovered_.last_store_time});
  // All of the log is synced now, so that what other brokers' frames say of it has become true.
  if (absl::Status status = WriteReplicaMarks(*segments_, {}); !status.ok()) return status;
  absl::Status status = writer_.Begin(tail_, epoch_, recovered_.last_store_time, observer);
  if (!status.ok()) return status;
  preparer_.Start(segments_->Find(recovered_.end), tail_);
  Run(tail_, observer);
  if (!options_.WaitsForMembers()) AllowCommit(tail_);
  return absl::OkStatus();
}

void CommitLogImpl::Run(LogOffset tail, LogObserver* observer) {
  const LogOffset folded = committer_ != nullptr ? recovered_.folded : tail;
  if (committer_ != nullptr) committer_->Begin(folded, observer);
  state_.SetEpochs(recovered_.epochs);
  state_.appended.store(tail);
  state_.committed.store(folded);
  state_.applied.store(folded);
  state_.SetSynced(tail);
  if (flusher_ != nullptr) flusher_->Start();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "mansio-log");
    writer_.Run(queue_);
  });
}

absl::Status CommitLogImpl::Accept(std::unique_ptr<Append> append, uint64_t limit) {
  if (is_slave()) {
    return absl::UnavailableError("this broker is a slave: only its group's master accepts that");
  }
  size_t max_frame = std::min<uint64_t>(kMaxFrameBytes, options_.segment_bytes);
  // So that a message can be carried forward, which takes a little more.
  if (!AppendEncoding::Messages(*append).empty()) max_frame -= kCarryOverheadBytes;
  if (absl::Status status = AppendEncoding::Seal(*append, max_frame); !status.ok()) return status;
  if (state_.failed()) return state_.failure();
  // Only messages wait for space: what is not a message may still fit, and may free some.
  if (writer_.refusing() && preparer_.stuck() && !AppendEncoding::Messages(*append).empty()) {
    // OK when the preparer has just succeeded.
    if (absl::Status problem = preparer_.problem(); !problem.ok()) return problem;
  }
  const uint64_t bytes = append->size();
  if (state_.uncommitted.fetch_add(bytes, std::memory_order_relaxed) + bytes > limit) {
    state_.uncommitted.fetch_sub(bytes, std::memory_order_relaxed);
    return absl::ResourceExhaustedError(fmt::format(
        "accepted bytes that are not yet committed to the commit log would pass the limit "
        "of {}: send more slowly, or raise limits.send-bytes-in-flight",
        limit));
  }
  if (!queue_.Push(append)) {
    state_.uncommitted.fetch_sub(bytes, std::memory_order_relaxed);
    return absl::UnavailableError("the store is closing and accepts nothing more");
  }
  return absl::OkStatus();
}

bool CommitLogImpl::RunOnLogThread(absl::AnyInvocable<void()> job) {
  if (!AcceptsJobs()) return false;
  if (!is_slave()) return queue_.PushJob(job);
  absl::AnyInvocable<void()> settled = [this, job = std::move(job)]() mutable {
    writer_.SettleFrames();
    job();
  };
  return queue_.PushJob(settled);
}

absl::Status CommitLogImpl::SyncAll() {
  if (flusher_ != nullptr) return flusher_->FlushNow();
  return state_.WaitSynced(state_.appended.load());
}

Cursors CommitLogImpl::cursors() const {
  Cursors cursors;
  // From the last to the first, so that each is at most what is read after it.
  cursors.applied = state_.applied.load();
  cursors.committed = state_.committed.load();
  cursors.synced = state_.synced();
  cursors.appended = state_.appended.load();
  cursors.checkpointed = state_.checkpointed.load();
  cursors.min = segments_->First();
  return cursors;
}

absl::Status CommitLogImpl::Health() const {
  if (state_.failed()) return state_.failure();
  if (writer_.refusing() && preparer_.stuck()) {
    return absl::ResourceExhaustedError(preparer_.problem().message());  // it may pass
  }
  const absl::Duration at_work = state_.AtWorkFor();
  if (at_work <= options_.disk_patience) return absl::OkStatus();
  return absl::DeadlineExceededError(fmt::format(
      "the disk of {} has not answered for {} s: what waits is stored when it answers; look at the "
      "disk, and at what else keeps it busy",
      segments_->directory(), absl::ToInt64Seconds(at_work)));
}

std::optional<LogBytes> CommitLogImpl::HotBytes(LogOffset offset, uint32_t size) const {
  return cache_.Find(offset, size);
}

absl::StatusOr<LogBytes> CommitLogImpl::ReadBytes(LogOffset offset, uint32_t size) {
  // From new, which does not clear: large bodies would be touched twice.
  std::shared_ptr<char[]> buffer(new char[size]);
  auto read = segments_->Read(offset, buffer.get(), size);
  if (!read.ok()) return read.status();
  if (*read < size) {
    return absl::DataLossError(
        fmt::format("the commit log in {} ends inside the record at offset {} of {} bytes",
                    segments_->directory(), offset, size));
  }
  const std::string_view bytes(buffer.get(), size);
  return LogBytes{std::move(buffer), bytes};
}

std::vector<CommitLog::SegmentInfo> CommitLogImpl::Segments() const {
  std::map<LogOffset, StoreTime> times = recovered_times_;
  for (const auto& ended : writer_.ended()) times[ended.first] = ended.last_store_time;
  const LogOffset active = writer_.active_first();
  const LogOffset appended = state_.appended.load();
  std::vector<SegmentInfo> infos;
  for (const auto& segment : segments_->All()) {
    if (segment->first() > active) break;  // made ahead
    const bool is_active = segment->first() == active;
    infos.push_back({.first = segment->first(),
                     .next = is_active ? std::clamp(appended, segment->first(), segment->end())
                                       : segment->end(),
                     .last_store_time = times[segment->first()],
                     .active = is_active});
  }
  return infos;
}

absl::Status CommitLogImpl::DropBelow(LogOffset offset) {
  const uint64_t reusable = syncs_each_batch() && !is_slave() ? options_.segment_bytes : 0;
  const LogOffset limit = std::min(offset, writer_.active_first());
  const absl::Status status = segments_->DropBelow(limit, reusable);
  preparer_.Retry();
  return status;
}

absl::Status CommitLogImpl::Stop() {
  MutexLock lock(&stopping_);
  if (stopped_) return state_.failure();
  stopped_ = true;
  queue_.Close();
  if (thread_.joinable()) thread_.join();
  if (flusher_ != nullptr) {
    flusher_->Stop();
    if (!state_.failed()) flusher_->FlushNow().IgnoreError();
  }
  preparer_.Stop();
  return state_.failure();
}

}  // namespace mansio::store
