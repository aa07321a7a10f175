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
                                        "Deliver after the delay of that level (normal and delay "
                                        "topics)")
                           ->check(CLI::Range(1, 64).description(""))
                           ->type_name("N");
  verb->add_option("--deliver-at", arguments->deliver_at,
                   "Deliver at that time (delay topics): 2030-01-31T09:00:00Z, or +90s from now")
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
  verb->add_flag("--ack,!--no-ack", arguments->ack,
                 "Acknowledge each message (default), or leave it to come again");
  verb->add_option(
          "--filter", arguments->filter,
          "Only these tags: \"a || b\"; * is all. The group passes over all others for good")
      ->type_name("TAGS")
      ->capture_default_str();
  verb->add_flag("--raw", arguments->raw, "Print only the bodies, one on each line");
  verb->footer(
      "Examples:\n"
      "  mansio message receive orders --group test\n"
      "  mansio message receive orders --group test --max 5 --no-ack --filter \"new || paid\"");
  verb->fallthrough();
  verb->callback([&context, arguments] {
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
                   "2026-01-31T12:00:00Z or 10m (ago)")
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
  verb->add_option("--filter", arguments->filter, "Only these tags: \"a || b\"; * is all")
      ->type_name("TAGS")
      ->capture_default_str();
  verb->add_flag("--raw", arguments->raw, "Print only the bodies, one on each line");
  verb->footer(
      "With -o json or yaml each message is a document of its own.\n"
      "Examples:\n"
      "  mansio message print orders --from 10m\n"
      "  mansio message print orders --from latest --follow");
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
