// The parts of the load generator, and the whole against a node in this process.
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "client/bench/arrivals.h"
#include "client/bench/check.h"
#include "client/bench/consume.h"
#include "client/bench/delay.h"
#include "client/bench/end_to_end.h"
#include "client/bench/histogram.h"
#include "client/bench/load.h"
#include "client/bench/process_usage.h"
#include "client/bench/produce.h"
#include "client/bench/query.h"
#include "client/bench/report.h"
#include "client/bench/schedule.h"
#include "client/bench/send_template.h"
#include "client/bench/transaction.h"
#include "client/lib/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_node.h"
#include "tests/client/keeping_node.h"

namespace mansio::bench {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(Histogram, QuantilesAreExactToThreeDigits) {
  Histogram histogram;
  for (int64_t value = 1; value <= 1'000'000; ++value) histogram.Record(value * 1000);
  EXPECT_EQ(histogram.count(), 1'000'000);
  EXPECT_EQ(histogram.max(), 1'000'000'000);
  for (const double fraction : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = fraction * 1e9;
    EXPECT_NEAR(static_cast<double>(histogram.Quantile(fraction)), exact, exact / 1000) << fraction;
  }
  EXPECT_NEAR(histogram.mean(), 5e8, 1e6);
}

TEST(Histogram, SmallValuesAreExactAndExtremesAreKept) {
  Histogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_EQ(histogram.mean(), 0);
  histogram.Record(-5);
  histogram.Record(7);
  histogram.Record(2047);
  EXPECT_EQ(histogram.Quantile(0), 0);
  EXPECT_EQ(histogram.Quantile(0.6), 7);
  EXPECT_EQ(histogram.Quantile(1), 2047);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.Quantile(1), (int64_t{1} << 43) - 1);
}

TEST(Histogram, MergedIsTheSameAsRecordedTogether) {
  Histogram one;
  Histogram other;
  Histogram both;
  for (int64_t i = 0; i < 10'000; ++i) {
    (i % 3 == 0 ? one : other).Record(i * i);
    both.Record(i * i);
  }
  one.Merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.max(), both.max());
  for (double fraction = 0; fraction <= 1; fraction += 0.01) {
    EXPECT_EQ(one.Quantile(fraction), both.Quantile(fraction));
  }
}

TEST(Schedule, UniformIsEven) {
  Schedule schedule(Schedule::Kind::kUniform, 1000, 5);
  EXPECT_EQ(schedule.Next(), 5);
  EXPECT_EQ(schedule.Next(), 1'000'005);
  EXPECT_EQ(schedule.Next(), 2'000'005);
}

TEST(Schedule, PoissonHasTheSameMeanAndSpread) {
  Schedule schedule(Schedule::Kind::kPoisson, 1000, 0);
  constexpr int kTimes = 100'000;
  int64_t previous = schedule.Next();
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kTimes; ++i) {
    const int64_t next = schedule.Next();
    const auto gap = static_cast<double>(next - previous);
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    previous = next;
  }
  const double mean = sum / kTimes;
  EXPECT_NEAR(mean, 1e6, 2e4);
  // The standard deviation of an exponential distribution is its mean.
  EXPECT_NEAR(std::sqrt(squares / kTimes - mean * mean), 1e6, 2e4);
}

TEST(SendTemplate, OnlyIdsAndNumbersDiffer) {
  const SendTemplate sends({.topic = "orders", .body_bytes = 20, .batch = 3, .message_group = "g"});
  int ids = 0;
  v2::SendMessageRequest request;
  ASSERT_TRUE(request.ParseFromString(
      sends.Make(0x1234, [&ids] { return std::string(33, 'A') + std::to_string(ids++); })));
  ASSERT_EQ(request.messages_size(), 3);
  for (int i = 0; i < 3; ++i) {
    const v2::Message& message = request.messages(i);
    EXPECT_EQ(message.topic().name(), "orders");
    EXPECT_EQ(message.system_properties().message_id(), std::string(33, 'A') + std::to_string(i));
    EXPECT_EQ(message.system_properties().message_group(), "g");
    EXPECT_THAT(message.body(), SizeIs(20));
    uint64_t sequence = 0;
    ASSERT_TRUE(ParseSequence(message.body(), &sequence));
    EXPECT_EQ(sequence, 0x1234u + static_cast<uint64_t>(i));
  }
  uint64_t sequence = 0;
  EXPECT_FALSE(ParseSequence("short", &sequence));
  EXPECT_FALSE(ParseSequence("not a hex number at all", &sequence));
}

