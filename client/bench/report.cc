#include "client/bench/report.h"

#include <cmath>

namespace mansio::bench {
namespace {

using Json = nlohmann::ordered_json;

double Rounded(double value, double steps) { return std::round(value * steps) / steps; }

Json Microseconds(int64_t nanos) { return Rounded(static_cast<double>(nanos) / 1e3, 10); }

Json MicrosecondsPerMessage(int64_t nanos, int64_t messages) {
  if (messages <= 0) return nullptr;
  return Rounded(static_cast<double>(nanos) / 1e3 / static_cast<double>(messages), 100);
}

Json Mebibytes(int64_t bytes) { return Rounded(static_cast<double>(bytes) / (1 << 20), 10); }

Json ServerReport(const LoadResult& result) {
  const ProcessUsage& used = *result.server_used;
  const int64_t messages = result.messages_for_cpu;
  Json report = {{"cpu_us_per_message", MicrosecondsPerMessage(used.run_nanos, messages)},
                 {"user_us_per_message", MicrosecondsPerMessage(used.user_nanos, messages)},
                 {"system_us_per_message", MicrosecondsPerMessage(used.system_nanos, messages)}};
  report.update(UsageReport(used));
  return report;
}

int64_t PerSecond(const LoadResult& result) {
  return std::llround(static_cast<double>(result.messages) / result.seconds);
}

}  // namespace

Json LatencyReport(const Histogram& histogram) {
  return {{"p50", Microseconds(histogram.Quantile(0.5))},
          {"p99", Microseconds(histogram.Quantile(0.99))},
          {"p99.9", Microseconds(histogram.Quantile(0.999))},
          {"max", Microseconds(histogram.max())},
          {"mean", Rounded(histogram.mean() / 1e3, 10)},
          {"samples", histogram.count()}};
}

Json LoadReport(const LoadOptions& options, const LoadResult& result) {
  Json report = {{"seconds", Rounded(result.seconds, 1000)},
                 {"messages", result.messages},
                 {"messages_per_second", PerSecond(result)},
                 {"mib_per_second",
                  Rounded(static_cast<double>(result.bytes) / (1 << 20) / result.seconds, 10)},
                 {"operations", result.operations},
                 {"latency_us", LatencyReport(result.latency)}};
  if (options.rate > 0) report["service_time_us"] = LatencyReport(result.service_time);
  report["errors"] = Json(result.errors);
  report["client_cpu_us_per_message"] =
      MicrosecondsPerMessage(result.client_used.run_nanos, result.messages_for_cpu);
  if (result.server_used.has_value()) report["server"] = ServerReport(result);
  return report;
}

Json PhaseReport(const std::string& phase, const LoadResult& result) {
  int64_t errors = 0;
  for (const auto& [name, count] : result.errors) errors += count;
  Json report = {{"phase", phase},
                 {"messages", result.messages},
                 {"messages_per_second", PerSecond(result)},
                 {"p50_us", Microseconds(result.latency.Quantile(0.5))},
                 {"p99_us", Microseconds(result.latency.Quantile(0.99))},
                 {"max_us", Microseconds(result.latency.max())},
                 {"errors", errors}};
  if (result.server_used.has_value()) {
    report["server_cpu_us_per_message"] =
        MicrosecondsPerMessage(result.server_used->run_nanos, result.messages_for_cpu);
    report.update(UsageReport(*result.server_used));
  }
  return report;
}

Json UsageReport(const ProcessUsage& used) {
  return {{"cpu_seconds", Rounded(static_cast<double>(used.run_nanos) / 1e9, 1000)},
          {"rss_mib", Mebibytes(used.rss_bytes)},
          {"rss_anon_mib", Mebibytes(used.rss_anon_bytes)},
          {"rss_file_mib", Mebibytes(used.rss_file_bytes)}};
}

}  // namespace mansio::bench
