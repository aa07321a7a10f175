#ifndef MANSIO_TESTS_BROKER_CRASH_BROKEN_H_
#define MANSIO_TESTS_BROKER_CRASH_BROKEN_H_

#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/feature_set.h"
#include "broker/delay/records.h"
#include "broker/transaction/records.h"
#include "store/log/append_encoding.h"
#include "store/log/record_codec.h"
#include "tests/store/crash/forwarding_log.h"
#include "tests/store/support/test_append.h"

// Builds of the broker that are broken on purpose; the crash test must see through each.
namespace mansio::broker {

struct Breakage {
  bool carries_nothing = false;         // pending and leased messages go with their segments
  bool tears_moves = false;             // a copy and the end of its original are two frames
  bool checkpoint_keeps_ended = false;  // what ended stays in the checkpoint
  bool snapshot_lacks_timers = false;   // snapshots in the log leave pending timers out
};

// The broker's state as the store sees it, with what is broken; and somebody who sees each record.
class WatchedState : public store::StateMachine {
 public:
  WatchedState(FeatureSet* features, Breakage breakage)
      : features_(features), breakage_(breakage) {}

  std::function<void(const store::RecordView&)> on_applied;

  void Attach(store::Store* store) override { features_->Attach(store); }
  void Apply(const store::RecordView& record) override {
    features_->Apply(record);
    if (on_applied) on_applied(record);
  }
  void BatchBegin() override { features_->BatchBegin(); }
  void BatchEnd() override { features_->BatchEnd(); }
  void CaptureDirty(store::StateSink& sink) override {
    Filter filter(sink, breakage_.checkpoint_keeps_ended, false);
    features_->CaptureDirty(filter);
  }
  void CaptureAll(store::StateSink& sink) override {
    Filter filter(sink, false, breakage_.snapshot_lacks_timers);
    features_->CaptureAll(filter);
  }
  absl::Status Restore(std::string_view key, std::string_view value) override {
    return features_->Restore(key, value);
  }
  void Clear() override { features_->Clear(); }
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override {
    if (breakage_.carries_nothing) return {};
    return features_->LiveMessages(queue, from, to, max);
  }

 private:
  class Filter : public store::StateSink {
   public:
    Filter(store::StateSink& sink, bool keeps_deleted, bool lacks_timers)
        : sink_(sink), keeps_deleted_(keeps_deleted), lacks_timers_(lacks_timers) {}
    void Put(std::string_view key, std::string_view value) override {
      if (!lacks_timers_ || !key.starts_with("Dp")) sink_.Put(key, value);
    }
    void Delete(std::string_view key) override {
      if (!keeps_deleted_) sink_.Delete(key);
    }

   private:
    store::StateSink& sink_;
    const bool keeps_deleted_;
    const bool lacks_timers_;
  };

  FeatureSet* const features_;
  const Breakage breakage_;
};

// A log that writes the copies of a move, and then the ends of the originals.
class TornMovesLog : public store::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;

  absl::Status Submit(std::unique_ptr<store::Append> append) override {
    auto copies = std::make_unique<store::TestAppend>();
    auto ends = std::make_unique<store::TestAppend>();
    bool is_move = false;
    std::string_view rest = store::AppendEncoding::Payload(*append);
    store::EncodedRecord record;
    while (store::TakeRecord(rest, &record)) {
      store::EncodedMessage message;
      if (record.kind != store::kMessageRecord) {
        is_move |= record.kind == kTimersFiredRecord || record.kind == kTransactionEndRecord;
        ends->AddRecord(record.kind, record.body);
      } else if (store::DecodeMessageBody(record.body, &message)) {
        copies->AddMessage(message.queue, message.tag_hash, message.store_time, message.content);
      }
    }
    if (!is_move || copies->empty()) return log().Submit(std::move(append));
    const std::shared_ptr<store::Append> original = std::move(append);
    ends->on_applied = [original](const store::AppendResult& r) { original->Applied(r); };
    ends->on_failed = [original](const absl::Status& status) { original->Failed(status); };
    copies->on_failed = ends->on_failed;
    // Functions can be copied, so the append is shared until it is submitted.
    copies->on_applied = [this, original,
                          next = std::make_shared<std::unique_ptr<store::TestAppend>>(
                              std::move(ends))](const store::AppendResult&) {
      const absl::Status taken = log().Submit(std::move(*next));
      if (!taken.ok()) original->Failed(taken);
    };
    return log().Submit(std::move(copies));
  }
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_BROKEN_H_
