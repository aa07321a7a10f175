#include "client/command/broker_access.h"

#include <fmt/format.h>

#include "client/command/admin_views.h"
#include "client/lib/wire.h"
#include "common/names/utf8.h"

namespace mansio::command {

client::ClientOptions OptionsOf(const Context& context, const v1::BrokerIdentity& broker) {
  apache::rocketmq::v2::Endpoints endpoints;
  *endpoints.mutable_addresses() = broker.addresses();
  client::ClientOptions options = context.client;
  options.endpoint = client::EndpointsText(endpoints);
  return options;
}

absl::StatusOr<v1::BrokerOverview> FindBroker(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return admin.status();
  const auto brokers = (*admin)->ListBrokers();
  if (!brokers.ok()) return brokers.status();
  for (const v1::BrokerOverview& overview : brokers->brokers()) {
    if (overview.broker().name() == name) return overview;
  }
  return absl::NotFoundError(fmt::format("{} knows no broker '{}'; mansio broker list shows them",
                                         brokers->answered_by(), EscapeForLog(name, 200)));
}

absl::StatusOr<std::unique_ptr<client::AdminClient>> ReachBroker(const Context& context,
                                                                 const std::string& name) {
  const auto found = FindBroker(context, name);
  if (!found.ok()) return found.status();
  if (!found->online()) {
    return absl::UnavailableError(
        fmt::format("broker {} has left at {}", name,
                    found->has_left() ? TimeText(found->left()).get<std::string>() : "some time"));
  }
  return client::AdminClient::Create(OptionsOf(context, found->broker()),
                                     client::AdminClient::Scope::kNode);
}

}  // namespace mansio::command
