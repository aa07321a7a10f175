#include "client/lib/settings.h"

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/wire.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

void SetCommon(const ClientOptions& options, v2::ClientType type, v2::Settings* settings) {
  settings->set_client_type(type);
  // A malformed endpoint is found when the client is made.
  ParseEndpoints(options.endpoint, settings->mutable_access_point()).IgnoreError();
  SetDuration(options.request_timeout, settings->mutable_request_timeout());
  *settings->mutable_user_agent() = UserAgent();
}

}  // namespace

std::string ProducerSettings(const ClientOptions& options, const std::vector<std::string>& topics) {
  v2::TelemetryCommand command;
  SetCommon(options, v2::PRODUCER, command.mutable_settings());
  v2::Publishing* publishing = command.mutable_settings()->mutable_publishing();
  for (const std::string& topic : topics) publishing->add_topics()->set_name(topic);
  return command.SerializeAsString();
}

std::string ConsumerSettings(const ClientOptions& options, const std::string& group,
                             const std::vector<Subscription>& subscriptions) {
  v2::TelemetryCommand command;
  SetCommon(options, v2::SIMPLE_CONSUMER, command.mutable_settings());
  v2::Subscription* subscription = command.mutable_settings()->mutable_subscription();
  subscription->mutable_group()->set_name(group);
  for (const Subscription& wanted : subscriptions) {
    v2::SubscriptionEntry* entry = subscription->add_subscriptions();
    entry->mutable_topic()->set_name(wanted.topic);
    wanted.filter.ToWire(entry->mutable_expression());
  }
  return command.SerializeAsString();
}

std::string PullConsumerSettings(const ClientOptions& options, const std::string& group) {
  v2::TelemetryCommand command;
  SetCommon(options, v2::PULL_CONSUMER, command.mutable_settings());
  command.mutable_settings()->mutable_subscription()->mutable_group()->set_name(group);
  return command.SerializeAsString();
}

}  // namespace mansio::client
