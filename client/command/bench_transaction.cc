// mansio bench transaction, mansio bench check

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/bench/check.h"
#include "client/bench/report.h"
#include "client/bench/send_template.h"
#include "client/bench/transaction.h"
#include "client/command/bench_options.h"

namespace mansio::command {
namespace {

// ---- transaction ----

// The server's CPU time of a transaction against that of a plain send; null when not measured.
Json CpuRatio(const bench::TransactionResult& result) {
  double sends = 0;
  double transactions = 0;
  for (const bench::TransactionRound& round : result.rounds) {
    for (const bench::LoadResult* load : {&round.sends, &round.transactions}) {
      if (!load->server_used.has_value() || load->messages_for_cpu <= 0) return nullptr;
      (load == &round.sends ? sends : transactions) +=
          static_cast<double>(load->server_used->run_nanos) /
          static_cast<double>(load->messages_for_cpu);
    }
  }
  return std::round(transactions / sends * 1000) / 1000;
}

int RunBenchTransaction(const Context& context, bench::TransactionOptions& options) {
  options.produce.target.client = context.client;
  auto result = bench::Transact(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "transaction", options.produce.target);
  report["transaction_topic"] = options.transaction_topic;
  report["size"] = options.produce.size;
  report["in_flight"] = options.produce.load.in_flight;
  report["ends_with"] = options.commit ? "commit" : "rollback";
  report["end_latency_us"] = bench::LatencyReport(result->end_latency);
  report["server_cpu_ratio"] = CpuRatio(*result);
  int number = 0;
  for (const bench::TransactionRound& round : result->rounds) {
    ++number;
    report["phases"].push_back(bench::PhaseReport(fmt::format("sends {}", number), round.sends));
    report["phases"].push_back(
        bench::PhaseReport(fmt::format("transactions {}", number), round.transactions));
  }
  return Finish(context, report, result->rounds.back().transactions);
}

// ---- check ----

int RunBenchCheck(const Context& context, bench::CheckOptions& options) {
  options.target.client = context.client;
  auto result = bench::Check(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "check", options.target);
  report["size"] = options.size;
  report["pending"] = options.pending;
  if (result->before.has_value()) report["before"] = bench::UsageReport(*result->before);
  report["phases"].push_back(bench::PhaseReport("halves", result->halves));
  report["phases"].push_back(bench::PhaseReport("rollbacks", result->rollbacks));
  for (const bench::CheckRound& round : result->rounds) {
    Json row = {{"seconds", std::round(round.seconds * 1000) / 1000}};
    if (round.used.has_value()) row.update(bench::UsageReport(*round.used));
    report["check_rounds"].push_back(row);
  }
  return Finish(context, report, result->rollbacks);
}

}  // namespace

void AddBenchTransaction(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand(
      "transaction", "Send halves and end them, in turn with plain sends under the same load");
  auto options = std::make_shared<bench::TransactionOptions>();
  options->produce.load.duration = absl::Seconds(5);
  AddTarget(*verb, options->produce.target);
  verb->add_option("--transaction-topic", options->transaction_topic,
                   "The topic of the transactions; made when it is missing")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("--size", options->produce.size, "Bytes of a body")
      ->check(CLI::Range(static_cast<int>(bench::kSequenceBytes), 4 << 20).description(""))
      ->type_name("BYTES")
      ->capture_default_str();
  verb->add_option("--in-flight", options->produce.load.in_flight,
                   "Sends, or transactions, at any time")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_flag("!--rollback", options->commit, "End them with a rollback instead of a commit");
  verb->add_option("--rounds", options->rounds, "How often sends and transactions take turns")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddLoad(*verb, options->produce.load);
  verb->footer(
      "--duration is the length of one phase.\n"
      "Example:\n"
      "  mansio bench transaction --server-pid $(pgrep mansio-broker)");
  verb->fallthrough();
  verb->callback([&context, options] {
    context.action = [&context, options] { return RunBenchTransaction(context, *options); };
  });
}

void AddBenchCheck(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand(
      "check", "Leave transactions open, measure the server's checks, and roll them back");
  auto options = std::make_shared<bench::CheckOptions>();
  options->target.topic = "bench-transaction";
  AddTarget(*verb, options->target);
  verb->add_option("--pending", options->pending, "Transactions that are left open")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--size", options->size, "Bytes of a body")
      ->check(CLI::Range(static_cast<int>(bench::kSequenceBytes), 4 << 20).description(""))
      ->type_name("BYTES")
      ->capture_default_str();
  verb->add_option("--in-flight", options->load.in_flight, "Requests at any time")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--rounds", options->rounds, "How often each transaction is to be checked")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddDuration(*verb, "--patience", &options->patience, "How long to wait for the next check");
  verb->add_option("--server-pid", options->load.server_pid,
                   "A server process on this machine whose CPU time and memory are measured")
      ->type_name("PID");
  verb->footer(
      "Start the broker with a transaction.first-check that is longer than the sends take.\n"
      "Example:\n"
      "  mansio bench check --pending 100000 --server-pid $(pgrep mansio-broker)");
  verb->fallthrough();
  verb->callback([&context, options] {
    context.action = [&context, options] { return RunBenchCheck(context, *options); };
  });
}

}  // namespace mansio::command
