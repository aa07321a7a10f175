#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/command/topic_brokers.h"
#include "client/command/topic_route.h"
#include "client/lib/admin_client.h"
#include "client/lib/wire.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

// What can be altered later, too.
struct ConsumptionArguments {
  std::optional<absl::Duration> ttl;
  std::string expired;         // empty: not given
  std::string priority_guard;  // the same
  std::optional<int64_t> max_backlog;
  std::string overflow;  // the same
};

// Settings of the topic's own for check-backs; the broker refuses them for other types.
struct CheckBackArguments {
  std::optional<absl::Duration> first;
  std::optional<absl::Duration> interval;
  std::optional<int> max;
};

struct TopicArguments {
  std::string name;
  ConsumptionArguments consumption;
  CheckBackArguments checks;
  std::string type = "normal";
  int queues = 0;
  std::vector<std::string> brokers;  // of a creation; empty: all
  BrokerChange change;               // of an alteration
};

void SetChecks(const CheckBackArguments& checks, v1::TopicInfo* topic) {
  if (checks.first) {
    client::SetDuration(*checks.first, topic->mutable_check_back()->mutable_first_check());
  }
  if (checks.interval) {
    client::SetDuration(*checks.interval, topic->mutable_check_back()->mutable_interval());
  }
  if (checks.max) topic->mutable_check_back()->set_max_checks(*checks.max);
}

void SetChecks(const CheckBackArguments& checks, v1::AlterTopicRequest* change) {
  if (checks.first) client::SetDuration(*checks.first, change->mutable_first_check());
  if (checks.interval) client::SetDuration(*checks.interval, change->mutable_check_interval());
  if (checks.max) change->set_max_checks(*checks.max);
}

v1::OverflowPolicy OverflowOf(std::string_view overflow) {
  if (overflow == "drop-oldest") return v1::OVERFLOW_POLICY_DROP_OLDEST;
  if (overflow == "dead-letter") return v1::OVERFLOW_POLICY_DEAD_LETTER;
  return v1::OVERFLOW_POLICY_REFUSE;
}

// Works for TopicInfo and AlterTopicRequest; what was not given stays unset.
template <typename Proto>
void SetConsumption(const ConsumptionArguments& arguments, Proto* topic) {
  if (arguments.ttl.has_value()) client::SetDuration(*arguments.ttl, topic->mutable_ttl());
  if (!arguments.expired.empty()) {
    topic->set_expired(arguments.expired == "dead-letter" ? v1::EXPIRED_POLICY_DEAD_LETTER
                                                          : v1::EXPIRED_POLICY_SKIP);
  }
  if (!arguments.priority_guard.empty()) {
    topic->set_priority_guard(arguments.priority_guard == "on");
  }
  if (arguments.max_backlog.has_value()) topic->set_max_backlog(*arguments.max_backlog);
  if (!arguments.overflow.empty()) topic->set_overflow(OverflowOf(arguments.overflow));
}

int CreateTopic(const Context& context, const TopicArguments& arguments) {
  v1::TopicInfo topic;
  topic.set_name(arguments.name);
  topic.set_queues(arguments.queues);
  if (arguments.type == "normal") {
    topic.set_message_type(v2::NORMAL);
  } else if (arguments.type == "fifo") {
    topic.set_message_type(v2::FIFO);
  } else if (arguments.type == "delay") {
    topic.set_message_type(v2::DELAY);
  } else if (arguments.type == "transaction") {
    topic.set_message_type(v2::TRANSACTION);
  } else if (arguments.type == "priority") {
    topic.set_message_type(v2::PRIORITY);
  } else {
    topic.set_mixed(true);
  }
  SetChecks(arguments.checks, &topic);
  SetConsumption(arguments.consumption, &topic);
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->CreateTopic(topic, arguments.brokers);
  if (!response.ok()) return Fail(context, response.status());
  const v1::TopicInfo& made = response->topic();
  PrintDone(context, TopicJson(made),
            fmt::format("{}: type {}, {} queues on each broker",
                        MadeText("topic", made.name(), response->existed()), TypeName(made),
                        made.queues()));
  return ReportRefusals(context, response->results());
}

int AlterBrokers(const Context& context, const TopicArguments& arguments) {
  BrokerChange change = arguments.change;
  change.topic = arguments.name;
  if (!change.add.empty() && !change.drain.empty()) {
    return FailUsage(context, "one broker is added or drained at a time",
                     "give --add-broker first, and --drain-broker when it is done");
  }
  return ChangeBrokers(context, change);
}

