#include "client/command/brokers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/broker_access.h"
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

// The store as the broker sees it. A nameserver does not know: then the broker itself is asked.
v1::StoreState StoreOf(const Context& context, const v1::BrokerOverview& overview) {
  if (overview.has_store() || !overview.online()) return overview.store();
  auto admin = client::AdminClient::Create(OptionsOf(context, overview.broker()),
                                           client::AdminClient::Scope::kNode);
  if (!admin.ok()) return {};
  const auto own = (*admin)->ListBrokers();
  if (!own.ok()) return {};
  for (const v1::BrokerOverview& answer : own->brokers()) {
    if (answer.broker().name() == overview.broker().name()) return answer.store();
  }
  return {};
}

// ---- logs of broker groups ----

// By cluster, name and id.
using Members = std::map<std::tuple<std::string, std::string, int32_t>, v1::BrokerOverview>;

std::tuple<std::string, std::string, int32_t> KeyOf(const v1::BrokerOverview& overview) {
  const v1::BrokerIdentity& broker = overview.broker();
  return {broker.cluster(), broker.name(), broker.id()};
}

Members ByKey(const Context& context, const v1::ListBrokersResponse& answer) {
  Members members;
  for (const v1::BrokerOverview& overview : answer.brokers()) members[KeyOf(overview)] = overview;
  for (const v1::BrokerOverview& overview : answer.brokers()) {
    if (!overview.online() || members[KeyOf(overview)].log_end() > 0) continue;
    auto admin = client::AdminClient::Create(OptionsOf(context, overview.broker()),
                                             client::AdminClient::Scope::kNode);
    if (!admin.ok()) continue;
    const auto own = (*admin)->ListBrokers();
    if (!own.ok()) continue;
    for (const v1::BrokerOverview& row : own->brokers()) {
      if (row.online() || !members.contains(KeyOf(row))) members[KeyOf(row)] = row;
    }
  }
  return members;
}

Json MemberJson(const v1::BrokerOverview& overview) {
  const v1::BrokerIdentity& broker = overview.broker();
  const bool known = overview.log_end() > 0;
  return {{"cluster", broker.cluster()},
          {"broker", broker.name()},
          {"id", broker.member()},
          {"role", broker.role()},
          {"online", overview.online()},
          {"epoch", broker.epoch() > 0 ? Json(broker.epoch()) : Json()},
          {"log_end", known ? Json(overview.log_end()) : Json()},
          {"committed", known ? Json(overview.committed()) : Json()},
          {"in_sync", overview.has_in_sync() ? Json(overview.in_sync()) : Json()},
          {"copying", overview.copying()},
          {"trouble", overview.trouble().empty() ? Json() : Json(overview.trouble())},
          {"durability", broker.durability()},
          {"addresses", Addresses(broker)},
          {"version", broker.version()}};
}

int ListMembers(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto response = (*admin)->ListBrokers();
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  bool online = false;
  const std::vector<v1::BrokerOverview> members = MembersOf(context, *response);
  for (const v1::BrokerOverview& overview : members) {
    rows.push_back(MemberJson(overview));
    // A sentence: below the table.
    if (context.format == Format::kTable) rows.back().erase("trouble");
    online = online || overview.online();
  }
  context.Print(rows);
  context.Say(fmt::format("\nanswered by {}", response->answered_by()));
  for (const v1::BrokerOverview& overview : members) {
    if (overview.trouble().empty()) continue;
    context.Say(fmt::format("{} member {}: {}", overview.broker().name(),
                            overview.broker().member(), overview.trouble()));
  }
  return online ? static_cast<int>(kOk) : Fail(context, NoBroker());
}

int DescribeBroker(const Context& context, const std::string& name) {
  const auto overview = FindBroker(context, name);
  if (!overview.ok()) return Fail(context, overview.status());
  Json value = BrokerJson(*overview);
  value["left"] = TimeText(overview->left());
  const v1::StoreState store = StoreOf(context, *overview);
  const bool known = store.disk_bytes() > 0;
  value["disk_bytes"] = known ? Json(store.disk_bytes()) : Json();
  value["disk_free_bytes"] = known ? Json(store.disk_free_bytes()) : Json();
  value["log_bytes"] = known ? Json(store.log_bytes()) : Json();
  value["retention_bytes"] = store.retention_bytes() > 0 ? Json(store.retention_bytes()) : Json();
  value["store_failure"] = store.failure().empty() ? Json() : Json(store.failure());
  context.Print(value);
  return kOk;
}

// ---- configuration ----

struct ConfigArguments {
  std::string broker;
  std::string key;
  std::string value;
  bool yes = false;
};

Json SettingJson(const v1::ConfigSetting& setting) {
  return {{"key", setting.key()},
          {"value", setting.value()},
          {"started_with", setting.started_with()},
          {"default", setting.default_value()},
          {"changeable", setting.changeable()}};
}

