#include "common/metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <limits>
#include <sstream>

#include "absl/container/btree_map.h"
#include "common/names/utf8.h"

namespace mansio::metrics {
namespace {

// The labels whose values users and clients choose, as many as they like.
constexpr std::array<std::string_view, 4> kUnbounded = {"topic", "consumer_group", "language",
                                                        "version"};
constexpr size_t kMaxClientText = 256;

prometheus::MetricType TypeOf(Type type) {
  switch (type) {
    case Type::kCounter:
      return prometheus::MetricType::Counter;
    case Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

bool IsUnbounded(std::string_view label) {
  return std::find(kUnbounded.begin(), kUnbounded.end(), label) != kUnbounded.end();
}

}  // namespace

struct Exposition::Series {
  Labels labels;
  double value = 0;
  HistogramSnapshot histogram;
  bool fresh = true;  // nothing was added yet
};

struct Exposition::Family {
  const Metric* metric;
  std::vector<std::unique_ptr<Series>> series;
  // Those that stand for what is beyond the limit, by their labels.
  absl::btree_map<Labels, Series*> others;
};

Exposition::Exposition(Labels common, size_t max_series)
    : common_(std::move(common)), max_series_(std::max<size_t>(max_series, 1)) {}
Exposition::~Exposition() = default;

Exposition::Series& Exposition::SeriesOf(const Metric& metric, Labels labels) {
  auto found = std::find_if(families_.begin(), families_.end(), [&metric](const auto& family) {
    return family->metric->name == metric.name;
  });
  if (found == families_.end()) {
    families_.push_back(std::make_unique<Family>());
    families_.back()->metric = &metric;
    found = families_.end() - 1;
  }
  Family& family = **found;
  const bool unbounded = std::any_of(labels.begin(), labels.end(),
                                     [](const auto& label) { return IsUnbounded(label.first); });
  const bool merged = unbounded && family.series.size() >= max_series_;
  if (merged) {
    for (auto& [name, value] : labels) {
      if (IsUnbounded(name)) value = "other";
    }
    ++merged_;
    if (const auto other = family.others.find(labels); other != family.others.end()) {
      return *other->second;
    }
  }
  Series& series = *family.series.emplace_back(std::make_unique<Series>());
  series.labels = std::move(labels);
  if (merged) family.others[series.labels] = &series;
  return series;
}

void Exposition::Add(const Metric& metric, Labels labels, double value) {
  Series& series = SeriesOf(metric, std::move(labels));
  if (series.fresh) {
    series.value = value;
  } else if (metric.merge == Merge::kSum) {
    series.value += value;
  } else {
    series.value = std::max(series.value, value);
  }
  series.fresh = false;
}

void Exposition::Add(const Metric& metric, Labels labels, const HistogramSnapshot& histogram) {
  Series& series = SeriesOf(metric, std::move(labels));
  if (series.fresh) {
    series.histogram = histogram;
  } else {
    series.histogram.Merge(histogram);
  }
  series.fresh = false;
}

namespace {

prometheus::ClientMetric::Histogram ToPrometheus(const HistogramSnapshot& from, double unit) {
  prometheus::ClientMetric::Histogram to;
  uint64_t count = 0;
  for (size_t i = 0; i < from.buckets.size(); ++i) {
    count += from.buckets[i];
    const double bound = i < from.bounds.size() ? static_cast<double>(from.bounds[i]) / unit
                                                : std::numeric_limits<double>::infinity();
    to.bucket.push_back({count, bound});
  }
  to.sample_count = count;
  to.sample_sum = static_cast<double>(from.sum) / unit;
  return to;
}

}  // namespace

std::string Exposition::Text() const {
  std::vector<prometheus::MetricFamily> pages;
  pages.reserve(families_.size());
  for (const auto& family : families_) {
    const Metric& metric = *family->metric;
    prometheus::MetricFamily& page = pages.emplace_back();
    page.name = metric.name;
    page.help = metric.help;
    page.type = TypeOf(metric.type);
    page.metric.reserve(family->series.size());
    for (const auto& series : family->series) {
      prometheus::ClientMetric& to = page.metric.emplace_back();
      for (const auto& [name, value] : common_) to.label.push_back({std::string(name), value});
      for (const auto& [name, value] : series->labels) {
        to.label.push_back({std::string(name), value});
      }
      switch (metric.type) {
        case Type::kCounter:
          to.counter.value = series->value;
          break;
        case Type::kGauge:
          to.gauge.value = series->value;
          break;
        case Type::kHistogram:
          to.histogram = ToPrometheus(series->histogram, metric.unit);
          break;
      }
    }
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, pages);
  return out.str();
}

std::string ClientText(std::string_view text) { return EscapeForLog(text, kMaxClientText); }

}  // namespace mansio::metrics
