#include "common/metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/metrics/process_metrics.h"

namespace mansio::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Metric kSent{"sent_total", "What was sent.", Type::kCounter};
constexpr Metric kAge{"age_seconds", "How old it is.", Type::kGauge, 1, Merge::kMax};
constexpr Metric kTook{"took_seconds", "How long it took.", Type::kHistogram, kMilli};

TEST(ExpositionTest, EachMetricHasHelpTypeAndTheCommonLabels) {
  Exposition page({{"cluster", "c"}}, 100);
  page.Add(kSent, {{"topic", "a"}}, 7);
  page.Add(kAge, 1.5);
  page.Add(kSent, {{"topic", "b"}}, 8);
  EXPECT_EQ(page.Text(),
            "# HELP sent_total What was sent.\n"
            "# TYPE sent_total counter\n"
            "sent_total{cluster=\"c\",topic=\"a\"} 7\n"
            "sent_total{cluster=\"c\",topic=\"b\"} 8\n"
            "# HELP age_seconds How old it is.\n"
            "# TYPE age_seconds gauge\n"
            "age_seconds{cluster=\"c\"} 1.5\n");
}

TEST(ExpositionTest, HistogramsAreCumulativeAndInTheirUnit) {
  Exposition page({}, 100);
  page.Add(kTook, {}, HistogramSnapshot{{1 * kMilli, 5 * kMilli}, {1, 2, 4}, 20 * kMilli});
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"+Inf\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_count 7\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_sum 20\n"));
}

TEST(ExpositionTest, BeyondTheLimitTopicsShareASeries) {
  Exposition page({}, 2);
  for (int i = 0; i < 5; ++i) {
    const std::string topic = "t" + std::to_string(i);
    page.Add(kSent, {{"topic", topic}, {"is_system", Flag(i % 2 == 0)}}, 10 + i);
    page.Add(kAge, {{"topic", topic}}, i == 3 ? 100 : i);
  }
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("sent_total{topic=\"t1\",is_system=\"false\"} 11\n"));
  EXPECT_THAT(text, Not(HasSubstr("t2")));
  // 12 and 14 in one, 13 in the other: their other labels differ.
  EXPECT_THAT(text, HasSubstr("sent_total{topic=\"other\",is_system=\"true\"} 26\n"));
  EXPECT_THAT(text, HasSubstr("sent_total{topic=\"other\",is_system=\"false\"} 13\n"));
  EXPECT_THAT(text, HasSubstr("age_seconds{topic=\"other\"} 100\n"));  // the greatest
  EXPECT_EQ(page.merged(), 6u);
}

TEST(ExpositionTest, LabelsThatUsersCannotChooseAreNotLimited) {
  Exposition page({}, 1);
  page.Add(kSent, {{"cursor", "a"}}, 1);
  page.Add(kSent, {{"cursor", "b"}}, 2);
  EXPECT_THAT(page.Text(), HasSubstr("sent_total{cursor=\"b\"} 2\n"));
  EXPECT_EQ(page.merged(), 0u);
}

TEST(ExpositionTest, HistogramsBeyondTheLimitAreAdded) {
  Exposition page({}, 1);
  for (const char* topic : {"a", "b", "c"}) {
    page.Add(kTook, {{"topic", topic}}, HistogramSnapshot{{1 * kMilli}, {1, 2}, 3 * kMilli});
  }
  EXPECT_THAT(page.Text(), HasSubstr("took_seconds_count{topic=\"other\"} 6\n"));
}

TEST(ExpositionTest, TextOfClientsCannotBreakThePage) {
  EXPECT_EQ(ClientText("JAVA"), "JAVA");
  Exposition page({}, 10);
  page.Add(kSent, {{"language", ClientText("a\"\n\xff")}}, 1);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("language=\"a\\\"\\\\n\\\\xff\"} 1\n"));
}

TEST(ProcessMetricsTest, TellsWhatThisProcessUses) {
  Exposition page({}, 10);
  AddProcess(page, "1.2.3");
  const std::string text = page.Text();
  for (const char* name :
       {"mansio_build_info{mansio_version=\"1.2.3\"} 1", "process_cpu_seconds_total ",
        "process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds "}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

}  // namespace
}  // namespace mansio::metrics
