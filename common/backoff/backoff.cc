#include "common/backoff/backoff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kMaxSteps = 64;
constexpr absl::Duration kMinWait = absl::Seconds(1);
constexpr absl::Duration kMaxWait = absl::Hours(12);
constexpr double kMaxMultiplier = 100;
constexpr int kDefaultSeconds[] = {1,   5,   10,  30,  60,  120,  180,  240,  300,
                                   360, 420, 480, 540, 600, 1200, 1800, 3600, 7200};

void SetDuration(absl::Duration value, google::protobuf::Duration* out) {
  const int64_t seconds = absl::IDivDuration(value, absl::Seconds(1), &value);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(value)));
}

absl::Duration GetDuration(const google::protobuf::Duration& d) {
  return absl::Seconds(d.seconds()) + absl::Nanoseconds(d.nanos());
}

absl::Status ValidateWait(absl::Duration wait) {
  if (wait >= kMinWait && wait <= kMaxWait && absl::Trunc(wait, absl::Seconds(1)) == wait) {
    return absl::OkStatus();
  }
  return WireError(v2::BAD_REQUEST,
                   fmt::format("a back-off of {} is not possible; give whole seconds, 1s to 12h",
                               absl::FormatDuration(wait)));
}

}  // namespace

const Backoff& Backoff::Default() {
  static const auto* const backoff = [] {
    auto* made = new Backoff;
    for (const int seconds : kDefaultSeconds) made->steps.push_back(absl::Seconds(seconds));
    return made;
  }();
  return *backoff;
}

absl::Duration Backoff::After(uint32_t attempt) const {
  const uint32_t index = std::max<uint32_t>(attempt, 1) - 1;
  if (exponential.has_value()) {
    return std::min(exponential->max,
                    exponential->initial * std::pow(exponential->multiplier, index));
  }
  if (steps.empty()) return absl::ZeroDuration();
  return steps[std::min<size_t>(index, steps.size() - 1)];
}

absl::Status ValidateBackoff(const Backoff& backoff) {
  if (const auto& growing = backoff.exponential) {
    if (absl::Status s = ValidateWait(growing->initial); !s.ok()) return s;
    if (absl::Status s = ValidateWait(growing->max); !s.ok()) return s;
    if (growing->max >= growing->initial && growing->multiplier >= 1 &&
        growing->multiplier <= kMaxMultiplier) {
      return absl::OkStatus();
    }
    return WireError(v2::BAD_REQUEST,
                     fmt::format("an exponential back-off grows from its first wait to its longest "
                                 "by a factor of 1 to {}",
                                 kMaxMultiplier));
  }
  if (backoff.steps.empty() || backoff.steps.size() > kMaxSteps) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("a back-off list has 1 to {} waits, {} were given", kMaxSteps,
                                 backoff.steps.size()));
  }
  for (const absl::Duration step : backoff.steps) {
    if (absl::Status s = ValidateWait(step); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void ToWire(const Backoff& backoff, v2::RetryPolicy* policy) {
  if (const auto& growing = backoff.exponential) {
    v2::ExponentialBackoff* wire = policy->mutable_exponential_backoff();
    SetDuration(growing->initial, wire->mutable_initial());
    SetDuration(growing->max, wire->mutable_max());
    wire->set_multiplier(static_cast<float>(growing->multiplier));
    return;
  }
  v2::CustomizedBackoff* wire = policy->mutable_customized_backoff();
  wire->clear_next();
  for (const absl::Duration step : backoff.steps) SetDuration(step, wire->add_next());
}

std::optional<Backoff> BackoffFromWire(const v2::RetryPolicy& policy) {
  Backoff backoff;
  switch (policy.strategy_case()) {
    case v2::RetryPolicy::kExponentialBackoff: {
      const v2::ExponentialBackoff& wire = policy.exponential_backoff();
      backoff.exponential = {GetDuration(wire.initial()), GetDuration(wire.max()),
                             wire.multiplier()};
      return backoff;
    }
    case v2::RetryPolicy::kCustomizedBackoff:
      for (const auto& step : policy.customized_backoff().next()) {
        backoff.steps.push_back(GetDuration(step));
      }
      return backoff;
    case v2::RetryPolicy::STRATEGY_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace mansio
