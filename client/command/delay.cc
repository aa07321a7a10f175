#include <fmt/format.h>

#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

namespace {

// "exact", "3 (10s)"; "3" for a level that is no longer configured.
std::string LevelText(const v1::DelayLevel& level) {
  if (level.level() == 0) return "exact";
  if (!level.has_delay()) return std::to_string(level.level());
  const absl::Duration delay =
      absl::Seconds(level.delay().seconds()) + absl::Nanoseconds(level.delay().nanos());
  return fmt::format("{} ({})", level.level(), absl::FormatDuration(delay));
}

Json StatsJson(const v1::DelayStats& stats) {
  Json levels = Json::object();
  for (const v1::DelayLevel& level : stats.levels()) levels[LevelText(level)] = level.pending();
  return {{"broker", stats.broker()},
          {"pending", stats.pending()},
          {"next_due", stats.has_next_due() ? TimeText(stats.next_due()) : Json()},
          {"delivered", stats.delivered()},
          {"recalled", stats.recalled()},
          {"pending_by_level", std::move(levels)}};
}

Json DelayedJson(const v1::DelayedMessage& message) {
  return {{"due", TimeText(message.due())},
          {"level", message.level() == 0 ? Json() : Json(message.level())},
          {"topic", message.topic()},
          {"message_id", message.message_id()},
          {"stored", TimeText(message.stored())},
          {"body_bytes", message.body_bytes()},
          {"broker", message.broker()},
          {"recall_handle", message.recall_handle()}};
}

int ShowStats(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DelayStats();
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::DelayStats& stats : response->stats()) rows.push_back(StatsJson(stats));
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

int ListDelayed(const Context& context, const std::string& topic, int limit) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListDelayedMessages(topic, limit);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::DelayedMessage& message : response->messages()) {
    rows.push_back(DelayedJson(message));
  }
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

int CancelDelayed(const Context& context, const std::string& handle, bool yes) {
  if (!Agree(context, yes, "takes a message back for good")) return kUsage;
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->CancelDelayedMessage(handle);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(
      context, {{"message_id", response->message_id()}, {"cancelled", true}},
      fmt::format("message {} is taken back: nobody will receive it", response->message_id()));
  return kOk;
}

void AddList(CLI::App& delay, Context& context) {
  auto topic = std::make_shared<std::string>();
  auto limit = std::make_shared<int>(50);
  CLI::App* list = delay.add_subcommand("list", "List delayed messages, next due first");
  list->add_option("--topic", *topic, "Only those of that topic")->type_name("TOPIC");
  list->add_option("--limit", *limit, "At most so many")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  list->footer("Example:\n  mansio delay list --topic reminders --limit 10");
  list->fallthrough();
  list->callback([&context, topic, limit] {
    context.action = [&context, topic, limit] { return ListDelayed(context, *topic, *limit); };
  });
}

void AddCancel(CLI::App& delay, Context& context) {
  auto handle = std::make_shared<std::string>();
  CLI::App* cancel = delay.add_subcommand("cancel", "Take back a message before its delivery");
  cancel->add_option("HANDLE", *handle, "Its recall handle, from `delay list` or its receipt")
      ->required();
  auto yes = std::make_shared<bool>(false);
  cancel->add_flag("--yes", *yes, "Do not ask");
  cancel->footer("Example:\n  mansio delay list -o json\n  mansio delay cancel ZQhicm9rZXItYQ...");
  cancel->fallthrough();
  cancel->callback([&context, handle, yes] {
    context.action = [&context, handle, yes] { return CancelDelayed(context, *handle, *yes); };
  });
}

}  // namespace

void AddDelay(CLI::App& app, Context& context) {
  CLI::App* delay = app.add_subcommand("delay", "Look at delayed messages and take them back");
  delay->require_subcommand(1)->fallthrough();
  CLI::App* stats = delay->add_subcommand("stats", "How many messages wait on each broker");
  stats->footer("Example:\n  mansio delay stats -o json");
  stats->fallthrough();
  stats->callback([&context] { context.action = [&context] { return ShowStats(context); }; });
  AddList(*delay, context);
  AddCancel(*delay, context);
}

}  // namespace mansio::command
