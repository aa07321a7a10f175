#include <fmt/format.h>

#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/command/group_positions.h"
#include "client/command/group_views.h"
#include "client/command/times.h"
#include "client/lib/admin_client.h"
#include "common/backoff/backoff.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

struct PolicyArguments {
  std::string name;
  int max_attempts = 0;  // not given
  std::string start;
  v2::RetryPolicy backoff;
  bool broadcast = false;
  bool fifo = false;
};

v1::StartPolicy StartOf(const PolicyArguments& arguments) {
  if (arguments.start == "earliest") return v1::START_POLICY_EARLIEST;
  if (arguments.start == "latest") return v1::START_POLICY_LATEST;
  return v1::START_POLICY_UNSPECIFIED;
}

// "10s,30s,1m" or "exponential".
v2::RetryPolicy ParseBackoff(const std::string& text) {
  Backoff backoff;
  if (text == "exponential") {
    backoff.exponential.emplace();
  } else {
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      const auto step = ParseSpan({part.data(), part.size()});
      if (!step) {
        throw CLI::ValidationError(
            "--backoff", fmt::format("'{}' is not a back-off; write for example 10s,30s,1m, or "
                                     "exponential",
                                     text));
      }
      backoff.steps.push_back(*step);
    }
  }
  v2::RetryPolicy policy;
  ToWire(backoff, &policy);
  return policy;
}

int AlterGroup(const Context& context, const PolicyArguments& arguments) {
  v1::AlterGroupRequest change;
  change.set_name(arguments.name);
  if (arguments.max_attempts != 0) change.set_max_attempts(arguments.max_attempts);
  if (arguments.backoff.strategy_case() != v2::RetryPolicy::STRATEGY_NOT_SET) {
    *change.mutable_backoff() = arguments.backoff;
  }
  if (!arguments.start.empty()) change.set_start(StartOf(arguments));
  if (!change.has_max_attempts() && !change.has_backoff() && !change.has_start()) {
    return FailUsage(context, "there is nothing to change",
                     "give --max-attempts, --backoff or --start");
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->AlterGroup(change);
  if (!response.ok()) return Fail(context, response.status());
  const Json now = GroupJson(response->group());
  PrintDone(context, now,
            fmt::format("altered group {}: {} attempts, back-off {}, start {}", arguments.name,
                        response->group().max_attempts(), now["backoff"].get<std::string>(),
                        now["start"].get<std::string>()));
  return ReportRefusals(context, response->results());
}

int CreateGroup(const Context& context, const PolicyArguments& arguments) {
  v1::GroupInfo group;
  group.set_name(arguments.name);
  group.set_max_attempts(arguments.max_attempts);
  *group.mutable_backoff() = arguments.backoff;
  group.set_start(StartOf(arguments));
  group.set_broadcast(arguments.broadcast);
  group.set_fifo(arguments.fifo);
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->CreateGroup(group);
  if (!response.ok()) return Fail(context, response.status());
  const Json made = GroupJson(response->group());
  PrintDone(context, made,
            fmt::format("{}: {}, {} attempts, back-off {}, start {}",
                        MadeText("group", arguments.name, response->existed()),
                        made["mode"].get<std::string>(), response->group().max_attempts(),
                        made["backoff"].get<std::string>(), made["start"].get<std::string>()));
  return ReportRefusals(context, response->results());
}

int ListGroups(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListGroups();
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::GroupOverview& overview : response->groups()) {
    Json row = GroupJson(overview.group());
    row["brokers"] = Json::array();
    for (const std::string& broker : overview.brokers()) row["brokers"].push_back(broker);
    rows.push_back(std::move(row));
  }
  context.Print(rows);
  return kOk;
}

int DescribeGroup(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeGroup(name);
  if (!response.ok()) return Fail(context, response.status());
  Json value = GroupJson(response->group());
  int64_t ready = 0;
  int64_t in_flight = 0;
  Json positions = Json::array();
  for (const v1::GroupPosition& position : response->positions()) {
    ready += position.ready();
    in_flight += position.leases();
    positions.push_back(PositionJson(position));
  }
  value["ready"] = ready;
  value["in_flight"] = in_flight;
  value["clients"] = Json::array();
  for (const std::string& client : response->client_ids()) value["clients"].push_back(client);
  value["positions"] = std::move(positions);
  context.Print(value);
  return ReportRefusals(context, response->results());
}

