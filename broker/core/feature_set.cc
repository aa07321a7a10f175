#include "broker/core/feature_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"

namespace mansio::broker {

void FeatureSet::Add(Feature* feature) {
  features_.push_back(feature);
  for (store::RecordKind kind : feature->Kinds()) by_kind_[kind].push_back(feature);
  by_prefix_[static_cast<unsigned char>(feature->KeyPrefix())] = feature;
}

void FeatureSet::Attach(store::Store* store) {
  for (Feature* feature : features_) feature->Attach(store);
}

void FeatureSet::Apply(const store::RecordView& record) {
  for (Feature* feature : by_kind_[record.kind]) feature->Apply(record);
}

void FeatureSet::BatchBegin() { completions_.emplace(); }

void FeatureSet::BatchEnd() {
  for (Feature* feature : features_) feature->BatchEnd();
  completions_.reset();
}

void FeatureSet::CaptureDirty(store::StateSink& sink) {
  for (Feature* feature : features_) feature->CaptureDirty(sink);
}

void FeatureSet::CaptureAll(store::StateSink& sink) {
  for (Feature* feature : features_) feature->CaptureAll(sink);
}

absl::Status FeatureSet::Restore(std::string_view key, std::string_view value) {
  Feature* feature = key.empty() ? nullptr : by_prefix_[static_cast<unsigned char>(key[0])];
  if (feature == nullptr) {
    return absl::DataLossError(fmt::format(
        "the checkpoint holds a key of {} bytes that no part of this version owns; it was "
        "written by a newer version or is damaged",
        key.size()));
  }
  return feature->Restore(key, value);
}

void FeatureSet::Clear() {
  for (Feature* feature : features_) feature->Clear();
}

std::vector<store::LiveMessage> FeatureSet::LiveMessages(store::QueueKey queue,
                                                         store::QueueOffset from,
                                                         store::QueueOffset to, size_t max) const {
  // A message may be live for several: a dead letter that someone has leased.
  absl::btree_map<store::QueueOffset, absl::Duration> live;
  for (const Feature* feature : features_) {
    for (const store::LiveMessage& message : feature->LiveMessages(queue, from, to, max)) {
      absl::Duration& keep = live.try_emplace(message.offset, message.keep).first->second;
      keep = std::max(keep, message.keep);
    }
  }
  std::vector<store::LiveMessage> first;
  for (const auto& [offset, keep] : live) {
    if (first.size() == max) break;
    first.push_back({offset, keep});
  }
  return first;
}

}  // namespace mansio::broker
