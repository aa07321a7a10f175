#ifndef MANSIO_CLIENT_COMMAND_BENCH_OPTIONS_H_
#define MANSIO_CLIENT_COMMAND_BENCH_OPTIONS_H_

#include "client/bench/load.h"
#include "client/bench/produce.h"
#include "client/bench/receiver.h"
#include "client/bench/target.h"
#include "client/command/context.h"

// What the verbs of `mansio bench` share. Used by one thread.
namespace mansio::command {

// Options that several verbs have; each writes to its last argument, which outlives the app.
void AddTarget(CLI::App& verb, bench::TargetOptions& target);
void AddLoad(CLI::App& verb, bench::LoadOptions& load);
void AddMessages(CLI::App& verb, bench::ProduceOptions& produce);
void AddSchedule(CLI::App& verb, bench::LoadOptions& load);
void AddReceiver(CLI::App& verb, bench::ReceiverOptions& receiver);

// The first fields of a report.
Json Header(const Context& context, const char* workload, const bench::TargetOptions& target);
// Prints a report; failed operations make the exit code.
int Finish(const Context& context, const Json& report, const bench::LoadResult& result);

// Verbs.
void AddBenchDelay(CLI::App& bench_noun, Context& context);
void AddBenchTransaction(CLI::App& bench_noun, Context& context);
void AddBenchCheck(CLI::App& bench_noun, Context& context);
void AddBenchQuery(CLI::App& bench_noun, Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_BENCH_OPTIONS_H_
