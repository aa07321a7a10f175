#ifndef MANSIO_COMMON_METRICS_EXPOSITION_H_
#define MANSIO_COMMON_METRICS_EXPOSITION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/metrics/histogram.h"

namespace mansio::metrics {

enum class Type { kCounter, kGauge, kHistogram };

// What becomes of the values that the limit of series puts into one.
enum class Merge { kSum, kMax };

// A metric as it is defined in the code, once.
struct Metric {
  std::string_view name;
  std::string_view help;
  Type type = Type::kGauge;
  // How many of a histogram's recorded units make one of those that are shown.
  double unit = 1;
  Merge merge = Merge::kSum;
};

// Label names and values, in the order in which they are shown.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

// Builds one page in the Prometheus text format. The series of one metric are bounded: from
// `max_series` on, those with labels in `kUnbounded` (names that users choose) become one whose
// values of these labels are "other". Add first what is to keep a series of its own. Not
// thread-safe.
class Exposition {
 public:
  // `common`: labels of every series. `max_series`: at least 1.
  Exposition(Labels common, size_t max_series);
  ~Exposition();

  // A counter's or a gauge's value. Each set of labels comes once.
  void Add(const Metric& metric, Labels labels, double value);
  void Add(const Metric& metric, double value) { Add(metric, {}, value); }
  void Add(const Metric& metric, Labels labels, const HistogramSnapshot& histogram);

  // How many series were merged into others.
  size_t merged() const { return merged_; }
  // Everything that was added, by metric in the order of the first value of each.
  std::string Text() const;

 private:
  struct Family;
  struct Series;
  Series& SeriesOf(const Metric& metric, Labels labels);

  const Labels common_;
  const size_t max_series_;
  size_t merged_ = 0;
  std::vector<std::unique_ptr<Family>> families_;
};

// A label's value for truth: "true" or "false", as RocketMQ has it.
inline std::string Flag(bool value) { return value ? "true" : "false"; }

// Text that a client chose, as a label's value: valid UTF-8, printable, at most 256 bytes.
std::string ClientText(std::string_view text);

}  // namespace mansio::metrics

#endif  // MANSIO_COMMON_METRICS_EXPOSITION_H_
