#include <fmt/format.h>

#include <memory>

#include "CLI/CLI.hpp"
#include "client/command/context.h"
#include "client/command/message_find.h"
#include "client/command/message_print.h"
#include "client/command/message_receive.h"
#include "client/command/message_send.h"

namespace mansio::command {
namespace {

void AddSend(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand("send", "Send messages to a topic");
  auto arguments = std::make_shared<SendArguments>();
  verb->add_option("TOPIC", arguments->topic, "The topic; it must exist")->required();
  CLI::Option* positional = verb->add_option("BODY", arguments->body,
                                             "The message's body; without it, each line of the "
                                             "standard input is a message");
  CLI::Option* body = verb->add_option("--body", arguments->body, "The same")->type_name("TEXT");
  CLI::Option* file =
      verb->add_option("--file", arguments->file, "Send the content of a file as one message")
          ->type_name("FILE");
  body->excludes(positional);
  file->excludes(body)->excludes(positional);
  verb->add_option("--tag", arguments->message.tag, "The message's tag, for filters")
      ->type_name("TAG");
  verb->add_option("--key", arguments->message.keys,
                   "A key, stored with the message; can be repeated")
      ->type_name("KEY")
      ->allow_extra_args(false);
  verb->add_option("--property", arguments->properties, "A user property; can be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  verb->add_option("--group", arguments->message.message_group,
                   "Message group: on a fifo topic, messages of one group stay in order")
      ->type_name("GROUP");
  CLI::Option* level = verb->add_option("--delay-level", arguments->message.delay_level,
                                        "Deliver after the delay of that level: 1 to 18 are 1s 5s "
                                        "10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h, "
                                        "unless delay.levels says otherwise; what is beyond the "
                                        "last is the last")
                           ->check(CLI::Range(1, 64).description(""))
                           ->type_name("N");
  verb->add_option("--deliver-at", arguments->deliver_at,
                   "Deliver at that time (delay topics): 2030-01-31T09:00:00Z, or +90s or +1d from "
                   "now")
      ->type_name("TIME")
      ->excludes(level);
  verb->add_option("--priority", arguments->message.priority,
                   "On a priority topic: 0 or more; higher ones are received first")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->type_name("N");
  verb->add_option("--count", arguments->count,
                   "Send the body that many times; {n} in it is replaced "
                   "by the number")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "Examples:\n"
      "  mansio message send orders \"hello\" --tag new --key order-17\n"
      "  mansio message send orders --body \"message {n}\" --count 100\n"
      "  mansio message send reminders \"wake up\" --deliver-at +90s\n"
      "  seq 1 10 | mansio message send orders");
  verb->fallthrough();
  verb->callback([&context, arguments, positional, body] {
    arguments->has_body = positional->count() + body->count() > 0;
    context.action = [&context, arguments] { return SendMessages(context, *arguments); };
  });
}

// Adds --filter and --sql. The group passes over what they leave out, or only the output does.
void AddFilter(CLI::App& verb, client::Filter* filter, const char* left_out) {
  CLI::Option* tags = verb.add_option_function<std::string>(
      "--filter", [filter](const std::string& text) { *filter = client::Filter(text); },
      fmt::format("Only these tags: \"a || b\"; * is all. {}", left_out));
  tags->type_name("TAGS")->default_str("*");
  verb.add_option_function<std::string>(
          "--sql", [filter](const std::string& text) { *filter = client::Filter::Sql(text); },
          "Only messages whose properties match: \"amount > 100 AND region = 'eu'\"")
      ->type_name("EXPRESSION")
      ->excludes(tags);
}

void AddReceive(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand("receive", "Receive messages of a topic for a group");
  auto arguments = std::make_shared<ReceiveArguments>();
  verb->add_option("TOPIC", arguments->topic, "The topic")->required();
  verb->add_option(
          "--group", arguments->group,
          "The consumer group; made at its first use. A new group sees the messages from before "
          "only where the topic is younger than 10 minutes")
      ->required()
      ->type_name("GROUP");
  verb->add_option("--max", arguments->max, "Stop after that many messages")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddDuration(
      *verb, "--wait", &arguments->wait,
      "How long to wait for a message; brokers wait at least 5 s and at most 20 s, whatever is "
      "asked");
  AddDuration(*verb, "--invisible", &arguments->invisible,
              "With --no-ack: after that time the messages come again (10 s to 12 h)");
  auto ack = std::make_shared<bool>(true);
  CLI::Option* no_ack = verb->add_flag("--ack,!--no-ack", *ack,
                                       "Acknowledge each message (default), or leave it hidden "
                                       "from the group for --invisible");
  auto give_back = std::make_shared<bool>(false);
  verb->add_flag("--give-back", *give_back,
                 "Leave the messages to come again as soon as the command has ended, as a consumer "
                 "that fails")
      ->excludes(no_ack);
  AddFilter(*verb, &arguments->filter, "The group passes over all others for good");
  verb->add_flag("--raw", arguments->raw, "Print only the bodies, one on each line");
  verb->footer(
      "A look is not free: each receive counts as one of the attempts that the group has for a\n"
      "message (group describe: max attempts), also with --no-ack and --give-back; after the last\n"
      "one it is a dead letter. mansio message print looks at a topic without moving any group.\n"
      "Examples:\n"
      "  mansio message receive orders --group test\n"
      "  mansio message receive orders --group test --max 5 --no-ack --invisible 1m\n"
      "  mansio message receive orders --group test --sql \"amount > 100\"");
  verb->fallthrough();
  verb->callback([&context, arguments, ack, give_back] {
    arguments->then = *give_back ? AfterReceive::kGiveBack
                      : *ack     ? AfterReceive::kAck
                                 : AfterReceive::kHold;
    context.action = [&context, arguments] { return ReceiveMessages(context, *arguments); };
  });
}

void AddPrint(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand(
      "print", "Print the messages of a topic as they stand in it; no group is moved by it");
  auto arguments = std::make_shared<PrintArguments>();
  verb->add_option("TOPIC", arguments->topic, "The topic")->required();
  verb->add_option("--from", arguments->from,
                   "Where to begin in each queue: earliest, latest, an offset, or a time such as "
                   "2026-01-31T12:00:00Z, \"2026-01-31 12:00\" (local) or 10m (ago)")
      ->type_name("WHERE")
      ->capture_default_str();
  verb->add_flag("-f,--follow", arguments->follow,
                 "At the end wait for further messages, until interrupted");
  verb->add_option("--queue", arguments->queue, "Only queues with this number")
      ->check(CLI::Range(0, 1 << 30).description(""))
      ->type_name("N");
  verb->add_option("--max", arguments->max, "Stop after that many messages")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("N");
  AddFilter(*verb, &arguments->filter, "All others are not printed");
  verb->add_flag("--raw", arguments->raw, "Print only the bodies, one on each line");
  verb->footer(
      "Messages of a queue come in their order, those of several queues mixed: not by time.\n"
      "With -o json or yaml each message is a document of its own.\n"
      "Examples:\n"
      "  mansio message print orders --from 10m\n"
      "  mansio message print orders --from latest --follow --sql \"region = 'eu'\"");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return PrintMessages(context, *arguments); };
  });
}

}  // namespace

void AddMessage(CLI::App& app, Context& context) {
  CLI::App* message = app.add_subcommand("message", "Send, receive, print and find messages");
  message->require_subcommand(1)->fallthrough();
  AddSend(*message, context);
  AddReceive(*message, context);
  AddPrint(*message, context);
  AddMessageGet(*message, context);
  AddMessageQuery(*message, context);
  AddMessageTrace(*message, context);
}

}  // namespace mansio::command
