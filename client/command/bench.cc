#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/bench/consume.h"
#include "client/bench/end_to_end.h"
#include "client/bench/produce.h"
#include "client/bench/report.h"
#include "client/bench/send_template.h"
#include "client/command/bench_options.h"
#include "client/command/context.h"

namespace mansio::command {
namespace {

// ---- produce ----

struct ProduceArguments {
  bench::ProduceOptions options;
  double rate = 0;  // messages a second
};

int RunProduce(const Context& context, ProduceArguments& arguments) {
  bench::ProduceOptions& options = arguments.options;
  options.target.client = context.client;
  options.load.rate = arguments.rate / options.batch;
  auto result = bench::Produce(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "produce", options.target);
  report["size"] = options.size;
  report["batch"] = options.batch;
  report["in_flight"] = arguments.rate > 0 ? Json() : Json(options.load.in_flight);
  report["rate"] = arguments.rate > 0 ? Json(arguments.rate) : Json();
  report.update(bench::LoadReport(options.load, *result));
  return Finish(context, report, *result);
}

void AddProduce(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand("produce", "Send messages as fast as asked");
  auto arguments = std::make_shared<ProduceArguments>();
  bench::ProduceOptions& options = arguments->options;
  AddTarget(*verb, options.target);
  AddMessages(*verb, options);
  verb->add_option("--in-flight", options.load.in_flight,
                   "Closed loop: requests at any time, each answer starts the next")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option(
          "--rate", arguments->rate,
          "Open loop instead: messages a second, whatever the answers; latency counts from "
          "the intended send time")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("R");
  AddSchedule(*verb, options.load);
  AddLoad(*verb, options.load);
  verb->add_option("--count", options.load.count, "Stop after that many requests instead")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  AddDuration(*verb, "--quiet-gap", &options.load.quiet_gap,
              "Instead: one request at a time, each after a pause of this length");
  verb->add_flag("--keyed", options.keyed, "Each message has its number, 16 hex digits, as a key");
  verb->add_option("--message-group", options.message_group, "Message group, for a fifo topic")
      ->type_name("GROUP");
  verb->add_option("--first-sequence", options.first_sequence,
                   "Number in the first body; every body begins with its number")
      ->type_name("N");
  verb->add_option("--acked-file", options.acked_file,
                   "Write a line SEQUENCE MESSAGE_ID QUEUE_OFFSET for each acknowledged message")
      ->type_name("FILE");
  verb->footer(
      "Examples:\n"
      "  mansio bench produce --duration 30s --warmup 5s --server-pid $(pgrep mansio-broker)\n"
      "  mansio bench produce --rate 10000 --schedule poisson -o json\n"
      "  mansio bench produce --batch 32 --in-flight 16\n"
      "  mansio bench produce --quiet-gap 1s --count 60");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return RunProduce(context, *arguments); };
  });
}

// ---- consume ----

int RunConsume(const Context& context, bench::ConsumeOptions& options) {
  options.target.client = context.client;
  if (options.load.messages == 0) options.load.messages = options.prefill;
  auto result = bench::Consume(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "consume", options.target);
  report["group"] = options.target.group;
  report["receive_batch"] = options.receiver.batch;
  report["ack_batch"] = options.receiver.ack_batch;
  report["in_flight"] = options.load.rate > 0 ? Json() : Json(options.load.in_flight);
  report.update(bench::LoadReport(options.load, result->load));
  report["ack_latency_us"] = bench::LatencyReport(result->ack_latency);
  if (result->log_bytes.has_value() && result->load.messages_in_all > 0) {
    report["log_bytes_per_message"] =
        std::round(10.0 * static_cast<double>(*result->log_bytes) /
                   static_cast<double>(result->load.messages_in_all)) /
        10;
  }
  return Finish(context, report, result->load);
}

