// mansio bench delay

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/bench/delay.h"
#include "client/bench/report.h"
#include "client/command/bench_options.h"

namespace mansio::command {
namespace {

struct DelayArguments {
  bench::DelayOptions options;
  double rate = 0;  // plain messages a second
};

Json RoundsOf(const bench::DelayResult& result) {
  Json rows = Json::array();
  rows.push_back(bench::PhaseReport("before", result.before));
  rows.push_back(bench::PhaseReport("scheduling", result.scheduling));
  int number = 0;
  for (const bench::DelayRound& round : result.rounds) {
    ++number;
    rows.push_back(bench::PhaseReport(fmt::format("due {}", number), round.due));
    rows.push_back(bench::PhaseReport(fmt::format("pending {}", number), round.pending));
  }
  return rows;
}

// Of the plain load: with messages that come due against with messages that only wait.
double ThroughputRatio(const bench::DelayResult& result) {
  double due = 0;
  double pending = 0;
  for (const bench::DelayRound& round : result.rounds) {
    due += static_cast<double>(round.due.messages) / round.due.seconds;
    pending += static_cast<double>(round.pending.messages) / round.pending.seconds;
  }
  return pending > 0 ? std::round(due / pending * 1000) / 1000 : 0;
}

int RunBenchDelay(const Context& context, DelayArguments& arguments) {
  bench::DelayOptions& options = arguments.options;
  options.produce.target.client = context.client;
  options.produce.load.rate = arguments.rate / options.produce.batch;
  auto result = bench::Delay(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "delay", options.produce.target);
  report["delay_topic"] = options.delay_topic;
  report["size"] = options.produce.size;
  report["pending"] = options.pending;
  report["due_per_second"] = options.due_rate;
  report["lateness_us"] = bench::LatencyReport(result->arrivals.latency);
  report["received"] = result->arrivals.received;
  report["early"] = result->arrivals.early;
  report["duplicates"] = result->arrivals.duplicates;
  report["missing"] = result->missing;
  report["throughput_ratio"] = ThroughputRatio(*result);
  report["phases"] = RoundsOf(*result);
  context.Print(report);
  return result->missing > 0 || result->arrivals.early > 0 ? kPartial : kOk;
}

void AddDelayed(CLI::App& verb, bench::DelayOptions& options) {
  verb.add_option("--delay-topic", options.delay_topic,
                  "The topic of the delayed messages; made when it is missing")
      ->type_name("NAME")
      ->capture_default_str();
  verb.add_option("--due", options.due_rate, "Delayed messages that come due in a second")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("R")
      ->capture_default_str();
  AddDuration(verb, "--due-after", &options.due_after,
              "From the first send to the first delivery; all delayed messages are sent meanwhile");
  verb.add_option("--pending", options.pending,
                  "Delayed messages besides, which do not come due during the run; they stay")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N")
      ->capture_default_str();
  AddDuration(verb, "--ahead", &options.ahead,
              "How far ahead these are, scattered between this and twice this");
  verb.add_option("--schedule-batch", options.schedule_batch, "Delayed messages in a request")
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--rounds", options.rounds, "How often phases with and without deliveries follow")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void AddBenchDelay(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand(
      "delay", "Measure how late delayed messages come, and what they cost a plain load");
  auto arguments = std::make_shared<DelayArguments>();
  bench::DelayOptions& options = arguments->options;
  options.produce.load.in_flight = 16;
  options.produce.load.duration = absl::Seconds(5);
  AddTarget(*verb, options.produce.target);
  AddMessages(*verb, options.produce);
  verb->add_option("--in-flight", options.produce.load.in_flight,
                   "The plain load is a closed loop: so many requests at any time")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--rate", arguments->rate, "Or an open loop: so many plain messages a second")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("R");
  AddLoad(*verb, options.produce.load);
  AddDelayed(*verb, options);
  verb->add_option("--receivers", options.receivers, "Receives that wait at any time")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddReceiver(*verb, options.receiver);
  verb->footer(
      "The plain load runs alone; then all delayed messages are sent; then it runs in turn while\n"
      "they come due and while they only wait. --duration is the length of each of these phases.\n"
      "Lateness counts from the delivery time to the receive, by the clock of this machine: run\n"
      "it where the broker runs.\n"
      "Example:\n"
      "  mansio bench delay --pending 1000000 --due 10000 --due-after 60s --rate 10000");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return RunBenchDelay(context, *arguments); };
  });
}

}  // namespace mansio::command