TEST(SendTemplate, DeliveryTimesOfAnyLengthTakeTheSamePlace) {
  const SendTemplate sends({.topic = "later", .batch = 2, .delayed = true});
  const auto next_id = [] { return std::string(34, 'A'); };
  for (const int64_t nanos : {int64_t{300'000'000'000'000'000}, int64_t{1'900'000'000'000'000'001},
                              int64_t{1'900'000'000'999'999'999}}) {
    v2::SendMessageRequest request;
    ASSERT_TRUE(request.ParseFromString(sends.Make(0, next_id, [nanos](uint64_t sequence) {
      return absl::FromUnixNanos(nanos) + absl::Seconds(sequence);
    })));
    ASSERT_EQ(request.messages_size(), 2);
    for (int i = 0; i < 2; ++i) {
      const auto& system = request.messages(i).system_properties();
      EXPECT_EQ(system.message_type(), v2::DELAY);
      EXPECT_EQ(system.delivery_timestamp().seconds(), nanos / 1'000'000'000 + i);
      EXPECT_EQ(system.delivery_timestamp().nanos(), nanos % 1'000'000'000);
    }
  }
}

TEST(SendTemplate, TheNumberIsTheKey) {
  const SendTemplate sends({.topic = "orders", .batch = 2, .keyed = true});
  v2::SendMessageRequest request;
  ASSERT_TRUE(request.ParseFromString(sends.Make(17, [] { return std::string(34, 'i'); })));
  ASSERT_EQ(request.messages_size(), 2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(request.messages(i).system_properties().keys_size(), 1);
    EXPECT_EQ(request.messages(i).system_properties().keys(0), SequenceText(17u + i));
  }
}

TEST(SendTemplate, HalvesAreMarked) {
  const SendTemplate sends({.topic = "orders", .transactional = true});
  v2::SendMessageRequest request;
  ASSERT_TRUE(request.ParseFromString(sends.Make(0, [] { return std::string(34, 'A'); })));
  EXPECT_EQ(request.messages(0).system_properties().message_type(), v2::TRANSACTION);
}

TEST(ArrivalsTest, TellsEarlyAndRepeatedMessagesAndThoseOfOthers) {
  Arrivals arrivals(absl::ZeroDuration());
  const uint64_t first = arrivals.first_sequence();
  arrivals.Expect(first, 2, NowNanos());
  arrivals.Expect(first + 2, 1, NowNanos() + 3'600'000'000'000);
  for (const uint64_t sequence : {first, first + 2, first, first ^ (uint64_t{1} << 50)}) {
    arrivals.Arrived(sequence);
  }
  const ArrivalCounts counts = arrivals.counts();
  EXPECT_EQ(counts.received, 2);
  EXPECT_EQ(counts.duplicates, 1);
  EXPECT_EQ(counts.early, 1);
  EXPECT_EQ(counts.latency.count(), 2);
}

TEST(ProcessUsage, OfThisProcess) {
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_GT(before->rss_bytes, 1 << 20);
  EXPECT_GT(before->rss_anon_bytes, 0);
  volatile uint64_t work = 0;
  for (int i = 0; i < 50'000'000; ++i) work = work + 1;
  const auto after = ReadProcessUsage(getpid());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(after->run_nanos, before->run_nanos);
  EXPECT_TRUE(absl::IsNotFound(ReadProcessUsage(1 << 30).status()));
}

// A client's threads end while it measures; what they used must not be taken off again.
TEST(ProcessUsage, CountsThreadsThatHaveEnded) {
  absl::StatusOr<ProcessUsage> with_thread;
  std::thread worker([&with_thread] {
    volatile uint64_t work = 0;
    for (int i = 0; i < 50'000'000; ++i) work = work + 1;
    with_thread = ReadProcessUsage(getpid());
  });
  worker.join();
  ASSERT_TRUE(with_thread.ok()) << with_thread.status();
  const auto after = ReadProcessUsage(getpid());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->run_nanos, with_thread->run_nanos);
}

// Operations that end at once, on the thread that starts them.
absl::StatusOr<LoadResult> RunInstant(const LoadOptions& options,
                                      const std::function<Outcome(int64_t)>& outcome) {
  return RunLoad(options, [&outcome](int64_t number, int64_t /*intended*/, auto done) {
    done(outcome(number));
  });
}

TEST(Load, CountsOperationsMessagesAndErrors) {
  LoadOptions options;
  options.count = 100;
  options.in_flight = 3;
  const auto result = RunInstant(options, [](int64_t number) {
    return number % 10 == 0 ? Outcome{.messages = 1, .bytes = 10, .error = "TOO_MANY_REQUESTS"}
                            : Outcome{.messages = 2, .bytes = 20};
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->operations, 100);
  EXPECT_EQ(result->messages, 10 + 90 * 2);
  EXPECT_EQ(result->bytes, 100 + 1800);
  EXPECT_EQ(result->latency.count(), 90);
  EXPECT_THAT(result->errors, ElementsAre(Pair("TOO_MANY_REQUESTS", 10)));
}

TEST(Load, OpenLoopCountsFromTheIntendedTime) {
  LoadOptions options;
  options.rate = 1e6;
  options.count = 50;
  std::vector<int64_t> intended;
  const auto result = RunLoad(options, [&intended](int64_t, int64_t time, auto done) {
    intended.push_back(time);
    done({.messages = 1});
  });
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(intended, SizeIs(50));
  for (size_t i = 1; i < intended.size(); ++i) EXPECT_EQ(intended[i] - intended[i - 1], 1000);
  EXPECT_GE(result->latency.max(), result->service_time.max());
}

TEST(Load, AnOpenLoopThatNobodyAnswersFails) {
  LoadOptions options;
  options.rate = 1e9;
  options.count = 1 << 30;
  std::vector<absl::AnyInvocable<void(Outcome)>> unanswered;
  client::Result<bool> too_many;
  std::thread answers;
  const auto result = RunLoad(options, [&](int64_t number, int64_t, auto done) {
    if (number >= 65'536) too_many.Set(true);
    unanswered.push_back(std::move(done));
    if (number != 65'535) return;
    // The load stops here, and waits for all before it returns.
    answers = std::thread([&] {
      EXPECT_FALSE(too_many.TakeBefore(absl::Now() + absl::Milliseconds(200)).has_value());
      for (auto& late : unanswered) late({.messages = 1});
    });
  });
  answers.join();
  EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
}

TEST(Load, StopsAfterThatManyMessages) {
  LoadOptions options;
  options.messages = 95;
  options.in_flight = 1;
  const auto result = RunInstant(options, [](int64_t) { return Outcome{.messages = 10}; });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->messages, 100);
}

TEST(Load, ServerPidThatIsNotThere) {
  LoadOptions options;
  options.count = 1;
  options.server_pid = 1 << 30;
  EXPECT_TRUE(absl::IsNotFound(RunInstant(options, [](int64_t) { return Outcome(); }).status()));
}

class BenchTest : public ::testing::Test {
 protected:
  TargetOptions Options() const {
    TargetOptions options;
    options.client.endpoint = node_.endpoint();
    options.client.request_timeout = absl::Seconds(30);
    return options;
  }

  static std::string TempFile(const std::string& name) {
    return ::testing::TempDir() + "/mansio_bench_" + std::to_string(getpid()) + "_" + name;
  }

  static std::vector<std::string> Lines(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  client::FakeNode node_;
  client::KeepingNode kept_{&node_};
};

TEST_F(BenchTest, ProduceMakesTheTopicAndRecordsWhatWasAcknowledged) {
  ProduceOptions options;
  options.target = Options();
  options.load.count = 25;
  options.load.in_flight = 4;
  options.batch = 4;
  options.first_sequence = 1000;
  options.acked_file = TempFile("acked");
  const auto result = Produce(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->messages, 100);
  EXPECT_EQ(result->bytes, 100 * 128);
  EXPECT_TRUE(result->errors.empty());
  EXPECT_TRUE(kept_.exists);
  std::set<std::string> ids;
  std::set<uint64_t> sequences;
  for (const v2::Message& message : kept_.stored) {
    ids.insert(message.system_properties().message_id());
    uint64_t sequence = 0;
    EXPECT_TRUE(ParseSequence(message.body(), &sequence));
    sequences.insert(sequence);
  }
  EXPECT_THAT(ids, SizeIs(100));
  EXPECT_EQ(*sequences.begin(), 1000u);
  EXPECT_EQ(*sequences.rbegin(), 1099u);
  const auto lines = Lines(options.acked_file);
  ASSERT_THAT(lines, SizeIs(100));
  for (const std::string& line : lines) {
    std::istringstream fields(line);
    uint64_t sequence = 0;
    std::string id;
    size_t offset = 0;
    ASSERT_TRUE(fields >> sequence >> id >> offset) << line;
    EXPECT_THAT(sequences, Contains(sequence));
    ASSERT_LT(offset, kept_.stored.size());
    EXPECT_EQ(kept_.stored[offset].system_properties().message_id(), id);
  }
}

TEST_F(BenchTest, RefusalsAreCountedByCode) {
  kept_.exists = true;
  node_.hooks.send = [](const v2::SendMessageRequest&) {
    v2::SendMessageResponse response;
    *response.mutable_status() = client::MakeStatus(v2::TOO_MANY_REQUESTS, "slow down");
    return response;
  };
  ProduceOptions options;
  options.target = Options();
  options.load.count = 5;
  options.load.in_flight = 5;
  const auto result = Produce(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->messages, 0);
  EXPECT_THAT(result->errors, ElementsAre(Pair("TOO_MANY_REQUESTS", 5)));
}

TEST_F(BenchTest, QueriesThatFindNothingAreErrors) {
  node_.hooks.query_messages = [](const v1::QueryMessagesRequest& request) {
    v1::QueryMessagesResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    if (request.key() != SequenceText(0)) response.add_messages()->set_body_bytes(7);
    return response;
  };
  QueryOptions options;
  options.target = Options();
  options.keys = 5;
  options.load.in_flight = 1;
  options.load.count = 10;
  const auto result = Query(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->messages, 8);
  EXPECT_EQ(result->errors.at("NOT_FOUND"), 2);
}

TEST_F(BenchTest, ConsumeAcknowledgesAllThatItHasPrefilled) {
  ConsumeOptions options;
  options.target = Options();
  options.target.group = "g";
  options.prefill = 100;
  options.load.messages = 100;
  options.load.in_flight = 2;
  options.receiver.batch = 16;
  options.receiver.ack_batch = 5;
  options.seen_file = TempFile("seen");
  node_.hooks.describe_group = [](const v1::DescribeGroupRequest&) {
    v1::DescribeGroupResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    return response;
  };
  const auto result = Consume(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->load.messages, 100);
  EXPECT_EQ(kept_.acked.size(), kept_.stored.size());
  EXPECT_EQ(result->ack_latency.count(), kept_.ack_requests);
  EXPECT_LT(kept_.ack_requests, 40);
  EXPECT_THAT(Lines(options.seen_file), SizeIs(kept_.stored.size()));
}

TEST_F(BenchTest, EndToEndFindsEveryMessage) {
  EndToEndOptions options;
  options.produce.target = Options();
  options.produce.load.rate = 2000;
  options.produce.load.count = 100;
  options.receivers = 2;
  const auto result = EndToEnd(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->arrivals.received, 100);
  EXPECT_EQ(result->missing, 0);
  EXPECT_EQ(result->arrivals.duplicates, 0);
  EXPECT_EQ(result->arrivals.latency.count(), 100);
}

TEST_F(BenchTest, DelayTellsWhatCameEarly) {
  DelayOptions options;
  options.produce.target = Options();
  options.produce.load.count = 3;  // a phase
  options.produce.load.duration = absl::Milliseconds(50);
  options.due_rate = 200;
  options.due_after = absl::Seconds(5);
  options.schedule_batch = 5;
  options.pending = 7;
  options.rounds = 1;
  const auto result = Delay(options);  // from a node that delivers at once
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->arrivals.received, 10);
  EXPECT_EQ(result->arrivals.early, 10);
  EXPECT_EQ(result->missing, 0);
  EXPECT_EQ(result->scheduling.messages, 20);  // whole batches
  ASSERT_THAT(result->rounds, SizeIs(1));
  EXPECT_EQ(result->before.messages, 3);
  EXPECT_EQ(result->rounds[0].due.messages, 3);
  EXPECT_EQ(result->rounds[0].pending.messages, 3);
}

TEST_F(BenchTest, DelayRefusesToMeasureWhatWasSentTooLate) {
  DelayOptions options;
  options.produce.target = Options();
  options.produce.load.count = 1;
  options.due_after = absl::ZeroDuration();
  options.due_rate = 10;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Delay(options).status()));
}

TEST_F(BenchTest, TransactionsAndSendsTakeTurns) {
  kept_.UseTransactions();
  TransactionOptions options;
  options.produce.target = Options();
  options.produce.load.count = 20;
  options.produce.load.in_flight = 4;
  options.rounds = 2;
  const auto result = Transact(options);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(result->rounds, SizeIs(2));
  for (const TransactionRound& round : result->rounds) {
    EXPECT_EQ(round.sends.messages, 20);
    EXPECT_EQ(round.transactions.messages, 20);
    EXPECT_TRUE(round.transactions.errors.empty());
  }
  EXPECT_EQ(result->end_latency.count(), 40);
  EXPECT_THAT(kept_.committed, SizeIs(40));
  EXPECT_THAT(kept_.rolled_back, IsEmpty());
}

TEST_F(BenchTest, ChecksAreCountedInRounds) {
  kept_.UseTransactions();
  node_.hooks.commands = [] {
    std::vector<v2::TelemetryCommand> checks(10);
    for (auto& check : checks) {
      check.mutable_recover_orphaned_transaction_command()->set_transaction_id("t");
    }
    return checks;
  };
  CheckOptions options;
  options.target = Options();
  options.pending = 5;
  options.rounds = 2;
  const auto result = Check(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->halves.messages, 5);
  EXPECT_THAT(result->rounds, SizeIs(2));
  EXPECT_EQ(result->rollbacks.messages, 5);
  EXPECT_THAT(kept_.rolled_back, SizeIs(5));
}

TEST(Report, HasStableFields) {
  LoadOptions options;
  options.rate = 5;
  LoadResult result;
  result.seconds = 2;
  result.messages = 10;
  result.messages_for_cpu = 10;
  result.latency.Record(1'500'000);
  result.server_used = ProcessUsage{.run_nanos = 100'000, .rss_bytes = 3 << 20};
  const auto report = LoadReport(options, result);
  EXPECT_EQ(report["messages_per_second"], 5);
  EXPECT_EQ(report["latency_us"]["max"], 1500.0);
  EXPECT_EQ(report["latency_us"]["samples"], 1);
  EXPECT_EQ(report["server"]["cpu_us_per_message"], 10.0);
  EXPECT_EQ(report["server"]["rss_mib"], 3.0);
  EXPECT_TRUE(report.contains("service_time_us"));
}

}  // namespace
}  // namespace mansio::bench
