#ifndef MANSIO_COMMON_METRICS_PROCESS_METRICS_H_
#define MANSIO_COMMON_METRICS_PROCESS_METRICS_H_

#include <string_view>

#include "common/metrics/exposition.h"

namespace mansio::metrics {

// Adds what every process tells: its version, and CPU, memory and descriptors under the names that
// Prometheus's client libraries use. Reads /proc; what cannot be read is left out.
void AddProcess(Exposition& page, std::string_view version);

}  // namespace mansio::metrics

#endif  // MANSIO_COMMON_METRICS_PROCESS_METRICS_H_
