#include "client/command/admin_views.h"

#include <fmt/format.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "client/lib/body.h"
#include "common/backoff/backoff.h"
#include "common/names/utf8.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kMaxShownBody = 64u << 20;  // of a body that is unpacked to be shown

const char* ModeName(const v1::GroupInfo& group) {
  if (group.fifo()) return group.broadcast() ? "fifo broadcast" : "fifo";
  return group.broadcast() ? "broadcast" : "normal";
}

const char* StartName(v1::StartPolicy start) {
  switch (start) {
    case v1::START_POLICY_EARLIEST:
      return "earliest";
    case v1::START_POLICY_LATEST:
      return "latest";
    default:
      return "default";
  }
}

Json SpanOrNull(const google::protobuf::Duration& span) {
  const absl::Duration value = absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos());
  return value > absl::ZeroDuration() ? Json(absl::FormatDuration(value)) : Json();
}

// "1s,5s,10s", or "exponential 5s to 2h, x2".
std::string BackoffText(const v1::GroupInfo& group) {
  const Backoff backoff = BackoffFromWire(group.backoff()).value_or(Backoff::Default());
  if (const auto& growing = backoff.exponential) {
    return fmt::format("exponential {} to {}, x{}", absl::FormatDuration(growing->initial),
                       absl::FormatDuration(growing->max), growing->multiplier);
  }
  std::string text;
  for (const absl::Duration step : backoff.steps) {
    text += (text.empty() ? "" : ",") + absl::FormatDuration(step);
  }
  return text;
}

}  // namespace

std::string PermissionName(v2::Permission permission) {
  switch (permission) {
    case v2::READ:
      return "read";
    case v2::WRITE:
      return "write";
    case v2::NONE:
      return "none";
    default:
      return "read+write";
  }
}

std::string TypeName(v2::MessageType type) {
  if (type == v2::MESSAGE_TYPE_UNSPECIFIED) return "normal";
  return absl::AsciiStrToLower(v2::MessageType_Name(type));
}

Json TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", TimeOf(time), absl::UTCTimeZone());
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Counted(int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string MadeText(std::string_view what, std::string_view name, bool existed) {
  return existed ? fmt::format("{} {} is there already", what, name)
                 : fmt::format("created {} {}", what, name);
}

absl::Status NoBroker() { return absl::UnavailableError(std::string(kNoBroker)); }

std::string TypeName(const v1::TopicInfo& topic) {
  return topic.mixed() ? "mixed" : TypeName(topic.message_type());
}

const char* OverflowName(v1::OverflowPolicy policy) {
  switch (policy) {
    case v1::OVERFLOW_POLICY_DROP_OLDEST:
      return "drop-oldest";
    case v1::OVERFLOW_POLICY_DEAD_LETTER:
      return "dead-letter";
    default:
      return "refuse";
  }
}

Json TopicJson(const v1::TopicInfo& topic) {
  Json value = {{"name", topic.name()},
                {"type", TypeName(topic)},
                {"queues", topic.queues()},
                {"permission", PermissionName(topic.permission())}};
  value["ttl"] = SpanOrNull(topic.ttl());
  value["expired"] = topic.expired() == v1::EXPIRED_POLICY_DEAD_LETTER ? "dead-letter" : "skip";
  if (topic.message_type() == v2::PRIORITY) value["priority_guard"] = topic.priority_guard();
  if (topic.max_backlog() > 0) {
    value["max_backlog"] = topic.max_backlog();
    value["overflow"] = OverflowName(topic.overflow());
  }
  if (topic.message_type() == v2::TRANSACTION || topic.mixed()) {
    const v1::CheckBackPolicy& own = topic.check_back();
    value["first_check"] = SpanOrNull(own.first_check());
    value["check_interval"] = SpanOrNull(own.interval());
    value["max_checks"] = own.max_checks() > 0 ? Json(own.max_checks()) : Json();
  }
  if (!topic.brokers().empty()) {
    value["message_group_brokers"] =
        std::vector<std::string>(topic.brokers().begin(), topic.brokers().end());
  }
  return value;
}

Json GroupJson(const v1::GroupInfo& group) {
  Json value = {{"name", group.name()}, {"mode", ModeName(group)}};
  value["max_attempts"] = group.max_attempts() > 0 ? Json(group.max_attempts()) : Json();
  value["backoff"] = BackoffText(group);
  value["start"] = StartName(group.start());
  value["paused"] = group.paused();
  return value;
}

Json PositionJson(const v1::GroupPosition& position) {
  Json value = {{"topic", position.topic()},
                {"broker", position.broker()},
                {"queue", position.queue_id()},
                {"ready", position.ready()},
                {"in_flight", position.leases()},
                {"cursor", position.cursor()},
                {"next_offset", position.next_offset()}};
  if (!position.client_id().empty()) value["client"] = position.client_id();
  return value;
}

Json ClientJson(const v1::ClientDescription& client) {
  const auto texts = [](const auto& list) {
    Json array = Json::array();
    for (const std::string& text : list) array.push_back(text);
    return array;
  };
  const absl::Duration silent =
      absl::Seconds(client.silent().seconds()) + absl::Nanoseconds(client.silent().nanos());
  return {{"client", client.id()},
          {"role", client.role()},
          {"group", client.group()},
          {"topics", texts(client.topics())},
          {"language", client.language()},
          {"version", client.version()},
          {"address", client.peer()},
          {"connected", client.connected()},
          {"silent", absl::FormatDuration(absl::Trunc(silent, absl::Seconds(1)))},
          {"brokers", texts(client.brokers())}};
}

void AddBody(const v2::Message& message, Json* value) {
  std::string body = message.body();
  if (message.system_properties().body_encoding() == v2::GZIP) {
    if (auto unpacked = client::Gunzip(body, kMaxShownBody); unpacked.ok())
      body = *std::move(unpacked);
  }
  if (IsValidUtf8(body)) {
    (*value)["body"] = std::move(body);
  } else {
    (*value)["body_base64"] = absl::Base64Escape(body);
  }
}

void PrintDone(const Context& context, const Json& value, const std::string& sentence) {
  if (context.format == Format::kTable) {
    context.Say(sentence);
  } else {
    context.Print(value);
  }
}

int ReportRefusals(const Context& context, const BrokerResults& results) {
  int exit = kOk;
  for (const v1::BrokerResult& result : results) {
    const absl::Status status = FromWire(result.status());
    if (status.ok()) continue;
    exit = kPartial;
    PrintError(context, CodeName(CodeOf(status)),
               fmt::format("broker {}: {}", result.broker(), std::string(status.message())),
               "the other brokers have done it; run the command again when this one can");
  }
  return exit;
}

}  // namespace mansio::command
