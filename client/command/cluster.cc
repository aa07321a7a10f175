#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/brokers.h"
#include "client/command/cluster_check.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

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

void AddCheck(CLI::App& cluster, Context& context) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* check = cluster.add_subcommand(
      "check",
      "Say what is wrong: lost brokers, clocks, disks, stuck groups, dead letters, transactions");
  check
      ->add_option("--ignore", arguments->ignored_groups,
                   "Say nothing about this group; can be repeated")
      ->type_name("GROUP")
      ->allow_extra_args(false);
  AddDuration(*check, "--dead-letters-within", &arguments->letters_within,
              "Dead letters are only a notice where none has come in this time");
  check->add_flag("--strict", arguments->strict, "Notices, too, make the exit code 7");
  check->footer(
      "The exit code is 7 when there is a problem: something that needs somebody. A notice is what\n"
      "may well be meant so, as a paused group, or messages for a group without consumers.\n"
      "Examples:\n"
      "  mansio cluster check -o json\n"
      "  mansio cluster check --strict --ignore my-experiment\n"
      "  mansio cluster check --dead-letters-within 24h");
  check->fallthrough();
  check->callback([&context, arguments] {
    context.action = [&context, arguments] { return CheckCluster(context, *arguments); };
  });
}

}  // namespace

void AddCluster(CLI::App& app, Context& context) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at the cluster as a whole");
  cluster->require_subcommand(1)->fallthrough();
  AddLook(*cluster, context, "list",
          "List the brokers that a nameserver knows, also those that have left within a day; a "
          "lone broker lists itself",
          "mansio --endpoint 127.0.0.1:9876 cluster list", ListBrokers);
  AddLook(*cluster, context, "status", "Count brokers, topics, groups, clients and dead letters",
          "mansio cluster status --watch", ShowClusterStatus);
  AddCheck(*cluster, context);
  AddBrokers(app, context);

  CLI::App* nameserver = app.add_subcommand("nameserver", "Look at what a nameserver knows");
  nameserver->require_subcommand(1)->fallthrough();
  AddLook(*nameserver, context, "routes",
          "List the topics, also retry and dead-letter topics, with the brokers that clients are "
          "sent to",
          "mansio nameserver routes --endpoint 127.0.0.1:9876", ShowRoutes);
}

}  // namespace mansio::command
