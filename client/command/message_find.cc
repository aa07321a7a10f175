#include "client/command/message_find.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/patience.h"
#include "client/command/point.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr char kHelpHint[] = "mansio message query --help explains the command";

bool IsCopy(const v1::FoundMessage& found) {
  return !found.origin_topic().empty() || found.has_due() || !found.group().empty();
}

// What a list shows of a message.
Json FoundJson(const v1::FoundMessage& found) {
  const auto& system = found.message().system_properties();
  Json value = {{"stored", TimeText(system.store_timestamp())},
                {"message_id", system.message_id()},
                {"topic", found.message().topic().name()},
                {"broker", found.broker()},
                {"queue", system.queue_id()},
                {"queue_offset", system.queue_offset()},
                {"tag", system.tag()},
                {"keys", absl::StrJoin(system.keys(), " ")},
                {"bytes", found.body_bytes()}};
  return value;
}

// All there is.
Json FullJson(const v1::FoundMessage& found) {
  const auto& system = found.message().system_properties();
  Json value = FoundJson(found);
  value["keys"] = Json::array();
  for (const std::string& key : system.keys()) value["keys"].push_back(key);
  value["message_group"] = system.message_group();
  value["born_time"] = TimeText(system.born_timestamp());
  value["born_host"] = system.born_host();
  if (IsCopy(found)) {
    value["origin"] = fmt::format("{}/{}/{}", found.origin_topic(), found.origin_queue_id(),
                                  found.origin_offset());
    value["group"] = found.group();
    value["attempts"] = found.attempts();
    value["due"] = TimeText(found.due());
    value["reason"] = found.reason();
  }
  value["properties"] = Json::object();
  for (const auto& [key, text] : found.message().user_properties()) {
    value["properties"][key] = text;
  }
  AddBody(found.message(), &value);
  return value;
}

// "topic/queue/offset", if it is that; an id has no slash.
std::optional<v1::GetMessageRequest> PlaceOf(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  v1::GetMessageRequest request;
  int32_t queue = 0;
  int64_t offset = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &queue) ||
      !absl::SimpleAtoi(parts[2], &offset)) {
    return std::nullopt;
  }
  request.set_topic(parts[0]);
  request.set_queue_id(queue);
  request.set_offset(offset);
  return request;
}

void WarnOfMissing(const Context& context, int64_t bytes) {
  if (bytes == 0) return;
  context.Say(fmt::format(
      "The index of {} MiB of log is still being made: there may be more. Try again soon.",
      bytes / (1 << 20) + 1));
}

absl::Status NotFound(const std::string& what, int64_t unindexed) {
  return absl::NotFoundError(fmt::format(
      "no broker has {}{}", what,
      unindexed > 0 ? "; the index of a part of the log is still being made, try again soon"
                    : "; retention may have removed it"));
}

int NotAllSeen(const Context& context, const std::string& id) {
  PrintError(
      context, CodeName(v2::MULTIPLE_RESULTS),
      fmt::format("not all that may be the message with the id {} was looked at", id),
      fmt::format("say when it was: mansio message query --id {} --from TIME --until TIME", id));
  return kPartial;
}

int GetMessage(const Context& context, const std::string& what, const std::string& broker) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  std::optional<v1::FoundMessage> found;
  if (std::optional<v1::GetMessageRequest> place = PlaceOf(what)) {
    if (!broker.empty()) place->add_brokers(broker);
    const auto response = (*admin)->GetMessage(*place);
    if (!response.ok()) return Fail(context, response.status());
    if (response->messages_size() > 1) {
      return FailUsage(context,
                       fmt::format("{} brokers have a message there", response->messages_size()),
                       "say which one with --broker; mansio topic describe shows them");
    }
    if (response->messages_size() == 1) found = response->messages(0);
  } else {
    v1::QueryMessagesRequest request;
    request.set_message_id(what);
    request.set_copies(true);
    request.set_with_bodies(true);
    request.set_limit(100);
    const auto response = AskPatiently([&] { return (*admin)->QueryMessages(request); });
    if (!response.ok()) return Fail(context, response.status());
    // The message itself rather than a copy that a broker keeps.
    for (const v1::FoundMessage& message : response->messages()) {
      if (!broker.empty() && message.broker() != broker) continue;
      if (!found || IsCopy(*found)) found = message;
    }
    if (!found) {
      if (const int exit = ReportRefusals(context, response->results()); exit != kOk) return exit;
      if (response->more()) return NotAllSeen(context, what);
      return Fail(context, NotFound(fmt::format("a message with the id {}", what),
                                    response->unindexed_bytes()));
    }
  }
  if (!found) return Fail(context, NotFound(fmt::format("a message at {}", what), 0));
  context.Print(FullJson(*found));
  return kOk;
}

