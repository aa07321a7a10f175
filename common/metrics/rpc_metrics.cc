#include "common/metrics/rpc_metrics.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/rpc/service_names.h"
#include "common/status/wire_status.h"

namespace mansio::metrics {
namespace {

constexpr Metric kRpcLatency{"rocketmq_rpc_latency",
                             "Calls by the milliseconds until they were answered, by method and "
                             "public code. Calls that may wait for a message are long polling.",
                             Type::kHistogram, kMilli};
constexpr Metric kRpcDuration{"mansio_rpc_duration_seconds",
                              "Calls by the seconds until they were answered, by service, method "
                              "and public code (or gRPC code, where they ended with one).",
                              Type::kHistogram, kSecond};
constexpr Metric kConnections{"mansio_connections", "Open connections of the public port."};

// RocketMQ's bounds, as nanoseconds.
const std::vector<int64_t>& RocketmqBounds() {
  static const auto* const bounds =
      new std::vector<int64_t>{1 * kMilli,   3 * kMilli,  5 * kMilli,  7 * kMilli, 10 * kMilli,
                               100 * kMilli, 1 * kSecond, 2 * kSecond, 3 * kSecond};
  return *bounds;
}

std::string OutcomeName(int outcome) {
  if (outcome == rpc::kNoCode) return "none";
  if (outcome == rpc::kOtherCodes) return "other";
  if (outcome <= rpc::kAborted) {
    const auto code = static_cast<absl::StatusCode>(rpc::kAborted - outcome);
    return "GRPC_" + absl::StatusCodeToString(code);
  }
  return CodeName(static_cast<apache::rocketmq::v2::Code>(outcome));
}

}  // namespace

void AddRpc(Exposition& page, const rpc::Server& server) {
  for (const rpc::MethodStats* method : server.Stats()) {
    const std::string name(rpc::MethodOf(method->path()));
    for (const rpc::MethodStats::Outcome& outcome : method->Outcomes()) {
      const std::string code = OutcomeName(outcome.outcome);
      page.Add(kRpcDuration,
               {{"service", std::string(rpc::ServiceOf(method->path()))},
                {"method", name},
                {"code", code}},
               outcome.nanos);
      page.Add(
          kRpcLatency,
          {{"protocol_type", "grpc"},
           {"request_code", name},
           {"response_code", code},
           {"is_long_polling", Flag(method->streaming())},
           {"result", outcome.outcome <= rpc::kAborted ? "process_request_failed" : "success"}},
          outcome.nanos.Coarser(RocketmqBounds()));
    }
  }
  page.Add(kConnections, static_cast<double>(server.OpenConnections()));
}

}  // namespace mansio::metrics
