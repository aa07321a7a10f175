#include "client/command/group_positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/point.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

struct ResetArguments {
  std::string group;
  std::string topic;
  std::string to;
  std::optional<int> queue;
  bool yes = false;
};

// Whether to go on. A topic that the group has never consumed is probably a mistyped one: its
// position there could not be taken back.
bool MayReset(const Context& context, const ResetArguments& arguments,
              const v1::DescribeGroupResponse& group) {
  const auto& positions = group.positions();
  const bool known = std::any_of(
      positions.begin(), positions.end(),
      [&](const v1::GroupPosition& position) { return position.topic() == arguments.topic; });
  if (known) {
    return Agree(context, arguments.yes,
                 fmt::format("moves group {} on topic {} to {}", arguments.group, arguments.topic,
                             arguments.to));
  }
  const std::string never =
      fmt::format("group {} has never consumed topic {}", arguments.group, arguments.topic);
  if (context.in_is_terminal || arguments.yes) {
    return Agree(context, arguments.yes,
                 fmt::format("gives a position to a group for good: {}", never));
  }
  FailUsage(context, never, "add --yes to give it a position there all the same");
  return false;
}

void SetPoint(const Point& point, v1::ResetGroupRequest* request) {
  switch (point.kind) {
    case Point::Kind::kEarliest:
      return request->set_edge(v1::START_POLICY_EARLIEST);
    case Point::Kind::kLatest:
      return request->set_edge(v1::START_POLICY_LATEST);
    case Point::Kind::kOffset:
      return request->set_offset(point.offset);
    case Point::Kind::kTime:
      break;
  }
  const int64_t millis = absl::ToUnixMillis(point.time);
  request->mutable_time()->set_seconds(millis / 1000);
  request->mutable_time()->set_nanos(static_cast<int>(millis % 1000 * 1000000));
}

int ResetGroupPosition(const Context& context, const ResetArguments& arguments) {
  const auto point = ParsePoint(arguments.to, absl::Now());
  if (!point.ok()) {
    return FailUsage(context, std::string(point.status().message()),
                     "mansio group reset --help explains the command");
  }
  v1::ResetGroupRequest request;
  request.set_group(arguments.group);
  request.set_topic(arguments.topic);
  SetPoint(*point, &request);
  if (arguments.queue) request.set_queue_id(*arguments.queue);
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto group = (*admin)->DescribeGroup(arguments.group);
  if (!group.ok()) return Fail(context, group.status());
  if (!MayReset(context, arguments, *group)) return kUsage;
  auto response = (*admin)->ResetGroup(request);
  if (!response.ok()) return Fail(context, response.status());
  Json positions = Json::array();
  for (const v1::GroupPosition& position : response->positions()) {
    positions.push_back(PositionJson(position));
  }
  context.Print(positions);
  return ReportRefusals(context, response->results());
}

int SetGroupPaused(const Context& context, const std::string& name, bool paused) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const Json done = {{"name", name}, {"paused", paused}};
  const std::string sentence = fmt::format("{} group {}", paused ? "paused" : "resumed", name);
  if (paused) {
    auto response = (*admin)->PauseGroup(name);
    if (!response.ok()) return Fail(context, response.status());
    PrintDone(context, done, sentence);
    return ReportRefusals(context, response->results());
  }
  auto response = (*admin)->ResumeGroup(name);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(context, done, sentence);
  return ReportRefusals(context, response->results());
}

void AddPause(CLI::App& group, Context& context, bool pause) {
  auto name = std::make_shared<std::string>();
  CLI::App* verb = group.add_subcommand(
      pause ? "pause" : "resume",
      pause ? "Hand out nothing to a group until it is resumed; its consumers stay connected"
            : "Let a paused group go on");
  verb->add_option("NAME", *name, "The group")->required();
  verb->footer(fmt::format("Example:\n  mansio group {} billing", pause ? "pause" : "resume"));
  verb->fallthrough();
  verb->callback([&context, name, pause] {
    context.action = [&context, name, pause] { return SetGroupPaused(context, *name, pause); };
  });
}

}  // namespace

void AddGroupPositions(CLI::App& group, Context& context) {
  auto arguments = std::make_shared<ResetArguments>();
  CLI::App* reset = group.add_subcommand(
      "reset", "Let a group go on elsewhere in a topic, while its consumers are online");
  reset->add_option("NAME", arguments->group, "The group")->required();
  reset->add_option("--topic", arguments->topic, "The topic")->required()->type_name("TOPIC");
  reset
      ->add_option(
          "--to", arguments->to,
          "earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z, "
          "\"2026-01-31 12:00\" (local) or 10m (ago); an offset outside a queue means its nearest end")
      ->required()
      ->type_name("WHERE");
  reset->add_option("--queue", arguments->queue, "Only queues with this number")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->type_name("N");
  reset->add_flag("--yes", arguments->yes,
                  "Do not ask; also for a topic that the group has never consumed");
  reset->footer(
      "What the group's consumers hold of the topic, or wait to be given again, comes again from\n"
      "there, or not at all.\n"
      "Examples:\n"
      "  mansio group reset billing --topic orders --to 2h\n"
      "  mansio group reset billing --topic orders --to latest");
  reset->fallthrough();
  reset->callback([&context, arguments] {
    context.action = [&context, arguments] { return ResetGroupPosition(context, *arguments); };
  });
  AddPause(group, context, true);
  AddPause(group, context, false);
}

}  // namespace mansio::command