struct QueryArguments {
  std::string key;
  std::string id;
  std::string topic;
  std::string from;
  std::string until;
  int limit = 32;
  bool copies = false;
};

absl::StatusOr<absl::Time> TimeArgument(const std::string& text) {
  const auto point = ParsePoint(text, absl::Now());
  if (!point.ok()) return point.status();
  if (point->kind == Point::Kind::kTime) return point->time;
  return absl::InvalidArgumentError(
      fmt::format("'{}' is no time; write one such as 2026-01-31T12:00:00Z, or how long ago, such "
                  "as 10m",
                  text));
}

absl::Status SetTime(const std::string& text, google::protobuf::Timestamp* to) {
  const auto time = TimeArgument(text);
  if (!time.ok()) return time.status();
  const int64_t ms = absl::ToUnixMillis(*time);
  to->set_seconds(ms / 1000);
  to->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
  return absl::OkStatus();
}

// A broker gives the newest, and looks at some thousand messages with a key at most.
std::string HowToGoOn(const v1::QueryMessagesResponse& response) {
  if (response.messages().empty()) {
    return "Not all that may have the key were looked at, they are too many: say more of when it "
           "was, with --from and --until, or in which topic, with --topic.";
  }
  // Not before the oldest: others may have the same time.
  google::protobuf::Timestamp until =
      response.messages().rbegin()->message().system_properties().store_timestamp();
  const int64_t ms = until.seconds() * 1000 + until.nanos() / 1000000 + 1;
  until.set_seconds(ms / 1000);
  until.set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
  return fmt::format("There may be older ones: raise --limit, or go on with --until {}.",
                     TimeText(until).get<std::string>());
}

// A broker without the topic has refused nothing.
BrokerResults Refusals(const BrokerResults& results) {
  BrokerResults refusals;
  for (const v1::BrokerResult& result : results) {
    if (result.status().code() != v2::TOPIC_NOT_FOUND) *refusals.Add() = result;
  }
  return refusals;
}

int QueryMessages(const Context& context, const QueryArguments& arguments) {
  v1::QueryMessagesRequest request;
  request.set_key(arguments.key);
  request.set_message_id(arguments.id);
  request.set_topic(arguments.topic);
  request.set_limit(arguments.limit);
  request.set_copies(arguments.copies);
  if (!arguments.from.empty()) {
    if (absl::Status s = SetTime(arguments.from, request.mutable_from()); !s.ok()) {
      return FailUsage(context, std::string(s.message()), kHelpHint);
    }
  }
  if (!arguments.until.empty()) {
    if (absl::Status s = SetTime(arguments.until, request.mutable_until()); !s.ok()) {
      return FailUsage(context, std::string(s.message()), kHelpHint);
    }
  }
  if (arguments.key.empty() && arguments.id.empty() && arguments.topic.empty()) {
    return FailUsage(context, "nothing says what to look for", "give --key, --id or --topic");
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto response = (*admin)->QueryMessages(request);
  if (!response.ok()) return Fail(context, response.status());
  Json list = Json::array();
  for (const v1::FoundMessage& found : response->messages()) list.push_back(FoundJson(found));
  context.Print(list);
  if (response->more()) context.Say(HowToGoOn(*response));
  WarnOfMissing(context, response->unindexed_bytes());
  return ReportRefusals(context, Refusals(response->results()));
}

Json EventJson(const std::string& broker, const v1::TraceEvent& event) {
  return {{"time", TimeText(event.time())}, {"what", event.what()},
          {"topic", event.topic()},         {"broker", broker},
          {"queue", event.queue_id()},      {"queue_offset", event.offset()},
          {"group", event.group()},         {"client", event.client()},
          {"detail", event.detail()}};
}

// One broker's part of a trace, read on until its log ends or the bound is reached.
absl::StatusOr<v1::MessageTrace> ReadOn(client::AdminClient& admin, const std::string& id,
                                        v1::MessageTrace trace, int64_t max_bytes) {
  const int64_t begin = trace.next();
  while (!trace.done() && trace.next() - begin < max_bytes) {
    v1::TraceMessageRequest request;
    request.set_message_id(id);
    request.add_brokers(trace.broker());
    request.set_next(trace.next());
    const auto response = AskPatiently([&] { return admin.TraceMessage(request); });
    if (!response.ok()) return response.status();
    if (response->traces_size() == 0) break;
    const v1::MessageTrace& more = response->traces(0);
    trace.mutable_events()->MergeFrom(more.events());
    trace.mutable_damaged()->MergeFrom(more.damaged());
    trace.set_next(more.next());
    trace.set_done(more.done());
    trace.set_rest_bytes(more.rest_bytes());
    if (more.has_read_until()) *trace.mutable_read_until() = more.read_until();
  }
  return trace;
}

int TraceMessage(const Context& context, const std::string& id, int64_t max_mib) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  v1::TraceMessageRequest request;
  request.set_message_id(id);
  const auto response = AskPatiently([&] { return (*admin)->TraceMessage(request); });
  if (!response.ok()) return Fail(context, response.status());
  Json events = Json::array();
  std::vector<std::string> stopped;
  for (const v1::MessageTrace& first : response->traces()) {
    const auto trace = ReadOn(**admin, id, first, max_mib << 20);
    if (!trace.ok()) return Fail(context, trace.status());
    for (const v1::TraceEvent& event : trace->events()) {
      events.push_back(EventJson(trace->broker(), event));
    }
    for (const std::string& damage : trace->damaged()) {
      stopped.push_back(fmt::format("On {}, {}.", trace->broker(), damage));
    }
    if (trace->done()) continue;
    stopped.push_back(
        fmt::format("The log of {} was read until {}, and {} MiB were not: --max-mib reads more.",
                    trace->broker(), TimeText(trace->read_until()).get<std::string>(),
                    trace->rest_bytes() / (1 << 20) + 1));
  }
  context.Print(events);
  for (const std::string& sentence : stopped) context.Say(sentence);
  const int refused = ReportRefusals(context, response->results());
  return stopped.empty() ? refused : kPartial;
}

}  // namespace

