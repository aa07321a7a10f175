#include "client/command/group_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/command/dlq.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

// "no-consumer", "fifo-head".
std::string CauseName(v1::GroupCause cause) {
  constexpr char kPrefix[] = "GROUP_CAUSE_";
  std::string name = v1::GroupCause_Name(cause);
  if (name.empty()) return fmt::format("cause {}", static_cast<int>(cause));
  name = absl::AsciiStrToLower(name.substr(sizeof(kPrefix) - 1));
  return absl::StrReplaceAll(name, {{"_", "-"}});
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json ExplanationJson(const v1::GroupExplanation& explanation) {
  return {{"cause", CauseName(explanation.cause())},
          {"topic", TextOrNull(explanation.topic())},
          {"broker", explanation.broker()},
          {"messages", explanation.messages()},
          {"client", TextOrNull(explanation.client_id())},
          {"until", TimeText(explanation.until())},
          {"message_group", TextOrNull(explanation.message_group())},
          {"queue", explanation.has_queue_id() ? Json(explanation.queue_id()) : Json()},
          {"text", explanation.text()}};
}

int ExplainGroup(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ExplainGroup(name);
  if (!response.ok()) return Fail(context, response.status());
  if (context.format == Format::kTable) {
    // A sentence is not for a column.
    for (const v1::GroupExplanation& explanation : response->explanations()) {
      const std::string where = explanation.topic().empty() ? "" : " on " + explanation.topic();
      context.Say(fmt::format("{}{} (broker {})\n  {}", CauseName(explanation.cause()), where,
                              explanation.broker(), explanation.text()));
    }
  } else {
    Json rows = Json::array();
    for (const v1::GroupExplanation& explanation : response->explanations()) {
      rows.push_back(ExplanationJson(explanation));
    }
    context.Print(rows);
  }
  return ReportRefusals(context, response->results());
}

int ShowLag(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeGroup(name);
  if (!response.ok()) return Fail(context, response.status());
  const auto letters = LettersOf(**admin, name);
  if (!letters.ok()) return Fail(context, letters.status());
  struct Lag {
    int64_t ready = 0;
    int64_t in_flight = 0;
    int64_t to_retry = 0;
    int64_t queues = 0;
  };
  std::map<std::string, Lag> topics;
  for (const v1::GroupPosition& position : response->positions()) {
    if (position.client_away()) continue;  // it may never come again
    Lag& lag = topics[position.topic()];
    lag.ready += position.ready();
    lag.in_flight += position.leases() - position.backing_off();
    lag.to_retry += position.backing_off();
    ++lag.queues;
  }
  int64_t total = 0;
  Json rows = Json::array();
  for (const auto& [topic, lag] : topics) {
    rows.push_back({{"topic", topic},
                    {"queues", lag.queues},
                    {"ready", lag.ready},
                    {"in_flight", lag.in_flight},
                    {"to_retry", lag.to_retry},
                    {"lag", lag.ready + lag.in_flight + lag.to_retry}});
    total += lag.ready + lag.in_flight + lag.to_retry;
  }
  int64_t dead = 0;
  for (const v1::GroupDeadLetters& group : letters->stretches) dead += group.count();
  context.Print({{"group", name}, {"lag", total}, {"dead_letters", dead}, {"topics", rows}});
  if (topics.empty()) {
    context.Say(
        "It has no position yet: it begins where its start says, in the topics that its first "
        "consumer names.");
  }
  const int exit = ReportRefusals(context, response->results());
  return std::max(exit, ReportRefusals(context, letters->silent));
}

int ListGroupClients(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListClients(name);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::ClientDescription& client : response->clients()) {
    Json row = ClientJson(client);
    row.erase("group");
    rows.push_back(std::move(row));
  }
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

void AddView(CLI::App& group, Context& context, const char* verb, const char* description,
             std::function<int(const Context&, const std::string&)> run) {
  auto name = std::make_shared<std::string>();
  CLI::App* view = group.add_subcommand(verb, description);
  view->add_option("NAME", *name, "The group")->required();
  view->footer(fmt::format("Example:\n  mansio group {} billing", verb));
  view->fallthrough();
  view->callback([&context, name, run = std::move(run)] {
    context.action = [&context, name, run] { return run(context, *name); };
  });
}

}  // namespace

void AddGroupViews(CLI::App& group, Context& context) {
  AddView(group, context, "why",
          "Say why a group does not get messages: what it waits for, on whom, and until when",
          ExplainGroup);
  AddView(group, context, "lag",
          "Show how far a group is behind, topic by topic: ready, in flight, to be retried",
          ShowLag);
  AddView(group, context, "clients", "List the consumers of a group that are alive",
          ListGroupClients);
}

}  // namespace mansio::command
