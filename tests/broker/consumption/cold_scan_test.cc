#include "broker/consumption/cold_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "tests/broker/fake_store.h"
#include "tests/broker/filter/filter_testing.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ColdScanTest : public testing::Test {
 protected:
  class Ignored : public store::Append {
   public:
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  };

  ColdScanTest() {
    store_.DefineTopic(1, 1);
    store_.SetHot(false, false);
  }
  void Add(const std::string& number, size_t padding = 0) {
    const StoredBytes bytes({{"n", number}, {"padding", std::string(padding, 'x')}});
    AddContent(bytes.bytes());
  }
  void AddContent(std::string_view content) {
    auto append = std::make_unique<Ignored>();
    append->AddMessage(queue_, 0, 1, content);
    ASSERT_TRUE(store_.Submit(std::move(append)).ok());
  }
  absl::StatusOr<ColdEntries> Scan(const std::string& sql, size_t max_wanted = 32) {
    return ScanCold(store_, queue_, 0, **CompileFilter(v2::SQL, sql), max_wanted);
  }

  store::FakeStore store_;
  const store::QueueKey queue_{1, 0};
};

TEST_F(ColdScanTest, JudgesEachMessageByWhatItReads) {
  for (const char* number : {"1", "2", "1", "3"}) Add(number);
  const auto cold = Scan("n = 1");
  ASSERT_TRUE(cold.ok());
  EXPECT_THAT(cold->entries, SizeIs(4));
  EXPECT_THAT(cold->wanted, ElementsAre(true, false, true, false));
  EXPECT_TRUE(cold->Contains(queue_, 3));
  EXPECT_FALSE(cold->Contains(queue_, 4));
  EXPECT_FALSE(cold->Contains({1, 1}, 0));
}

TEST_F(ColdScanTest, EndsWithTheLastMessageThatIsAskedFor) {
  for (const char* number : {"1", "2", "1", "1"}) Add(number);
  EXPECT_THAT(Scan("n = 1", 2)->wanted, ElementsAre(true, false, true));
}

TEST_F(ColdScanTest, ATagFilterReadsNoMessage) {
  AddContent("this is no message");
  const auto cold = ScanCold(store_, queue_, 0, **CompileFilter(v2::TAG, "a"), 1);
  EXPECT_THAT(cold->entries, SizeIs(1));
  EXPECT_THAT(cold->wanted, IsEmpty());
}

TEST_F(ColdScanTest, IsBoundedInEntriesAndBytes) {
  for (int i = 0; i < 300; ++i) Add("2");
  EXPECT_THAT(Scan("n = 1")->entries, SizeIs(256));
  store::FakeStore large;
  large.DefineTopic(1, 1);
  for (int i = 0; i < 100; ++i) {
    auto append = std::make_unique<Ignored>();
    append->AddMessage(queue_, 0, 1,
                       StoredBytes({{"n", "2"}, {"padding", std::string(200000, 'x')}}).bytes());
    ASSERT_TRUE(large.Submit(std::move(append)).ok());
  }
  const auto cold = ScanCold(large, queue_, 0, **CompileFilter(v2::SQL, "n = 1"), 32);
  EXPECT_GT(cold->entries.size(), 0u);
  EXPECT_LT(cold->entries.size(), 20u);
}

TEST_F(ColdScanTest, ADamagedMessageIsLeftToItsDelivery) {
  AddContent("this is no message");
  Add("2");
  EXPECT_THAT(Scan("n = 1")->wanted, ElementsAre(true, false));
}

TEST_F(ColdScanTest, BelowTheMinimumIsOutOfRange) {
  Add("1");
  store_.TrimQueue(queue_, 1);
  EXPECT_TRUE(absl::IsOutOfRange(Scan("n = 1").status()));
}

}  // namespace
}  // namespace mansio::broker
