#include <fmt/format.h>

#include "CLI/CLI.hpp"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

std::string Address(const apache::rocketmq::v2::Address& address) {
  const bool v6 = address.host().find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address.host(), address.port())
            : fmt::format("{}:{}", address.host(), address.port());
}

Json BrokerJson(const v1::BrokerOverview& overview) {
  const v1::BrokerIdentity& broker = overview.broker();
  Json addresses = Json::array();
  for (const auto& address : broker.addresses()) addresses.push_back(Address(address));
  return {{"cluster", broker.cluster()},
          {"broker", broker.name()},
          {"id", broker.id()},
          {"role", broker.role()},
          {"online", overview.online()},
          {"addresses", std::move(addresses)},
          {"durability", broker.durability()},
          {"topics", overview.topics()},
          {"groups", overview.groups()},
          {"epoch", broker.epoch()},
          {"version", broker.version()}};
}

int ListBrokers(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListBrokers();
  if (!response.ok()) return Fail(context, response.status());
  Json brokers = Json::array();
  for (const v1::BrokerOverview& overview : response->brokers()) {
    brokers.push_back(BrokerJson(overview));
  }
  context.Print(brokers);
  context.Say(fmt::format("\nanswered by {}", response->answered_by()));
  return kOk;
}

}  // namespace

void AddCluster(CLI::App& app, Context& context) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at the brokers of the cluster");
  cluster->require_subcommand(1)->fallthrough();
  CLI::App* list = cluster->add_subcommand(
      "list", "List the brokers that a nameserver knows; a lone broker lists itself");
  list->footer("Example:\n  mansio --endpoint 127.0.0.1:9876 cluster list");
  list->fallthrough();
  list->callback([&context] { context.action = [&context] { return ListBrokers(context); }; });
}

}  // namespace mansio::command
