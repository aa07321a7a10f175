#include "common/gateway/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int kMaxTopicsPerClient = 10000;  // bounds what one client can make a node remember

// Contract 3.2, client_properties.
constexpr int kMaxProperties = 32;
constexpr size_t kMaxPropertyKeyBytes = 64;
constexpr size_t kMaxPropertyValueBytes = 256;
constexpr size_t kMaxPropertiesBytes = 4096;
constexpr std::string_view kReservedPropertyPrefix = "rocketmq.";

// Producers: few, short and growing pauses (RocketMQ 5 API). Java and Node accept only this form.
constexpr int kProducerAttempts = 3;
constexpr int64_t kProducerFirstPauseNanos = 10'000'000;
constexpr int64_t kProducerLongestPauseSeconds = 1;
constexpr float kProducerPauseGrowth = 2;

void SetDuration(absl::Duration value, google::protobuf::Duration* out) {
  const int64_t seconds = absl::IDivDuration(value, absl::Seconds(1), &value);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(value)));
}

absl::Status ValidateClientType(const v2::Settings& settings) {
  const v2::ClientType type = settings.client_type();
  switch (type) {
    case v2::CLIENT_TYPE_UNSPECIFIED:
    case v2::PRODUCER:
    case v2::PUSH_CONSUMER:
    case v2::SIMPLE_CONSUMER:
    case v2::PULL_CONSUMER:
      return absl::OkStatus();
    case v2::LITE_PUSH_CONSUMER:
    case v2::LITE_SIMPLE_CONSUMER:
      return WireError(
          v2::NOT_IMPLEMENTED,
          fmt::format("clients of type {} are not served; use a push, simple or pull consumer",
                      v2::ClientType_Name(type)));
    default:
      return WireError(v2::UNRECOGNIZED_CLIENT_TYPE,
                       fmt::format("client type {} is not known", static_cast<int>(type)));
  }
}

bool IsPropertyKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxPropertyKeyBytes || !absl::ascii_isalpha(key[0]))
    return false;
  return std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

absl::Status ValidateClientProperties(const v2::Settings& settings) {
  const auto refuse = [](std::string why) {
    return WireError(v2::INVALID_CLIENT_PROPERTIES, std::move(why));
  };
  if (settings.client_properties_size() > kMaxProperties) {
    return refuse(fmt::format("{} client properties are set; at most {} are allowed",
                              settings.client_properties_size(), kMaxProperties));
  }
  size_t total = 0;
  for (const auto& [key, value] : settings.client_properties()) {
    if (!IsPropertyKey(key)) {
      return refuse(
          fmt::format("the client property key '{}' is not a letter followed by letters, "
                      "digits, '_', '.' or '-', at most {} characters in all",
                      EscapeForLog(key), kMaxPropertyKeyBytes));
    }
    if (std::string_view(key).substr(0, kReservedPropertyPrefix.size()) ==
        kReservedPropertyPrefix) {
      return refuse(fmt::format("the client property key '{}' begins with '{}', which is reserved",
                                key, kReservedPropertyPrefix));
    }
    if (value.size() > kMaxPropertyValueBytes) {
      return refuse(
          fmt::format("the value of client property '{}' has {} bytes; at most {} are allowed", key,
                      value.size(), kMaxPropertyValueBytes));
    }
    total += key.size() + value.size();
  }
  if (total > kMaxPropertiesBytes) {
    return refuse(fmt::format("the client properties have {} bytes in all; at most {} are allowed",
                              total, kMaxPropertiesBytes));
  }
  return absl::OkStatus();
}

absl::Status ValidateFilter(const v2::SubscriptionEntry& entry) {
  const v2::FilterType type = entry.expression().type();
  if (v2::FilterType_IsValid(type)) return absl::OkStatus();
  return WireError(v2::NOT_IMPLEMENTED,
                   fmt::format("filter type {} (topic '{}') is not known; use TAG or SQL",
                               static_cast<int>(type), EscapeForLog(entry.topic().name())));
}

absl::Status ValidateTopicCount(int topics) {
  if (topics <= kMaxTopicsPerClient) return absl::OkStatus();
  return WireError(v2::BAD_REQUEST,
                   fmt::format("the settings name {} topics; at most {} are allowed for one client",
                               topics, kMaxTopicsPerClient));
}