void AddConsume(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand("consume", "Receive and acknowledge messages");
  auto options = std::make_shared<bench::ConsumeOptions>();
  options->target.group = "bench";
  options->load.in_flight = 4;
  AddTarget(*verb, options->target);
  verb->add_option("--group", options->target.group,
                   "The consumer group; a new one starts at the oldest message")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("--in-flight", options->load.in_flight,
                   "Receives at any time; each is followed by its acks and the next receive")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--rate", options->load.rate,
                   "Open loop instead: receives a second, whatever the answers")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("R");
  AddReceiver(*verb, options->receiver);
  AddLoad(*verb, options->load);
  verb->add_option("--prefill", options->prefill,
                   "Messages to send before; the measurement ends when that many have come")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  verb->add_option("--size", options->prefill_size, "Bytes of a body of these")
      ->check(CLI::Range(static_cast<int>(bench::kSequenceBytes), 4 << 20).description(""))
      ->type_name("BYTES")
      ->capture_default_str();
  verb->add_option("--count", options->load.messages, "Stop after that many messages instead")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  verb->add_option("--seen-file", options->seen_file,
                   "Write a line SEQUENCE MESSAGE_ID QUEUE QUEUE_OFFSET ATTEMPT for each message")
      ->type_name("FILE");
  verb->footer(
      "Examples:\n"
      "  mansio bench consume --prefill 200000\n"
      "  mansio bench consume --prefill 200000 --ack-batch 32\n"
      "  mansio bench consume --group replay --duration 30s --seen-file seen.txt");
  verb->fallthrough();
  verb->callback([&context, options] {
    context.action = [&context, options] { return RunConsume(context, *options); };
  });
}

// ---- e2e ----

struct EndToEndArguments {
  bench::EndToEndOptions options;
  double rate = 1000;  // messages a second
};

int RunEndToEnd(const Context& context, EndToEndArguments& arguments) {
  bench::EndToEndOptions& options = arguments.options;
  options.produce.target.client = context.client;
  options.produce.load.rate = arguments.rate / options.produce.batch;
  auto result = bench::EndToEnd(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "e2e", options.produce.target);
  report["size"] = options.produce.size;
  report["rate"] = arguments.rate;
  report["end_to_end_latency_us"] = bench::LatencyReport(result->arrivals.latency);
  report["received"] = result->arrivals.received;
  report["duplicates"] = result->arrivals.duplicates;
  report["missing"] = result->missing;
  report["receivers"] = options.receivers;
  if (result->waiting_bytes.has_value()) {
    report["server_bytes_per_receiver"] = *result->waiting_bytes / options.receivers;
  }
  report["sends"] = bench::LoadReport(options.produce.load, result->sends);
  const int exit = Finish(context, report, result->sends);
  return result->missing > 0 ? static_cast<int>(kPartial) : exit;
}

void AddEndToEnd(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand(
      "e2e", "Measure the time from the intended send of a message to its receipt");
  auto arguments = std::make_shared<EndToEndArguments>();
  bench::EndToEndOptions& options = arguments->options;
  AddTarget(*verb, options.produce.target);
  AddMessages(*verb, options.produce);
  verb->add_option("--rate", arguments->rate, "Messages a second, whatever the answers")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("R")
      ->capture_default_str();
  AddSchedule(*verb, options.produce.load);
  AddLoad(*verb, options.produce.load);
  verb->add_option("--receivers", options.receivers, "Receives that wait at any time")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddReceiver(*verb, options.receiver);
  verb->footer(
      "Examples:\n"
      "  mansio bench e2e --rate 5000 --duration 30s --warmup 2s\n"
      "  mansio bench e2e --receivers 100000 --connections 100 --wait 5m --rate 100");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return RunEndToEnd(context, *arguments); };
  });
}

}  // namespace

void AddBench(CLI::App& app, Context& context) {
  CLI::App* noun = app.add_subcommand(
      "bench", "Load a server and measure it; works against any RocketMQ 5 endpoint");
  noun->require_subcommand(1)->fallthrough();
  AddProduce(*noun, context);
  AddConsume(*noun, context);
  AddEndToEnd(*noun, context);
  AddBenchDelay(*noun, context);
  AddBenchTransaction(*noun, context);
  AddBenchCheck(*noun, context);
  AddBenchQuery(*noun, context);
}

}  // namespace mansio::command