int GetConfig(const Context& context, const ConfigArguments& arguments) {
  auto admin = ReachBroker(context, arguments.broker);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto response = (*admin)->GetConfig(arguments.key);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::ConfigSetting& setting : response->settings()) {
    rows.push_back(SettingJson(setting));
  }
  context.Print(arguments.key.empty() || rows.empty() ? rows : rows[0]);
  return kOk;
}

int SetConfig(const Context& context, const ConfigArguments& arguments) {
  const std::string what = fmt::format("sets {} of broker {} to {} at once", arguments.key,
                                       arguments.broker, arguments.value);
  if (!Agree(context, arguments.yes, what)) return kUsage;
  auto admin = ReachBroker(context, arguments.broker);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto response = (*admin)->SetConfig(arguments.key, arguments.value);
  if (!response.ok()) return Fail(context, response.status());
  const v1::ConfigSetting& setting = response->setting();
  Json value = SettingJson(setting);
  value["previous"] = response->previous();
  PrintDone(context, value,
            fmt::format("{} of broker {} is {} now (was {}). The next start has {} again, unless "
                        "its configuration file says otherwise",
                        setting.key(), response->broker(), setting.value(), response->previous(),
                        setting.started_with()));
  return kOk;
}

void AddBrokerConfig(CLI::App& broker, Context& context) {
  CLI::App* config =
      broker.add_subcommand("config", "Look at and change the configuration of a running broker");
  config->require_subcommand(1)->fallthrough();
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* get = config->add_subcommand(
      "get", "Show what a broker is configured with, and what can be changed while it runs");
  get->add_option("BROKER", arguments->broker, "The broker's name")->required();
  get->add_option("KEY", arguments->key, "Only this key");
  get->footer(
      "Of a group of members, its master is asked.\n"
      "Example:\n  mansio broker config get broker-a retention.age");
  get->fallthrough();
  get->callback([&context, arguments] {
    context.action = [&context, arguments] { return GetConfig(context, *arguments); };
  });

  CLI::App* set = config->add_subcommand("set", "Change a key of a broker while it runs");
  set->add_option("BROKER", arguments->broker, "The broker's name")->required();
  set->add_option("KEY", arguments->key, "The key; config get shows which are changeable")
      ->required();
  set->add_option("VALUE", arguments->value, "As in a configuration file")->required();
  set->add_flag("--yes", arguments->yes, "Do not ask");
  set->footer(
      "Of a group of members, its master alone is changed.\n"
      "The change is in force at once and lost when the broker stops: write it into its\n"
      "configuration file, too, if it is to stay.\n"
      "Examples:\n"
      "  mansio broker config set broker-a retention.age 24h\n"
      "  mansio broker config set broker-a log.level warning");
  set->fallthrough();
  set->callback([&context, arguments] {
    context.action = [&context, arguments] { return SetConfig(context, *arguments); };
  });
}

}  // namespace

Json Addresses(const v1::BrokerIdentity& broker) {
  Json addresses = Json::array();
  for (const auto& address : broker.addresses()) addresses.push_back(Address(address));
  return addresses;
}

std::vector<v1::BrokerOverview> MembersOf(const Context& context,
                                          const v1::ListBrokersResponse& answer) {
  std::vector<v1::BrokerOverview> members;
  for (const auto& [key, overview] : ByKey(context, answer)) members.push_back(overview);
  return members;
}

int ListBrokers(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListBrokers();
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  bool online = false;
  for (const v1::BrokerOverview& overview : response->brokers()) {
    rows.push_back(BrokerJson(overview));
    online = online || overview.online();
  }
  context.Print(rows);
  context.Say(fmt::format("\nanswered by {}", response->answered_by()));
  return online ? static_cast<int>(kOk) : Fail(context, NoBroker());
}

void AddBrokers(CLI::App& app, Context& context) {
  CLI::App* broker = app.add_subcommand("broker", "Look at brokers one by one, and configure them");
  broker->require_subcommand(1)->fallthrough();
  CLI::App* list = broker->add_subcommand(
      "list", "List brokers with their roles and logs, and which members of a group are in sync");
  list->footer(
      "log_end: bytes of log that a broker has had so far; committed: of them, those that count as\n"
      "stored. in_sync: it is waited for when a message is stored with replica or replica-sync.\n"
      "copying: a new slave that does not have all of its master's log yet. trouble: why there is\n"
      "no master, or why it stores nothing; below the table.\n"
      "Example:\n  mansio broker list");
  list->fallthrough();
  list->callback([&context] { context.action = [&context] { return ListMembers(context); }; });

  auto name = std::make_shared<std::string>();
  CLI::App* describe = broker->add_subcommand(
      "describe", "Show one broker: addresses, durability, version, disk and log");
  describe->add_option("NAME", *name, "The broker's name")->required();
  describe->footer(
      "Of a group of members, its master is shown.\n"
      "Example:\n  mansio broker describe broker-a");
  describe->fallthrough();
  describe->callback([&context, name] {
    context.action = [&context, name] { return DescribeBroker(context, *name); };
  });
  AddBrokerConfig(*broker, context);
  AddPromote(*broker, context);
  AddSwitchover(*broker, context);
}

}  // namespace mansio::command
