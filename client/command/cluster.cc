#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/cluster_check.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"
#include "common/names/utf8.h"

namespace mansio::command {
namespace {

std::string Address(const apache::rocketmq::v2::Address& address) {
  const bool v6 = address.host().find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address.host(), address.port())
            : fmt::format("{}:{}", address.host(), address.port());
}

Json Addresses(const v1::BrokerIdentity& broker) {
  Json addresses = Json::array();
  for (const auto& address : broker.addresses()) addresses.push_back(Address(address));
  return addresses;
}

Json BrokerJson(const v1::BrokerOverview& overview) {
  const v1::BrokerIdentity& broker = overview.broker();
  return {{"cluster", broker.cluster()},
          {"broker", broker.name()},
          {"id", broker.id()},
          {"role", broker.role()},
          {"online", overview.online()},
          {"addresses", Addresses(broker)},
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

int DescribeBroker(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListBrokers();
  if (!response.ok()) return Fail(context, response.status());
  bool found = false;
  for (const v1::BrokerOverview& overview : response->brokers()) {
    if (overview.broker().name() != name) continue;
    context.Print(BrokerJson(overview));
    found = true;
  }
  if (found) return kOk;
  return Fail(context, absl::NotFoundError(
                           fmt::format("{} knows no broker '{}'; mansio broker list shows them",
                                       response->answered_by(), EscapeForLog(name, 200))));
}

// What the access point routes clients by: each topic with the brokers that have it.
int ShowRoutes(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto brokers = (*admin)->ListBrokers();
  if (!brokers.ok()) return Fail(context, brokers.status());
  auto topics = (*admin)->ListTopics(true);
  if (!topics.ok()) return Fail(context, topics.status());
  Json rows = Json::array();
  for (const v1::TopicOverview& topic : topics->topics()) {
    for (const v1::BrokerOverview& overview : brokers->brokers()) {
      const v1::BrokerIdentity& broker = overview.broker();
      const auto& names = topic.brokers();
      if (std::find(names.begin(), names.end(), broker.name()) == names.end()) continue;
      rows.push_back({{"topic", topic.topic().name()},
                      {"type", TypeName(topic.topic())},
                      {"broker", broker.name()},
                      {"online", overview.online()},
                      {"addresses", Addresses(broker)}});
    }
  }
  context.Print(rows);
  context.Say(fmt::format("\nanswered by {}", brokers->answered_by()));
  return kOk;
}

void AddLook(CLI::App& noun, Context& context, const char* verb, const char* description,
             const char* example, int (*run)(const Context&)) {
  CLI::App* app = noun.add_subcommand(verb, description);
  app->footer(fmt::format("Example:\n  {}", example));
  app->fallthrough();
  app->callback([&context, run] { context.action = [&context, run] { return run(context); }; });
}

void AddBrokers(CLI::App& app, Context& context) {
  CLI::App* broker = app.add_subcommand("broker", "Look at brokers one by one");
  broker->require_subcommand(1)->fallthrough();
  AddLook(*broker, context, "list", "List the brokers, as mansio cluster list does",
          "mansio broker list", ListBrokers);
  auto name = std::make_shared<std::string>();
  CLI::App* describe =
      broker->add_subcommand("describe", "Show one broker: addresses, durability, version");
  describe->add_option("NAME", *name, "The broker's name")->required();
  describe->footer("Example:\n  mansio broker describe broker-a");
  describe->fallthrough();
  describe->callback([&context, name] {
    context.action = [&context, name] { return DescribeBroker(context, *name); };
  });
}

}  // namespace

void AddCluster(CLI::App& app, Context& context) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at the cluster as a whole");
  cluster->require_subcommand(1)->fallthrough();
  AddLook(*cluster, context, "list",
          "List the brokers that a nameserver knows; a lone broker lists itself",
          "mansio --endpoint 127.0.0.1:9876 cluster list", ListBrokers);
  AddLook(*cluster, context, "status", "Count brokers, topics, groups, clients and dead letters",
          "mansio cluster status --watch", ShowClusterStatus);
  AddLook(*cluster, context, "check",
          "Say what is wrong: lost brokers, clocks, stuck groups, dead letters; the exit code is 7 "
          "when something is",
          "mansio cluster check -o json", CheckCluster);
  AddBrokers(app, context);

  CLI::App* nameserver = app.add_subcommand("nameserver", "Look at what a nameserver knows");
  nameserver->require_subcommand(1)->fallthrough();
  AddLook(*nameserver, context, "routes",
          "List the topics with the brokers that clients are sent to",
          "mansio nameserver routes --endpoint 127.0.0.1:9876", ShowRoutes);
}

}  // namespace mansio::command
