#include "store/derived_state.h"

#include <algorithm>
#include <string>
#include <utility>

#include "store/retention/carry.h"
#include "store/retention/snapshot.h"
#include "store/retention/trim.h"

namespace mansio::store {
namespace {

// Puts the machine's pairs under their prefix.
template <typename Target>
class PrefixSink : public StateSink {
 public:
  explicit PrefixSink(Target* target) : target_(target) {}
  void Put(std::string_view key, std::string_view value) override {
    target_->Put(Prefixed(key), value);
  }
  void Delete(std::string_view key) override { target_->Delete(Prefixed(key)); }

 private:
  const std::string& Prefixed(std::string_view key) {
    key_.assign(kMachinePrefix);
    key_.append(key);
    return key_;
  }
  Target* const target_;
  std::string key_;
};

class DiscardSink : public StateSink {
 public:
  void Put(std::string_view, std::string_view) override {}
  void Delete(std::string_view) override {}
};

bool IsUpkeep(RecordKind kind) {
  return kind == kCarryRecord || kind == kTrimRecord || kind == kSnapshotBeginRecord ||
         kind == kSnapshotEntryRecord || kind == kSnapshotEndRecord;
}

}  // namespace

DerivedState::DerivedState(StateMachine* machine, uint64_t queue_memory_bytes,
                           const KeyValueStore* checkpoint)
    : machine_(machine), checkpoint_(checkpoint), queues_(queue_memory_bytes, checkpoint) {}

absl::Status DerivedState::Fold(const RecordView& record, uint32_t record_bytes) {
  Passed(record);
  if (!record.replay) CountTraffic(record, record_bytes);
  switch (record.kind) {
    case kMessageRecord:
      if (absl::Status entered = EnterMessage(record, record_bytes); !entered.ok()) return entered;
      machine_->Apply(record);
      return absl::OkStatus();
    case kCarryRecord: {
      const absl::StatusOr<CarryPlace> place = DecodeCarry(record, record_bytes);
      if (!place.ok()) return place.status();
      queues_.Carry(*place);
      return absl::OkStatus();
    }
    case kTrimRecord: {
      const absl::StatusOr<TrimBody> trim = DecodeTrim(record.body);
      if (!trim.ok()) return trim.status();
      for (const QueueMinimum& minimum : trim->minima) queues_.Trim(minimum.queue, minimum.min);
      if (trim->last) {
        queues_.TrimCarried(trim->offset);
        trimmed_.store(trim->offset, std::memory_order_release);
      }
      return absl::OkStatus();
    }
    case kSnapshotBeginRecord:
    case kSnapshotEntryRecord:
      return absl::OkStatus();
    case kSnapshotEndRecord: {
      const absl::StatusOr<SnapshotMark> mark = DecodeSnapshotMark(record.body);
      if (!mark.ok()) return mark.status();
      snapshot_.store(mark->captured.offset, std::memory_order_release);
      return absl::OkStatus();
    }
    default:
      machine_->Apply(record);
      return absl::OkStatus();
  }
}

absl::Status DerivedState::FoldQueuesOnly(const RecordView& record, uint32_t record_bytes) {
  Passed(record);
  return record.kind == kMessageRecord ? EnterMessage(record, record_bytes) : absl::OkStatus();
}

absl::Status DerivedState::EnterMessage(const RecordView& record, uint32_t record_bytes) {
  const MessageView& message = *record.message;
  return queues_.Append(message.queue, message.queue_offset,
                        {record.position.offset, record_bytes, message.tag_hash},
                        message.store_time);
}

void DerivedState::Passed(const RecordView& record) {
  segment_times_.Passed(record.position.offset, store_time_);
  store_time_ = record.store_time;
}

void DerivedState::CountTraffic(const RecordView& record, uint32_t record_bytes) {
  const LogOffset begin = record.position.offset;
  // The frame's header counts with its first record, a filler with nobody.
  const uint64_t header = folded_ == 0 ? 0 : begin - std::min(begin, folded_);
  folded_ = begin + record_bytes;
  if (!IsUpkeep(record.kind)) traffic_.fetch_add(header + record_bytes, std::memory_order_relaxed);
}

void DerivedState::SegmentEnded(LogOffset first, LogOffset next) {
  folded_ = next;
  segment_times_.Ended(first, next);
}

absl::StatusOr<std::optional<CheckpointMeta>> DerivedState::Load() {
  const absl::StatusOr<std::optional<std::string>> value = checkpoint_->Get(kMetaKey);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const absl::StatusOr<CheckpointMeta> meta = DecodeMeta(**value);
  if (!meta.ok()) return meta.status();
  for (const std::string_view prefix :
       {kQueueRecordPrefix, kCarriedPrefix, kSegmentPrefix, kMachinePrefix}) {
    if (absl::Status loaded = LoadPrefix(prefix); !loaded.ok()) return loaded;
  }
  if (absl::Status loaded = LoadEpochs(); !loaded.ok()) return loaded;
  store_time_ = meta->store_time;
  trimmed_ = meta->trimmed;
  snapshot_ = meta->snapshot;
  return *meta;
}

absl::Status DerivedState::LoadEpochs() {
  const absl::StatusOr<std::optional<std::string>> value = checkpoint_->Get(kEpochsKey);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::OkStatus();
  absl::StatusOr<EpochHistory> epochs = DecodeEpochs(**value);
  if (!epochs.ok()) return epochs.status();
  loaded_epochs_ = *std::move(epochs);
  return absl::OkStatus();
}

absl::Status DerivedState::LoadPrefix(std::string_view prefix) {
  absl::Status restored;
  const absl::Status scanned = checkpoint_->Scan(prefix, PrefixEnd(prefix),
                                                 [&](std::string_view key, std::string_view value) {
                                                   restored = Restore(key, value);
                                                   return restored.ok();
                                                 });
  return scanned.ok() ? restored : scanned;
}

absl::Status DerivedState::Restore(std::string_view key, std::string_view value) {
  if (key.starts_with(kMachinePrefix)) {
    return machine_->Restore(key.substr(kMachinePrefix.size()), value);
  }
  if (key.starts_with(kQueueRecordPrefix) || key.starts_with(kCarriedPrefix)) {
    return queues_.Restore(key, value);
  }
  if (key.starts_with(kSegmentPrefix)) return segment_times_.Restore(key, value);
  return absl::DataLossError("a pair of the derived state has an unknown key");
}

void DerivedState::Clear() {
  machine_->Clear();
  queues_.Clear();
  segment_times_.Clear();
  loaded_epochs_ = EpochHistory();
  store_time_ = 0;
  trimmed_ = 0;
  snapshot_ = 0;
  checkpoint_empty_ = true;
}

void DerivedState::CaptureAll(StateSink& sink) const {
  queues_.CaptureAll(sink);
  PrefixSink<StateSink> prefixed(&sink);
  machine_->CaptureAll(prefixed);
}

CheckpointMeta DerivedState::Capture(KeyValueBatch& batch) {
  PrefixSink<KeyValueBatch> prefixed(&batch);
  if (std::exchange(checkpoint_empty_, false)) {
    machine_->CaptureAll(prefixed);
    DiscardSink captured;
    machine_->CaptureDirty(captured);
  } else {
    machine_->CaptureDirty(prefixed);
  }
  const LogOffset applied = log_->cursors().applied;
  segment_times_.Passed(applied, store_time_);
  segment_times_.CaptureDirty(batch);
  queues_.CaptureCarried(batch);
  capture_ = queues_.Capture();
  CheckpointMeta meta;
  meta.offset = applied;
  EpochHistory epochs = log_->replicated()->History().epochs;
  epochs.TruncateTo(applied);
  meta.epoch = epochs.last();
  batch.Put(kEpochsKey, EncodeEpochs(epochs));
  meta.store_time = store_time_;
  meta.trimmed = trimmed();
  meta.snapshot = snapshot();
  return meta;
}

absl::Status DerivedState::Complete(KeyValueBatch& batch) { return queues_.AddTo(batch, capture_); }

void DerivedState::Written(const CheckpointMeta& meta) {
  (void)meta;
  queues_.Written(capture_);
  capture_ = QueueCapture();
}

void DerivedState::Failed() {
  queues_.Failed(capture_);
  capture_ = QueueCapture();
}

}  // namespace mansio::store
