// Dead letters and the real store's retention.

#include "broker/consumption/dead_letter_retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/feature_set.h"
#include "broker/deadletter/records.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/files/recording_file_system.h"
#include "store/checkpoint/memory_store.h"
#include "store/store_impl.h"
#include "tests/store/support/test_append.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;

class Removal : public store::Append {
 public:
  Removal(uint32_t topic, std::vector<store::QueueOffset> offsets) {
    AddRecord(kDeadLettersRemovedRecord,
              DeadLettersRemovedRecord{topic, std::move(offsets)}.Encode());
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

// Does something when retention asks for what is live, on the log thread.
class Probe : public Feature {
 public:
  std::vector<store::RecordKind> Kinds() const override { return {}; }
  char KeyPrefix() const override { return 'z'; }
  void Apply(const store::RecordView&) override {}
  void CaptureDirty(store::StateSink&) override {}
  void CaptureAll(store::StateSink&) override {}
  absl::Status Restore(std::string_view, std::string_view) override { return absl::OkStatus(); }
  void Clear() override {}
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset,
                                               store::QueueOffset, size_t) const override {
    if (queue == watched && then) std::exchange(then, nullptr)();
    return {};
  }
  store::QueueKey watched;
  mutable std::function<void()> then;
};

using testing::IsEmpty;

class DeadLetterRetentionTest : public testing::Test {
 protected:
  static constexpr absl::Duration kKeep = absl::Hours(24);

  DeadLetterRetentionTest() {
    options_.path = "/store";
    options_.segment_bytes = 64 << 10;
    options_.retention_bytes = 2 * options_.segment_bytes;
    options_.checkpoint_bytes = uint64_t{1} << 40;  // only when a test asks
    options_.cold_threads = 1;
  }

  void SetUp() override {
    Open();
    std::promise<GroupPtr> group;
    metadata_->EnsureGroup("workers", [&group](auto made) { group.set_value(*made); });
    std::promise<TopicPtr> letters;
    metadata_->EnsureDeadLetters(group.get_future().get(),
                                 [&letters](auto made) { letters.set_value(*made); });
    letters_ = {letters.get_future().get()->id, 0};
    std::promise<TopicPtr> busy;
    metadata_->CreateTopic("busy", MessageType::kNormal, 1,
                           [&busy](auto made) { busy.set_value(*made); });
    busy_ = {busy.get_future().get()->id, 0};
  }

  // A new process, from what the last one left.
  void Open() {
    store_.reset();
    features_ = std::make_unique<FeatureSet>();
    metadata_ = std::make_unique<Metadata>(Metadata::Limits{}, &time_);
    removed_ = std::make_unique<DeadLetterState>(metadata_.get());
    retention_ =
        std::make_unique<DeadLetterRetention>(metadata_.get(), removed_.get(), &time_, kKeep);
    features_->Add(metadata_.get());
    features_->Add(removed_.get());
    features_->Add(retention_.get());
    probe_ = std::make_unique<Probe>();
    features_->Add(probe_.get());
    auto opened =
        store::StoreImpl::Open(options_, {&files_, &time_, &checkpoint_}, features_.get());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void Send(store::QueueKey queue, const std::string& content) {
    auto append = std::make_unique<store::TestAppend>();
    append->AddMessage(queue, 0, time_.NowMillis(), content);
    ASSERT_TRUE(store::SendAndWait(store_.get(), std::move(append)).ok());
  }
  // Enough traffic that everything sent before is in segments that have gone.
  void PushOut() {
    for (int i = 0; i < 4 * 33; ++i) Send(busy_, std::string(1950, '.'));
    ASSERT_TRUE(store_->EnforceRetention().ok());
  }
  std::vector<std::string> Carried() {
    std::vector<std::string> contents;
    for (const store::CarriedEntry& carried : store_->CarriedEntries(letters_, 0, 100)) {
      const auto message = store_->ReadMessage(letters_, carried.offset, carried.entry);
      contents.push_back(message.ok() ? std::string(message->view.content)
                                      : message.status().ToString());
    }
    return contents;
  }

  RecordingFileSystem files_;
  store::MemoryStore checkpoint_;
  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  store::StoreOptions options_;
  std::unique_ptr<FeatureSet> features_;
  std::unique_ptr<Metadata> metadata_;
  std::unique_ptr<DeadLetterState> removed_;
  std::unique_ptr<DeadLetterRetention> retention_;
  std::unique_ptr<Probe> probe_;
  std::unique_ptr<store::StoreImpl> store_;
  store::QueueKey letters_;
  store::QueueKey busy_;
};

TEST_F(DeadLetterRetentionTest, ADeadLetterOutlivesItsSegmentForItsOwnTimeOnly) {
  Send(letters_, "old");
  clock_.Advance(absl::Hours(20));
  Send(letters_, "young");
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre("old", "young"));
  EXPECT_EQ(store_->Range(letters_).min, 2u);
  clock_.Advance(absl::Hours(5));
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre("young"));
  clock_.Advance(absl::Hours(20));
  PushOut();
  EXPECT_THAT(Carried(), IsEmpty());
}

