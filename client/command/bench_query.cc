#include <memory>

#include "CLI/CLI.hpp"
#include "client/bench/query.h"
#include "client/bench/report.h"
#include "client/command/bench_options.h"

namespace mansio::command {
namespace {

int RunQuery(const Context& context, bench::QueryOptions& options) {
  options.target.client = context.client;
  auto result = bench::Query(options);
  if (!result.ok()) return Fail(context, result.status());
  Json report = Header(context, "query", options.target);
  report["keys"] = options.keys;
  report["in_flight"] = options.load.in_flight;
  report.update(bench::LoadReport(options.load, *result));
  return Finish(context, report, *result);
}

}  // namespace

void AddBenchQuery(CLI::App& bench_noun, Context& context) {
  CLI::App* verb = bench_noun.add_subcommand("query", "Find messages by their keys");
  auto options = std::make_shared<bench::QueryOptions>();
  options->load.in_flight = 1;
  AddTarget(*verb, options->target);
  verb->add_option("--keys", options->keys,
                   "How many messages mansio bench produce --keyed has sent, from number 0 on")
      ->required()
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  verb->add_option("--in-flight", options->load.in_flight, "Queries at any time")
      ->check(CLI::Range(1, 65536).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddLoad(*verb, options->load);
  verb->add_option("--count", options->load.count, "Stop after that many queries instead")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  verb->footer(
      "Examples:\n"
      "  mansio bench produce --keyed --count 100000\n"
      "  mansio bench query --keys 100000");
  verb->fallthrough();
  verb->callback([&context, options] {
    context.action = [&context, options] { return RunQuery(context, *options); };
  });
}

}  // namespace mansio::command
