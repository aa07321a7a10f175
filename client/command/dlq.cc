#include "client/command/dlq.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

Json LetterJson(const v1::DeadLetter& letter) {
  return {
      {"message_id", letter.message_id()},
      {"origin", fmt::format("{}/{}/{}", letter.topic(), letter.queue_id(), letter.queue_offset())},
      {"attempts", letter.attempts()},
      {"time", TimeText(letter.time())},
      {"reason", letter.reason()},
      {"resends", letter.resends()},
      {"broker", letter.broker()}};
}

absl::Time InstantOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

int ShowStats(const Context& context, const std::string& group) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DeadLetterStats(group);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::GroupDeadLetters& letters : response->groups()) {
    const absl::Duration age = InstantOf(response->answered()) - InstantOf(letters.oldest());
    rows.push_back({{"group", letters.group()},
                    {"broker", letters.broker()},
                    {"dead_letters", letters.count()},
                    {"oldest", TimeText(letters.oldest())},
                    {"oldest_age", absl::FormatDuration(absl::Trunc(age, absl::Seconds(1)))},
                    {"newest", TimeText(letters.newest())},
                    {"newest_reason", letters.newest_reason()}});
  }
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

int ListDeadLetters(const Context& context, const std::string& group, int limit) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListDeadLetters(group, limit);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::DeadLetter& letter : response->dead_letters()) rows.push_back(LetterJson(letter));
  context.Print(rows);
  if (response->total() > response->dead_letters_size()) {
    context.Say(fmt::format("these are the newest {} of {}; --limit shows more",
                            response->dead_letters_size(), response->total()));
  }
  return ReportRefusals(context, response->results());
}

int ShowDeadLetter(const Context& context, const std::string& group, const std::string& id) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeDeadLetter(group, id);
  if (!response.ok()) return Fail(context, response.status());
  const v1::DeadLetter& letter = response->dead_letter();
  const v2::SystemProperties& system = response->message().system_properties();
  Json value = LetterJson(letter);
  value["first_delivery"] = TimeText(letter.first_delivery());
  value["last_delivery"] = TimeText(letter.last_delivery());
  value["dlq_offset"] = letter.offset();
  value["tag"] = system.tag();
  value["keys"] = Json::array();
  for (const std::string& key : system.keys()) value["keys"].push_back(key);
  value["message_group"] = system.message_group();
  value["born_time"] = TimeText(system.born_timestamp());
  value["properties"] = Json::object();
  for (const auto& [key, text] : response->message().user_properties()) {
    value["properties"][key] = text;
  }
  AddBody(response->message(), &value);
  context.Print(value);
  return kOk;
}

}  // namespace

void AddDlq(CLI::App& app, Context& context) {
  CLI::App* dlq = app.add_subcommand(
      "dlq", "Look at, resend, save and delete the messages that groups have given up");
  dlq->require_subcommand(1)->fallthrough();

  auto group = std::make_shared<std::string>();
  CLI::App* stats =
      dlq->add_subcommand("stats", "Show which groups have dead letters, how many, and since when");
  stats->add_option("GROUP", *group, "Only this consumer group");
  stats->footer("Example:\n  mansio dlq stats");
  stats->fallthrough();
  stats->callback([&context, group] {
    context.action = [&context, group] { return ShowStats(context, *group); };
  });

  auto limit = std::make_shared<int>(50);
  CLI::App* list = dlq->add_subcommand("list", "List a group's dead letters, newest first");
  list->add_option("GROUP", *group, "The consumer group")->required();
  list->add_option("--limit", *limit, "At most so many")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  list->footer("Example:\n  mansio dlq list billing --limit 10");
  list->fallthrough();
  list->callback([&context, group, limit] {
    context.action = [&context, group, limit] { return ListDeadLetters(context, *group, *limit); };
  });

  auto id = std::make_shared<std::string>();
  CLI::App* show = dlq->add_subcommand("show", "Show one dead letter with its body");
  show->add_option("GROUP", *group, "The consumer group")->required();
  show->add_option("ID", *id, "The message id")->required();
  show->footer("Example:\n  mansio dlq show billing 01A2B3C4 -o json");
  show->fallthrough();
  show->callback([&context, group, id] {
    context.action = [&context, group, id] { return ShowDeadLetter(context, *group, *id); };
  });
  AddDlqMoves(*dlq, context);
  AddDlqFiles(*dlq, context);
}

}  // namespace mansio::command