int DeleteGroup(const Context& context, const std::string& name, bool yes) {
  if (!Confirm(context, yes,
               fmt::format("the group {} with its positions, retries and dead letters", name),
               name)) {
    return kUsage;
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DeleteGroup(name);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(context, {{"name", name}, {"deleted", true}}, fmt::format("deleted group {}", name));
  return ReportRefusals(context, response->results());
}

void AddPolicy(CLI::App& verb, const std::shared_ptr<PolicyArguments>& arguments) {
  verb.add_option("NAME", arguments->name, "Letters, digits, _, -, % and |; at most 120")
      ->required();
  verb.add_option("--max-attempts", arguments->max_attempts,
                  "How often a message is delivered before it is a dead letter; 17 at first")
      ->check(CLI::Range(1, 10000).description(""))
      ->type_name("N");
  verb.add_option_function<std::string>(
          "--backoff",
          [arguments](const std::string& text) { arguments->backoff = ParseBackoff(text); },
          "The waits before each further delivery, or exponential: 5 s, doubled up to 2 h")
      ->type_name("10s,30s,...");
  OneOf(verb.add_option("--start", arguments->start,
                        "Where it begins on each topic. Without it, at the end, or at the "
                        "beginning of a topic that is only minutes old"),
        {"earliest", "latest"});
}

}  // namespace

void AddGroup(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand(
      "group", "Create, look at, explain, alter, move, pause and delete consumer groups");
  group->require_subcommand(1)->fallthrough();

  auto arguments = std::make_shared<PolicyArguments>();
  CLI::App* create = group->add_subcommand(
      "create", "Create a consumer group on every broker; a group is also made at its first use");
  AddPolicy(*create, arguments);
  create->add_flag("--broadcast", arguments->broadcast,
                   "Every client of the group gets every message; each has its own position");
  create->add_flag("--fifo", arguments->fifo,
                   "Deliver the messages of a message group in order: each batch after the one "
                   "before it was acknowledged");
  create->footer("Example:\n  mansio group create billing --fifo --start earliest");
  create->fallthrough();
  create->callback([&context, arguments] {
    context.action = [&context, arguments] { return CreateGroup(context, *arguments); };
  });

  CLI::App* alter = group->add_subcommand("alter", "Change what a group does with failed messages");
  auto changes = std::make_shared<PolicyArguments>();
  AddPolicy(*alter, changes);
  alter->footer("Example:\n  mansio group alter billing --max-attempts 5 --backoff 10s,30s,1m");
  alter->fallthrough();
  alter->callback([&context, changes] {
    context.action = [&context, changes] { return AlterGroup(context, *changes); };
  });

  CLI::App* list = group->add_subcommand("list", "List the groups and the brokers that have them");
  list->footer("Example:\n  mansio group list -o yaml");
  list->fallthrough();
  list->callback([&context] { context.action = [&context] { return ListGroups(context); }; });

  auto name = std::make_shared<std::string>();
  CLI::App* describe = group->add_subcommand(
      "describe", "Show what a group has still to receive (ready) and holds (in flight)");
  describe->add_option("NAME", *name, "The group")->required();
  describe->footer("Example:\n  mansio group describe billing");
  describe->fallthrough();
  describe->callback([&context, name] {
    context.action = [&context, name] { return DescribeGroup(context, *name); };
  });

  auto yes = std::make_shared<bool>(false);
  CLI::App* remove = group->add_subcommand(
      "delete", "Delete a group with its positions, retries and dead letters");
  remove->add_option("NAME", *name, "The group")->required();
  remove->add_flag("--yes", *yes, "Do not ask");
  remove->footer("Example:\n  mansio group delete billing --yes");
  remove->fallthrough();
  remove->callback([&context, name, yes] {
    context.action = [&context, name, yes] { return DeleteGroup(context, *name, *yes); };
  });
  AddGroupPositions(*group, context);
  AddGroupViews(*group, context);
}

}  // namespace mansio::command