void AddMessageGet(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand("get", "Show one message, by its id or its place");
  auto what = std::make_shared<std::string>();
  auto broker = std::make_shared<std::string>();
  verb->add_option("MESSAGE", *what, "A message id, or TOPIC/QUEUE/OFFSET")->required();
  verb->add_option("--broker", *broker, "Only the message of this broker")->type_name("NAME");
  verb->footer(
      "Examples:\n"
      "  mansio message get 01A2B3C4D5E6F70000000102030405060708\n"
      "  mansio message get orders/3/1042 -o json");
  verb->fallthrough();
  verb->callback([&context, what, broker] {
    context.action = [&context, what, broker] { return GetMessage(context, *what, *broker); };
  });
}

void AddMessageQuery(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand(
      "query", "List messages by key, by id, or of a topic by time, newest first");
  auto arguments = std::make_shared<QueryArguments>();
  CLI::Option* key =
      verb->add_option("--key", arguments->key, "Messages with this key")->type_name("KEY");
  verb->add_option("--id", arguments->id, "Messages with this id")->type_name("ID")->excludes(key);
  verb->add_option("--topic", arguments->topic, "Only messages of this topic")->type_name("TOPIC");
  verb->add_option("--from", arguments->from,
                   "Stored then or later: a time such as 2026-01-31T12:00:00Z, or 10m (ago)")
      ->type_name("TIME");
  verb->add_option("--until", arguments->until, "Stored before that")->type_name("TIME");
  verb->add_option("--limit", arguments->limit, "At most so many")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->add_flag("--copies", arguments->copies,
                 "Without --topic: also what brokers keep for themselves: delayed and half "
                 "messages, retries, dead letters");
  verb->footer(
      "Examples:\n"
      "  mansio message query --key order-17\n"
      "  mansio message query --topic orders --from 2h --until 1h --limit 100");
  verb->fallthrough();
  verb->callback([&context, arguments] {
    context.action = [&context, arguments] { return QueryMessages(context, *arguments); };
  });
}

void AddMessageTrace(CLI::App& message, Context& context) {
  CLI::App* verb = message.add_subcommand(
      "trace", "Show what happened to a message: stored, delivered, acknowledged, retried");
  auto id = std::make_shared<std::string>();
  auto max_mib = std::make_shared<int64_t>(1024);
  verb->add_option("ID", *id, "The message's id")->required();
  verb->add_option("--max-mib", *max_mib,
                   "Read at most about so much log of each broker, from the message on")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "Exit code 6: not all of the log was read.\n"
      "Example:\n"
      "  mansio message trace 01A2B3C4D5E6F70000000102030405060708");
  verb->fallthrough();
  verb->callback([&context, id, max_mib] {
    context.action = [&context, id, max_mib] { return TraceMessage(context, *id, *max_mib); };
  });
}

}  // namespace mansio::command