TEST_F(DeadLetterRetentionTest, OtherMessagesGoWithTheirSegment) {
  Send(busy_, "consumed or not");
  PushOut();
  EXPECT_GT(store_->Range(busy_).min, 0u);
  EXPECT_THAT(store_->CarriedEntries(busy_, 0, 10), IsEmpty());
}

TEST_F(DeadLetterRetentionTest, WhatIsKnownOfAgesOutlivesTheProcess) {
  for (int hour = 0; hour < 4; ++hour) {
    Send(letters_, std::to_string(hour));
    clock_.Advance(absl::Hours(2));
  }
  for (const bool checkpointed : {false, true}) {
    if (checkpointed) {
      ASSERT_TRUE(store_->Checkpoint().ok());
    }
    Open();
    const auto live = retention_->LiveMessages(letters_, 0, 4, 10);
    ASSERT_EQ(live.size(), 4u);
    EXPECT_EQ(live[3].keep, kKeep);
  }
  clock_.Advance(absl::Hours(19));  // the first two are too old by now
  const auto live = retention_->LiveMessages(letters_, 0, 4, 10);
  ASSERT_FALSE(live.empty());
  EXPECT_EQ(live[0].offset, 1u) << "what lies before the last mark that is too old is not asked";
  EXPECT_THAT(retention_->LiveMessages(letters_, 0, 4, 2), testing::SizeIs(2));
  EXPECT_THAT(retention_->LiveMessages(letters_, 4, 4, 2), IsEmpty());
}

TEST_F(DeadLetterRetentionTest, TheyGoWithTheirGroup) {
  Send(letters_, "dead");
  std::promise<void> deleted;
  metadata_->DeleteGroup("workers", [&deleted](const auto&) { deleted.set_value(); });
  deleted.get_future().wait();
  ASSERT_TRUE(store_->Checkpoint().ok());
  Open();
  EXPECT_THAT(retention_->LiveMessages(letters_, 0, 4, 2), IsEmpty());
}

TEST_F(DeadLetterRetentionTest, ALetterThatIsResentWhileRetentionCarriesIsNoLetterAgain) {
  for (int i = 0; i < 2100; ++i) Send(letters_, "x");
  EXPECT_EQ(removed_->Count(letters_.topic), 2100u);
  probe_->watched = letters_;
  size_t during = 0;
  probe_->then = [&] {
    during = removed_->Count(letters_.topic);
    ASSERT_TRUE(store_
                    ->Submit(std::make_unique<Removal>(letters_.topic,
                                                       std::vector<store::QueueOffset>{1500}))
                    .ok());
  };
  PushOut();
  EXPECT_EQ(store_->Range(letters_).min, 2100u);
  EXPECT_EQ(during, 2100u) << "while retention carries";
  EXPECT_TRUE(removed_->IsRemoved(letters_.topic, 1500));
  EXPECT_EQ(removed_->Count(letters_.topic), 2099u);
}

TEST_F(DeadLetterRetentionTest, WhatWasRemovedStaysSoWhenARetentionIsBrokenOff) {
  for (int i = 0; i < 2100; ++i) Send(letters_, "x");
  std::vector<store::QueueOffset> first;
  for (int i = 0; i < 1024; ++i) first.push_back(i);
  ASSERT_TRUE(store_->Submit(std::make_unique<Removal>(letters_.topic, first)).ok());
  Send(letters_, "x");
  EXPECT_EQ(removed_->Count(letters_.topic), 2101u - 1024u);
  probe_->watched = letters_;
  probe_->then = [&] {
    ASSERT_TRUE(store_
                    ->Submit(std::make_unique<Removal>(letters_.topic,
                                                       std::vector<store::QueueOffset>{2099}))
                    .ok());
  };
  PushOut();
  EXPECT_EQ(removed_->Count(letters_.topic), 2101u - 1025u);
}

}  // namespace
}  // namespace mansio::broker
