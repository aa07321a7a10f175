#ifndef MANSIO_COMMON_METRICS_MONITOR_H_
#define MANSIO_COMMON_METRICS_MONITOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/limits.h"
#include "common/metrics/exposition.h"
#include "common/net/http_server.h"
#include "common/sync/sync.h"

namespace mansio::metrics {

// One thing that a process needs to be of use.
struct Check {
  std::string name;
  absl::Status status;  // OK, or why it is not fulfilled
};

// The HTTP listener of a process:
//   /metrics  the page of `collect`, in the Prometheus text format
//   /readyz   200 when all checks are OK, else 503; one line for each
//   /healthz  200 as long as the process answers
// It runs from the start of the process, so that a long recovery does not look like a dead process;
// until SetReady the first two are answered with 503. Thread-safe.
class Monitor {
 public:
  // Adds everything that is to be seen. On the monitor's thread, once per scrape.
  using Collect = std::function<void(Exposition& page)>;
  using Checks = std::function<std::vector<Check>()>;

  // `common`: labels of every series. nullptr when no address is configured; the error names it.
  static absl::StatusOr<std::unique_ptr<Monitor>> Start(const config::MonitorOptions& options,
                                                        Labels common);
  ~Monitor();

  // Both are called from now on until Stop, one at a time; those of before are not called any more
  // once it has returned.
  void SetReady(Collect collect, Checks checks);
  // HOST:PORT with the real port.
  std::string Address() const { return server_->Address(); }
  // Nothing is called any more once it has returned. Idempotent.
  void Stop();

 private:
  struct Sources {
    Collect collect;
    Checks checks;
  };

  Monitor(size_t max_series, Labels common);
  net::HttpResponse Answer(std::string_view path) const;
  net::HttpResponse MetricsPage(const Sources& sources) const;
  static net::HttpResponse Readiness(const Sources& sources);

  const size_t max_series_;
  const Labels common_;
  mutable Mutex mutex_;                                     // held while they are called
  std::optional<Sources> sources_ ABSL_GUARDED_BY(mutex_);  // nullopt: not ready yet
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace mansio::metrics

#endif  // MANSIO_COMMON_METRICS_MONITOR_H_
