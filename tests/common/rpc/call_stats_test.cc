#include "common/rpc/call_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mansio::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;

TEST(CallStatsTest, TheOutcomeIsTheCodeOfTheLeadingStatus) {
  // field 1: {code = 20000, message = "OK"}, then something else
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x0a\x08\x08\xa0\x9c\x01\x12\x02OK\x10\x01"))), 20000);
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x0a\x04\x08\xd2\xb8\x02"))), 40018);
  EXPECT_EQ(OutcomeOf(Payload()), kNoCode);
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x12\x02OK"))), kNoCode);
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x0a\x08"))), kNoCode);
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x0a\x08\x08\xff"))), kNoCode);
  EXPECT_EQ(OutcomeOf(Payload(std::string("\x0a\x02\x08\x00", 4))), kNoCode);
  EXPECT_NE(OutcomeOf(absl::InternalError("")), OutcomeOf(absl::AbortedError("")));
}

TEST(CallStatsTest, CallsAreCountedByOutcome) {
  MethodStats stats("/a.B/C", false);
  EXPECT_TRUE(stats.Outcomes().empty());
  stats.Record(20000, 10 * metrics::kMilli);
  stats.Record(40400, 20 * metrics::kMilli);
  stats.Record(20000, 30 * metrics::kMilli);
  const auto outcomes = stats.Outcomes();
  ASSERT_THAT(outcomes, ElementsAre(Field(&MethodStats::Outcome::outcome, 20000),
                                    Field(&MethodStats::Outcome::outcome, 40400)));
  EXPECT_EQ(outcomes[0].nanos.count(), 2u);
  EXPECT_EQ(outcomes[0].nanos.sum, 40 * metrics::kMilli);
}

TEST(CallStatsTest, MoreOutcomesThanThereIsRoomForShareOne) {
  MethodStats stats("/a.B/C", false);
  for (int code = 1; code <= 100; ++code) stats.Record(code, 1);
  const auto outcomes = stats.Outcomes();
  ASSERT_EQ(outcomes.size(), 15u);  // without OK
  EXPECT_EQ(outcomes.back().outcome, kOtherCodes);
  EXPECT_EQ(outcomes.back().nanos.count(), 86u);
}

}  // namespace
}  // namespace mansio::rpc
