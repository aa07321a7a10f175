#ifndef MANSIO_CLIENT_BENCH_REPORT_H_
#define MANSIO_CLIENT_BENCH_REPORT_H_

#include <string>

#include "client/bench/histogram.h"
#include "client/bench/load.h"
#include "nlohmann/json.hpp"

// Results as JSON values with stable field names. Pure functions.
namespace mansio::bench {

// p50, p99, p99.9, max and mean in microseconds, and the number of samples.
nlohmann::ordered_json LatencyReport(const Histogram& histogram);

// Throughput, latency, errors by name, CPU per message of the client and, where measured, CPU per
// message and memory of the server.
nlohmann::ordered_json LoadReport(const LoadOptions& options, const LoadResult& result);

// One row for one of several loads that are compared.
nlohmann::ordered_json PhaseReport(const std::string& phase, const LoadResult& result);
// The same of what a server used beside the load.
nlohmann::ordered_json UsageReport(const ProcessUsage& used);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_REPORT_H_
