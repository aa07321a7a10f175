#include "broker/replication/in_sync_feature.h"

#include <fmt/format.h>

#include <utility>

#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr std::string_view kKey = "I";

}  // namespace

std::set<BrokerId> InSyncFeature::members() const {
  const MutexLock lock(&mutex_);
  return members_;
}

void InSyncFeature::Apply(const store::RecordView& record) {
  absl::StatusOr<std::set<BrokerId>> members = DecodeInSyncSet(record.body);
  if (!members.ok()) {
    LOG_ERROR("The log contradicts itself at offset {}: {}", record.position.offset,
              std::string(members.status().message()));
    return;
  }
  const MutexLock lock(&mutex_);
  members_ = *std::move(members);
  dirty_ = true;
}

void InSyncFeature::Put(store::StateSink& sink) const {
  if (!members_.empty()) sink.Put(kKey, EncodeInSyncSet(members_));
}

void InSyncFeature::CaptureDirty(store::StateSink& sink) {
  const MutexLock lock(&mutex_);
  if (std::exchange(dirty_, false)) Put(sink);
}

void InSyncFeature::CaptureAll(store::StateSink& sink) {
  const MutexLock lock(&mutex_);
  Put(sink);
}

absl::Status InSyncFeature::Restore(std::string_view key, std::string_view value) {
  if (key != kKey) return absl::DataLossError("a key of the in-sync set is malformed");
  absl::StatusOr<std::set<BrokerId>> members = DecodeInSyncSet(value);
  if (!members.ok()) return members.status();
  const MutexLock lock(&mutex_);
  members_ = *std::move(members);
  return absl::OkStatus();
}

void InSyncFeature::Clear() {
  const MutexLock lock(&mutex_);
  members_.clear();
  dirty_ = false;
}

}  // namespace mansio::broker