int AlterTopic(const Context& context, const TopicArguments& arguments) {
  v1::AlterTopicRequest change;
  change.set_name(arguments.name);
  SetConsumption(arguments.consumption, &change);
  SetChecks(arguments.checks, &change);
  v1::AlterTopicRequest nothing;
  nothing.set_name(arguments.name);
  const bool of_settings = change.SerializeAsString() != nothing.SerializeAsString();
  const bool of_brokers = !arguments.change.add.empty() || !arguments.change.drain.empty();
  if (of_brokers && !of_settings) return AlterBrokers(context, arguments);
  if (of_brokers) {
    return FailUsage(context, "brokers and settings are changed one after the other",
                     "give --add-broker or --drain-broker in a command of its own");
  }
  if (!of_settings) {
    return FailUsage(context, "there is nothing to change",
                     "give one of the options; a topic's type and queues stay as they are");
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->AlterTopic(change);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(context, TopicJson(response->topic()), fmt::format("altered topic {}", arguments.name));
  return ReportRefusals(context, response->results());
}

int ListTopics(const Context& context, bool system) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListTopics(system);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::TopicOverview& overview : response->topics()) {
    Json row = TopicJson(overview.topic());
    row["brokers"] = Json::array();
    for (const std::string& broker : overview.brokers()) row["brokers"].push_back(broker);
    rows.push_back(std::move(row));
  }
  context.Print(rows);
  return kOk;
}

int DescribeTopic(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeTopic(name);
  if (!response.ok()) return Fail(context, response.status());
  Json value = TopicJson(response->topic());
  value["created"] = TimeText(response->created());
  int64_t messages = 0;
  Json queues = Json::array();
  for (const v1::QueueStats& queue : response->queues()) {
    const int64_t held = queue.next_offset() - queue.min_offset();
    messages += held;
    queues.push_back({{"broker", queue.broker()},
                      {"queue", queue.queue_id()},
                      {"min_offset", queue.min_offset()},
                      {"next_offset", queue.next_offset()},
                      {"messages", held}});
  }
  value["messages"] = messages;
  value["queue_offsets"] = std::move(queues);
  context.Print(value);
  return ReportRefusals(context, response->results());
}

int ShowTopicStats(const Context& context, const std::string& name) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeTopic(name);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::QueueStats& queue : response->queues()) {
    if (rows.empty() || rows.back()["broker"] != queue.broker()) {
      rows.push_back({{"broker", queue.broker()},
                      {"permission", PermissionName(queue.permission())},
                      {"queues", 0},
                      {"messages", 0},
                      {"ever_stored", 0}});
    }
    Json& row = rows.back();
    row["queues"] = row["queues"].get<int64_t>() + 1;
    row["messages"] = row["messages"].get<int64_t>() + queue.next_offset() - queue.min_offset();
    row["ever_stored"] = row["ever_stored"].get<int64_t>() + queue.next_offset();
  }
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

int DeleteTopic(const Context& context, const std::string& name, bool yes) {
  if (!Confirm(context, yes, fmt::format("the topic {} with all its messages", name), name)) {
    return kUsage;
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DeleteTopic(name);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(context, {{"name", name}, {"deleted", true}}, fmt::format("deleted topic {}", name));
  return ReportRefusals(context, response->results());
}

void AddRoute(CLI::App& topic, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* route =
      topic.add_subcommand("route", "Show what clients are told: the queues, and where they are");
  route->add_option("NAME", *name, "The topic")->required();
  route->footer("Example:\n  mansio topic route orders --endpoint 127.0.0.1:9876");
  route->fallthrough();
  route->callback([&context, name] {
    context.action = [&context, name] { return ShowTopicRoute(context, *name); };
  });
}

void AddConsumption(CLI::App& verb, ConsumptionArguments* arguments) {
  verb.add_option_function<std::string>(
          "--ttl",
          [arguments](const std::string& text) { arguments->ttl = IntervalOf("--ttl", text); },
          "How long a message can be consumed; 0: without limit. Less where its property "
          "mansio-ttl-ms says so")
      ->type_name("DURATION");
  OneOf(verb.add_option("--expired", arguments->expired,
                        "What becomes of a message that was not consumed in that time: skip, or "
                        "dead-letter (of each group)"),
        {"skip", "dead-letter"});
  OneOf(verb.add_option("--priority-guard", arguments->priority_guard,
                        "priority: on keeps low priorities from starving: one receive in eight "
                        "serves them in turn"),
        {"on", "off"});
  verb.add_option("--max-backlog", arguments->max_backlog,
                  "The most messages that the slowest group has before it; 0: no limit")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N");
  OneOf(verb.add_option("--overflow", arguments->overflow,
                        "And beyond it: refuse sends (default), drop-oldest, or dead-letter: move "
                        "the oldest to the group's dead letters"),
        {"refuse", "drop-oldest", "dead-letter"});
}

void AddChecks(CLI::App& verb, CheckBackArguments* checks) {
  verb.add_option_function<std::string>(
          "--first-check",
          [checks](const std::string& text) { checks->first = IntervalOf("--first-check", text); },
          "transaction: ask the producer about an undecided message after this long")
      ->type_name("DURATION");
  verb.add_option_function<std::string>(
          "--check-interval",
          [checks](const std::string& text) {
            checks->interval = IntervalOf("--check-interval", text);
          },
          "transaction: and again after this long")
      ->type_name("DURATION");
  verb.add_option("--max-checks", checks->max,
                  "transaction: roll an undecided message back after so many checks. 0, as for the "
                  "two before: what the broker is configured with")
      ->check(CLI::Range(0, 1000).description(""))
      ->type_name("N");
}

void AddAlterTopic(CLI::App& topic, Context& context) {
  CLI::App* verb = topic.add_subcommand("alter", "Change the settings of a topic");
  auto arguments = std::make_shared<TopicArguments>();
  verb->add_option("NAME", arguments->name, "The topic")->required();
  AddConsumption(*verb, &arguments->consumption);
  AddChecks(*verb, &arguments->checks);
  verb->add_option("--add-broker", arguments->change.add,
                   "Have queues on this broker, too; message groups move to it when FIFO consumers "
                   "have finished what is there")
      ->type_name("BROKER");
  verb->add_option("--drain-broker", arguments->change.drain,
                   "Send nothing to this broker any more; consumers finish what it has")
      ->type_name("BROKER");
  AddDuration(*verb, "--wait", &arguments->change.wait,
              "With these two: how long FIFO consumers get to finish");
  verb->add_flag("--force", arguments->change.force,
                 "With these two: do not wait; message groups may come out of order");
  verb->footer(
      "Examples:\n  mansio topic alter quotes --ttl 30s --expired dead-letter\n"
      "  mansio topic alter payments --max-backlog 1000000 --overflow refuse\n"
      "  mansio topic alter payments --add-broker broker-c");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return AlterTopic(context, *arguments); };
  });
}

