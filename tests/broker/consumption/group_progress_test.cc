#include "broker/consumption/group_progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "apache/rocketmq/v2/definition.pb.h"
#include "tests/broker/fake_store.h"
#include "tests/broker/filter/filter_testing.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr uint32_t kTopicId = 1;
constexpr uint32_t kQueues = 8;

class TopicProgressTest : public testing::Test {
 protected:
  class Ignored : public store::Append {
   public:
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  };

  TopicProgressTest() {
    store_.DefineTopic(kTopicId, kQueues);
    for (uint32_t i = 0; i < kQueues; ++i) topic_.queues().emplace_back(0);
  }
  void Fill(size_t per_queue, std::string_view content) {
    for (uint32_t queue = 0; queue < kQueues; ++queue) {
      for (size_t i = 0; i < per_queue; ++i) {
        auto append = std::make_unique<Ignored>();
        append->AddMessage({kTopicId, queue}, TagHash("other"), 1, content);
        ASSERT_TRUE(store_.Submit(std::move(append)).ok());
      }
    }
  }
  TakeOutcome Take(const MessageFilter& filter) {
    TakeRequest request;
    request.filter = &filter;
    return topic_.Take(store_, kTopicId, std::nullopt, request,
                       [](store::QueueKey, uint64_t) { FAIL(); });
  }
  // Takes until nothing is left to look at; the most that `measure` says of one of them.
  template <typename Measure>
  size_t MostOfOneTake(const MessageFilter& filter, Measure measure) {
    size_t most = 0;
    bool more = true;
    for (int takes = 0; more && takes < 1000; ++takes) {
      const TakeOutcome outcome = Take(filter);
      EXPECT_TRUE(outcome.taken.empty());
      EXPECT_FALSE(outcome.cold_queue.has_value());
      most = std::max(most, measure(outcome));
      more = outcome.more;
    }
    EXPECT_FALSE(more) << "every message was looked at";
    return most;
  }

  store::FakeStore store_;
  TopicProgress topic_;
};

TEST_F(TopicProgressTest, OneTakePassesOverABoundedNumberOfMessagesInAllQueuesTogether) {
  Fill(1000, StoredBytes({}, "other").bytes());
  const FilterPtr tag = *CompileFilter(v2::TAG, "wanted");
  EXPECT_EQ(MostOfOneTake(*tag, [](const TakeOutcome& o) { return o.passed_over; }), 4096u);
}

TEST_F(TopicProgressTest, OneTakeFiltersABoundedNumberOfBytesInAllQueuesTogether) {
  Fill(50, StoredBytes({{"n", std::string(10'000, '1')}}).bytes());
  const FilterPtr sql = *CompileFilter(v2::SQL, "n CONTAINS '2'");
  const size_t most = MostOfOneTake(*sql, [](const TakeOutcome& o) { return o.filtered_bytes; });
  EXPECT_GT(most, 100'000u);
  EXPECT_LT(most, 512u * 1024) << "256 KiB and one message";
}

TEST_F(TopicProgressTest, AMessageThatIsTooCostlyToJudgeIsForTheColdPool) {
  std::string costly = "n = 1";
  for (int i = 0; i < 700; ++i) costly += " OR n = 1";
  Fill(1, StoredBytes({{"n", std::string(10'000, '2')}}).bytes());
  const TakeOutcome outcome = Take(**CompileFilter(v2::SQL, costly));
  EXPECT_EQ(outcome.filtered_bytes, 0u);
  ASSERT_TRUE(outcome.cold_queue.has_value());
  EXPECT_EQ(outcome.cold_queue->queue, 0u);
  EXPECT_EQ(outcome.cold_from, 0u);
}

}  // namespace
}  // namespace mansio::broker
