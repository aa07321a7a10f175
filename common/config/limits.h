#ifndef MANSIO_COMMON_CONFIG_LIMITS_H_
#define MANSIO_COMMON_CONFIG_LIMITS_H_

// Keys that brokers and nameservers share. Each is bounded by configuration, with a clear refusal
// beyond it.

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/config/host_port.h"
#include "common/config/schema.h"
#include "common/logging/logging.h"

namespace mansio::config {

// What one process lets the network use.
struct NetworkLimits {
  int32_t connections = 0;
  int32_t streams_per_connection = 0;
  int32_t clients = 0;
  int64_t request_header_bytes = 0;
  int64_t request_bytes = 0;
  int64_t unsent_bytes_per_stream = 0;
  absl::Duration silent_connection;
  uint64_t forwarded_calls = 0;
  uint64_t forwarded_bytes = 0;
};

// Adds the keys of NetworkLimits, bound to the member `limits` of the struct.
template <typename Config>
void AddNetworkLimits(Schema<Config>& schema, NetworkLimits Config::*limits) {
  const auto of = [limits](auto member) {
    return [limits, member](Config& config) -> decltype(auto) { return (config.*limits.*member); };
  };
  schema
      .Int("limits.connections", of(&NetworkLimits::connections), 10'000, {1, 1'000'000},
           "connections",
           "The most connections at a time. A further one is closed at once, and the log says so.")
      .Int("limits.streams-per-connection", of(&NetworkLimits::streams_per_connection), 1'024,
           {1, 1'000'000}, "calls",
           "The most calls in progress on one connection; the client holds further ones back. Not "
           "below 1024 where nodes forward calls to each other: they put 1000 on a connection, and "
           "a call that is held back there runs into its deadline.")
      .Size("limits.request-headers", of(&NetworkLimits::request_header_bytes), 16 * kKiB,
            {1 * kKiB, 1 * kMiB},
            "The most header bytes of a request; a larger one is refused by the transport.")
      .Size("limits.request-bytes", of(&NetworkLimits::request_bytes), 32 * kMiB,
            {64 * kKiB, 1 * kGiB},
            "The most bytes of one request, all its messages together. A larger one is refused.")
      .Size("limits.unsent-bytes-per-stream", of(&NetworkLimits::unsent_bytes_per_stream), 8 * kMiB,
            {64 * kKiB, 1 * kGiB},
            "The most bytes that wait for the reader of one stream. Beyond it further answers of a "
            "telemetry stream are dropped until it has read some, and a receive hands out no "
            "further message (its first one always).")
      .Duration("limits.silent-connection", of(&NetworkLimits::silent_connection),
                absl::Seconds(10), {absl::Milliseconds(100), absl::Hours(1)},
                "A new connection that has said nothing for this long is closed.")
      .Int("limits.clients", of(&NetworkLimits::clients), 50'000, {1, 10'000'000}, "clients",
           "The most client ids that are alive at a time. Requests of a further one are refused "
           "with TOO_MANY_REQUESTS.")
      .Int("limits.forwarded-calls", of(&NetworkLimits::forwarded_calls), 10'000, {0, 1'000'000},
           "calls",
           "The most calls that are being passed on to the broker that they are for, receives that "
           "wait for messages among them. Further ones are refused with TOO_MANY_REQUESTS. Clients "
           "send most calls to that broker themselves.")
      .Size("limits.forwarded-bytes", of(&NetworkLimits::forwarded_bytes), 64 * kMiB,
            {64 * kKiB, 1 * kTiB},
            "The most bytes of such calls: of the requests, and of answers that their client has "
            "not taken. Beyond it further calls are refused with TOO_MANY_REQUESTS.");
}

// The listener of metrics and health.
struct MonitorOptions {
  HostPort listen;  // empty: none
  size_t max_series = 0;
};

// Adds metrics.listen and metrics.max-series, bound to the member `options` of the struct.
template <typename Config>
void AddMonitor(Schema<Config>& schema, MonitorOptions Config::*options) {
  const auto of = [options](auto member) {
    return
        [options, member](Config& config) -> decltype(auto) { return (config.*options.*member); };
  };
  schema
      .Address("metrics.listen", of(&MonitorOptions::listen), "",
               "Where Prometheus finds the metrics (/metrics) and others ask for the health "
               "(/healthz, /readyz), in plain HTTP and without a password: an address that only "
               "they can reach. Empty: nowhere, and calls are not counted.")
      .Int("metrics.max-series", of(&MonitorOptions::max_series), 10'000, {1, 1'000'000}, "series",
           "The most series of one metric. The topics and groups beyond it share one, with the "
           "name 'other'.");
}

// Adds log.dir, log.level and log.keep-days, bound to the member `options` of the struct.
template <typename Config>
void AddLogging(Schema<Config>& schema, logging::LoggingOptions Config::*options) {
  using logging::Level;
  using logging::LoggingOptions;
  const auto of = [options](auto member) {
    return
        [options, member](Config& config) -> decltype(auto) { return (config.*options.*member); };
  };
  schema
      .Path("log.dir", of(&LoggingOptions::directory), "",
            "Where log files are written; empty means standard error.")
      .template Enum<Level>(
          "log.level", of(&LoggingOptions::level), "info",
          {{"info", Level::kInfo}, {"warning", Level::kWarning}, {"error", Level::kError}},
          "Less important lines than this are not logged.")
      .Int("log.keep-days", of(&LoggingOptions::keep_days), 14, {1, 3'650}, "days",
           "Log files older than this are removed.");
}

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_LIMITS_H_
