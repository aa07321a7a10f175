#include "client/command/message_receive.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "client/command/message_views.h"
#include "client/lib/simple_consumer.h"

namespace mansio::command {
namespace {

constexpr int kLargestBatch = 32;  // what brokers give at a time
// The invisible times that brokers take (RocketMQ 5 API).
constexpr absl::Duration kLeastInvisible = absl::Seconds(10);
constexpr absl::Duration kMostInvisible = absl::Hours(12);

// For people: only what fits on a line, the body last.
Json MessageRow(const client::ReceivedMessage& message) {
  const std::string offset =
      fmt::format("{}/{}/{}", message.broker, message.queue_id, message.queue_offset);
  Json row = {{"message_id", message.message_id},
              {"broker/queue/offset", offset},
              {"attempt", message.delivery_attempt},
              {"tag", message.tag},
              {"keys", message.keys}};
  row["body"] = message.corrupted ? "(corrupted) " + message.body : message.body;
  return row;
}

absl::StatusOr<std::vector<client::ReceivedMessage>> ReceiveAll(client::SimpleConsumer& consumer,
                                                                const ReceiveArguments& arguments) {
  absl::StatusOr<int> sources = consumer.Sources();
  if (!sources.ok()) return sources.status();
  std::vector<client::ReceivedMessage> all;
  int empty_in_a_row = 0;
  while (static_cast<int>(all.size()) < arguments.max && empty_in_a_row < *sources) {
    const int wanted = std::min(arguments.max - static_cast<int>(all.size()), kLargestBatch);
    auto batch = consumer.Receive(wanted, arguments.invisible, arguments.wait);
    if (!batch.ok() && all.empty()) return batch.status();
    if (!batch.ok()) break;  // What has come is shown rather than lost.
    empty_in_a_row = batch->empty() ? empty_in_a_row + 1 : 0;
    for (client::ReceivedMessage& message : *batch) {
      all.push_back(std::move(message));
    }
  }
  return all;
}

void PrintMessages(const Context& context, const std::vector<client::ReceivedMessage>& messages,
                   bool raw) {
  if (raw) {
    for (const client::ReceivedMessage& message : messages) *context.out << message.body << "\n";
    return;
  }
  Json rows = Json::array();
  for (const client::ReceivedMessage& message : messages) {
    rows.push_back(context.format == Format::kTable ? MessageRow(message) : MessageJson(message));
  }
  context.Print(rows);
}

// What a client leaves unsettled comes again as soon as it is gone. A time that it has named lives
// on without it.
absl::Status Settle(client::SimpleConsumer& consumer, const ReceiveArguments& arguments,
                    client::ReceivedMessage& message) {
  switch (arguments.then) {
    case AfterReceive::kAck:
      return consumer.Ack(message);
    case AfterReceive::kHold:
      return consumer.ChangeInvisible(message, arguments.invisible);
    case AfterReceive::kGiveBack:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

int ReceiveMessages(const Context& context, const ReceiveArguments& arguments) {
  if (arguments.invisible < kLeastInvisible || arguments.invisible > kMostInvisible) {
    return FailUsage(context,
                     fmt::format("--invisible {}: messages can be hidden for 10 s to 12 h",
                                 absl::FormatDuration(arguments.invisible)),
                     "--give-back lets them come again at once");
  }
  auto consumer = client::SimpleConsumer::Create(context.client, arguments.group);
  if (!consumer.ok()) return Fail(context, consumer.status());
  if (absl::Status s = (*consumer)->Subscribe(arguments.topic, arguments.filter); !s.ok()) {
    return Fail(context, s);
  }
  auto messages = ReceiveAll(**consumer, arguments);
  if (!messages.ok()) return Fail(context, messages.status());
  PrintMessages(context, *messages, arguments.raw);
  context.out->flush();  // Shown first, acknowledged then: a broken pipe loses no message.
  if (!context.out->good()) return kFailed;
  absl::Status first_error;
  for (client::ReceivedMessage& message : *messages) {
    absl::Status status = Settle(**consumer, arguments, message);
    if (first_error.ok()) first_error = std::move(status);
  }
  if (first_error.ok()) return kOk;
  Fail(context, first_error);
  return kPartial;
}

}  // namespace mansio::command
