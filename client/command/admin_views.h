#ifndef MANSIO_CLIENT_COMMAND_ADMIN_VIEWS_H_
#define MANSIO_CLIENT_COMMAND_ADMIN_VIEWS_H_

#include <string>
#include <string_view>

#include "client/command/context.h"
#include "mansio/v1/admin.pb.h"

// How what mansio.v1 says is shown: field names and words that several commands share.
namespace mansio::command {

using BrokerResults = google::protobuf::RepeatedPtrField<v1::BrokerResult>;

// "normal", "fifo", …
std::string TypeName(apache::rocketmq::v2::MessageType type);
// RFC 3339 in UTC with milliseconds; null when unset.
Json TimeText(const google::protobuf::Timestamp& time);
absl::Time TimeOf(const google::protobuf::Timestamp& time);
// "1 message", "12 messages".
std::string Counted(int64_t count, std::string_view what);
// "created topic orders", or that it is there already.
std::string MadeText(std::string_view what, std::string_view name, bool existed);
// What a nameserver says that knows no broker.
absl::Status NoBroker();
// "normal", …, "mixed".
std::string TypeName(const v1::TopicInfo& topic);
std::string PermissionName(apache::rocketmq::v2::Permission permission);
// name, type, queues, permission, ttl (null: none), expired; of a priority topic also
// priority_guard, of one with a limit also max_backlog and overflow, of one that takes
// transactions also first_check, check_interval and max_checks (null: the broker's default), of one
// whose message groups are divided between brokers also message_group_brokers.
Json TopicJson(const v1::TopicInfo& topic);
// name, mode, max_attempts, backoff, start, paused.
Json GroupJson(const v1::GroupInfo& group);
// topic, broker, queue, ready, in_flight, cursor, next_offset; of a broadcast group also client.
Json PositionJson(const v1::GroupPosition& position);

// id, role, group, topics, language, version, address, connected, silent, brokers.
Json ClientJson(const v1::ClientDescription& client);

// Adds the body of a message, unpacked: "body", or "body_base64" when it is no text.
void AddBody(const apache::rocketmq::v2::Message& message, Json* value);

// Says that something was done: `sentence` to people, `value` to programs.
void PrintDone(const Context& context, const Json& value, const std::string& sentence);
// Prints an error for each broker that refused; kPartial when there was one, else kOk.
int ReportRefusals(const Context& context, const BrokerResults& results);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_ADMIN_VIEWS_H_