absl::Status ValidatePublishing(const v2::Publishing& publishing) {
  if (absl::Status s = ValidateTopicCount(publishing.topics_size()); !s.ok()) return s;
  for (const v2::Resource& topic : publishing.topics()) {
    if (absl::Status s = names::ValidateTopic(topic.name()); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status ValidateSubscription(const v2::Subscription& subscription) {
  if (absl::Status s = ValidateTopicCount(subscription.subscriptions_size()); !s.ok()) return s;
  if (absl::Status s = names::ValidateConsumerGroup(subscription.group().name()); !s.ok()) return s;
  for (const v2::SubscriptionEntry& entry : subscription.subscriptions()) {
    if (absl::Status s = names::ValidateTopic(entry.topic().name()); !s.ok()) return s;
    if (absl::Status s = ValidateFilter(entry); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void MergeProducer(const GatewayOptions& options, v2::Settings* settings) {
  v2::RetryPolicy* retry = settings->mutable_backoff_policy();
  retry->Clear();
  retry->set_max_attempts(kProducerAttempts);
  v2::ExponentialBackoff* backoff = retry->mutable_exponential_backoff();
  backoff->mutable_initial()->set_nanos(kProducerFirstPauseNanos);
  backoff->mutable_max()->set_seconds(kProducerLongestPauseSeconds);
  backoff->set_multiplier(kProducerPauseGrowth);

  v2::Publishing* publishing = settings->mutable_publishing();
  publishing->set_max_body_size(options.max_body_bytes);
  publishing->set_validate_message_type(true);
}

void MergeConsumer(const GatewayOptions& options, const GroupPolicy& policy,
                   v2::Settings* settings) {
  *settings->mutable_backoff_policy() = ConsumerBackoff(policy);
  v2::Subscription* subscription = settings->mutable_subscription();
  subscription->set_fifo(policy.fifo);
  subscription->set_receive_batch_size(options.receive_batch);
  SetDuration(options.long_polling, subscription->mutable_long_polling_timeout());
}

}  // namespace

absl::Status ValidateSettings(const v2::Settings& settings) {
  if (absl::Status s = ValidateClientType(settings); !s.ok()) return s;
  if (absl::Status s = ValidateClientProperties(settings); !s.ok()) return s;
  if (settings.has_publishing()) return ValidatePublishing(settings.publishing());
  if (settings.has_subscription()) return ValidateSubscription(settings.subscription());
  return WireError(v2::BAD_REQUEST,
                   "the settings have neither publishing nor subscription; a producer sends the "
                   "first, a consumer the second");
}

ClientRole RoleOf(const v2::Settings& settings) {
  if (settings.has_publishing()) return ClientRole::kProducer;
  if (settings.client_type() == v2::PUSH_CONSUMER) return ClientRole::kPushConsumer;
  if (settings.client_type() == v2::PULL_CONSUMER) return ClientRole::kPullConsumer;
  return ClientRole::kSimpleConsumer;
}

std::string GroupOf(const v2::Settings& settings) { return settings.subscription().group().name(); }

std::vector<std::string> TopicsOf(const v2::Settings& settings) {
  std::vector<std::string> topics;
  for (const v2::Resource& topic : settings.publishing().topics()) topics.push_back(topic.name());
  for (const v2::SubscriptionEntry& entry : settings.subscription().subscriptions()) {
    topics.push_back(entry.topic().name());
  }
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

void MergeSettings(const GatewayOptions& options, const GroupPolicy& policy,
                   v2::Settings* settings) {
  if (settings->has_publishing()) {
    MergeProducer(options, settings);
  } else {
    MergeConsumer(options, policy, settings);
  }
  settings->mutable_metric()->Clear();  // present, off: clients shall send no metrics anywhere
}

v2::RetryPolicy ConsumerBackoff(const GroupPolicy& policy) {
  v2::RetryPolicy retry;
  retry.set_max_attempts(policy.max_attempts);
  ToWire(policy.backoff, &retry);
  return retry;
}

}  // namespace mansio::gateway
