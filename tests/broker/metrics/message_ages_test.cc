#include "broker/metrics/message_ages.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

constexpr store::QueueKey kQueue{1, 0};

class PlainAppend : public store::Append {
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status& status) override { ADD_FAILURE() << status; }
};

// Counts what is read from the disk.
class CountingStore : public store::FakeStore {
 public:
  absl::StatusOr<store::StoredMessage> ReadMessage(store::QueueKey queue, store::QueueOffset offset,
                                                   const store::QueueEntry& entry) override {
    ++reads;
    return FakeStore::ReadMessage(queue, offset, entry);
  }
  size_t reads = 0;
};

class MessageAgesTest : public testing::Test {
 protected:
  void Store(int64_t stored_ms) {
    auto append = std::make_unique<PlainAppend>();
    append->AddMessage(kQueue, 0, stored_ms, "content");
    ASSERT_TRUE(store_.Submit(std::move(append)).ok());
  }
  CountingStore store_;
  MessageAges ages_{&store_};
};

TEST_F(MessageAgesTest, AMessageInMemoryIsNotReadFromTheDisk) {
  Store(1000);
  Store(2000);
  ages_.Begin();
  EXPECT_EQ(ages_.StoredAt(kQueue, 0), 1000);
  EXPECT_EQ(ages_.StoredAt(kQueue, 1), 2000);
  EXPECT_EQ(ages_.StoredAt(kQueue, 2), std::nullopt);
  EXPECT_EQ(store_.reads, 0u);
}

TEST_F(MessageAgesTest, WhatWasReadIsRememberedAsLongAsItIsAskedFor) {
  Store(1000);
  store_.SetHot(false, false);
  for (int scrape = 0; scrape < 3; ++scrape) {
    ages_.Begin();
    EXPECT_EQ(ages_.StoredAt(kQueue, 0), 1000);
    EXPECT_EQ(ages_.StoredAt(kQueue, 0), 1000);
    ages_.End();
    EXPECT_EQ(store_.reads, 1u);
  }
  ages_.Begin();
  ages_.End();
  ages_.Begin();
  EXPECT_EQ(ages_.StoredAt(kQueue, 0), 1000);
  EXPECT_EQ(store_.reads, 2u);
}

TEST_F(MessageAgesTest, AScrapeReadsOnlySoManyMessagesAndTheNextOneGoesOn) {
  const auto messages = static_cast<store::QueueOffset>(MessageAges::kMaxReads);
  for (store::QueueOffset i = 0; i < messages; ++i) Store(1000);
  store_.SetHot(false, false);
  size_t known = 0;
  for (int scrape = 0; scrape < 3; ++scrape) {
    known = 0;
    ages_.Begin();
    for (store::QueueOffset i = 0; i < messages; ++i) {
      known += ages_.StoredAt(kQueue, i).has_value() ? 1 : 0;
    }
    ages_.End();
    EXPECT_LE(store_.reads, MessageAges::kMaxReads * (scrape + 1));
    if (scrape == 0) {
      EXPECT_GT(known, 0u);
      EXPECT_LT(known, messages);
    }
  }
  EXPECT_EQ(known, messages);
}

TEST_F(MessageAgesTest, AMessageThatCannotBeReadHasNoAge) {
  Store(1000);
  store_.SetHot(true, false);
  store_.FailReads(kQueue, 0, absl::DataLossError("damaged"));
  ages_.Begin();
  EXPECT_EQ(ages_.StoredAt(kQueue, 0), std::nullopt);
}

}  // namespace
}  // namespace mansio::broker
