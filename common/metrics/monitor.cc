#include "common/metrics/monitor.h"

#include <fmt/format.h>

#include <utility>

namespace mansio::metrics {
namespace {

constexpr Metric kScrapeSeconds{"mansio_scrape_duration_seconds",
                                "How long it took to collect this page."};
constexpr Metric kMergedSeries{
    "mansio_scrape_merged_series",
    "Series of this page that share one with the name 'other' (metrics.max-series)."};

net::HttpResponse Starting() {
  return {.status = 503, .body = "starting: the process reads what it has stored\n"};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Monitor>> Monitor::Start(const config::MonitorOptions& options,
                                                        Labels common) {
  if (options.listen.empty()) return nullptr;
  std::unique_ptr<Monitor> monitor(new Monitor(options.max_series, std::move(common)));
  auto server = net::HttpServer::Start(
      {.listen = options.listen.ToString(), .name = "monitor"},
      [monitor = monitor.get()](std::string_view path) { return monitor->Answer(path); });
  if (!server.ok()) {
    return absl::Status(server.status().code(),
                        fmt::format("metrics.listen: {}", std::string(server.status().message())));
  }
  monitor->server_ = *std::move(server);
  return monitor;
}

Monitor::Monitor(size_t max_series, Labels common)
    : max_series_(max_series), common_(std::move(common)) {}
Monitor::~Monitor() { Stop(); }

void Monitor::SetReady(Collect collect, Checks checks) {
  const MutexLock lock(&mutex_);
  sources_ = Sources{std::move(collect), std::move(checks)};
}

void Monitor::Stop() {
  if (server_ != nullptr) server_->Stop();
}

net::HttpResponse Monitor::Answer(std::string_view path) const {
  if (path == "/healthz") return {.body = "ok\n"};
  if (path != "/metrics" && path != "/readyz") {
    return {.status = 404, .body = "There are /metrics, /healthz and /readyz here.\n"};
  }
  const MutexLock lock(&mutex_);
  if (!sources_.has_value()) return Starting();
  return path == "/metrics" ? MetricsPage(*sources_) : Readiness(*sources_);
}

net::HttpResponse Monitor::MetricsPage(const Sources& sources) const {
  const int64_t began = NowNanos();
  Exposition page(common_, max_series_);
  sources.collect(page);
  page.Add(kMergedSeries, static_cast<double>(page.merged()));
  page.Add(kScrapeSeconds, static_cast<double>(NowNanos() - began) / kSecond);
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = page.Text()};
}

net::HttpResponse Monitor::Readiness(const Sources& sources) {
  net::HttpResponse response;
  for (const Check& check : sources.checks()) {
    if (check.status.ok()) {
      response.body += fmt::format("ok {}\n", check.name);
    } else {
      response.status = 503;
      response.body +=
          fmt::format("failed {}: {}\n", check.name, std::string(check.status.message()));
    }
  }
  return response;
}

}  // namespace mansio::metrics