void AddCreateTopic(CLI::App& topic, Context& context) {
  CLI::App* verb = topic.add_subcommand("create", "Create a topic on every broker, or some");
  auto arguments = std::make_shared<TopicArguments>();
  verb->add_option("NAME", arguments->name, "Letters, digits, _, -, % and |; at most 127")
      ->required();
  OneOf(verb->add_option("--type", arguments->type,
                         "normal; fifo: messages of one message group stay in order; delay: "
                         "messages are delivered at their time; transaction: messages are visible "
                         "when their producer commits them; mixed: all of these; priority: higher "
                         "ones first"),
        {"normal", "fifo", "delay", "transaction", "priority", "mixed"})
      ->capture_default_str();
  verb->add_option("--queues", arguments->queues, "Queues on each broker (the broker's default: 8)")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->type_name("N");
  verb->add_option("--brokers", arguments->brokers, "Only on these, separated by commas")
      ->delimiter(',')
      ->type_name("BROKER,...");
  AddChecks(*verb, &arguments->checks);
  AddConsumption(*verb, &arguments->consumption);
  verb->footer("Example:\n  mansio topic create payments --type fifo --queues 4");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return CreateTopic(context, *arguments); };
  });
}

}  // namespace

void AddTopic(CLI::App& app, Context& context) {
  CLI::App* topic = app.add_subcommand("topic", "Create, look at, alter and delete topics");
  topic->require_subcommand(1)->fallthrough();
  AddCreateTopic(*topic, context);
  AddAlterTopic(*topic, context);

  CLI::App* list = topic->add_subcommand("list", "List the topics and the brokers that have them");
  auto system = std::make_shared<bool>(false);
  list->add_flag("--system", *system, "Also the retry and dead-letter topics of groups");
  list->footer("Example:\n  mansio topic list -o json");
  list->fallthrough();
  list->callback([&context, system] {
    context.action = [&context, system] { return ListTopics(context, *system); };
  });

  auto name = std::make_shared<std::string>();
  CLI::App* describe =
      topic->add_subcommand("describe", "Show a topic and the offsets of its queues");
  describe->add_option("NAME", *name, "The topic")->required();
  describe->footer("Example:\n  mansio topic describe payments");
  describe->fallthrough();
  describe->callback([&context, name] {
    context.action = [&context, name] { return DescribeTopic(context, *name); };
  });

  CLI::App* stats = topic->add_subcommand("stats", "Show how many messages each broker holds");
  stats->add_option("NAME", *name, "The topic")->required();
  stats->footer("Example:\n  mansio topic stats orders");
  stats->fallthrough();
  stats->callback([&context, name] {
    context.action = [&context, name] { return ShowTopicStats(context, *name); };
  });

  AddRoute(*topic, context);

  auto yes = std::make_shared<bool>(false);
  CLI::App* remove = topic->add_subcommand("delete", "Delete a topic with all its messages");
  remove->add_option("NAME", *name, "The topic")->required();
  remove->add_flag("--yes", *yes, "Do not ask");
  remove->footer("Example:\n  mansio topic delete payments --yes");
  remove->fallthrough();
  remove->callback([&context, name, yes] {
    context.action = [&context, name, yes] { return DeleteTopic(context, *name, *yes); };
  });
}

}  // namespace mansio::command
