#include "nameserver/admin_lists.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "common/names/names.h"
#include "common/rpc/proto_call.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"

namespace mansio::nameserver {

namespace {

// Without a master a list would be empty, as if all were lost.
absl::Status AnyMaster(const RoutingTable& table) {
  if (!table.Masters().empty()) return absl::OkStatus();
  return NobodyToAsk(table.WithoutMaster());
}

void ListTopics(const RoutingTable& table, rpc::UnaryCall& call,
                const v1::ListTopicsRequest& request) {
  if (call.Cancelled()) return call.Abort(absl::CancelledError());
  v1::ListTopicsResponse response;
  ToWire(AnyMaster(table), response.mutable_status());
  for (v1::TopicOverview& topic : table.Topics()) {
    if (names::IsGroupTopic(topic.topic().name()) && !request.include_system()) continue;
    *response.add_topics() = std::move(topic);
  }
  rpc::Reply(call, response);
}

void ListGroups(const RoutingTable& table, rpc::UnaryCall& call) {
  if (call.Cancelled()) return call.Abort(absl::CancelledError());
  v1::ListGroupsResponse response;
  ToWire(AnyMaster(table), response.mutable_status());
  for (v1::GroupOverview& group : table.Groups()) *response.add_groups() = std::move(group);
  rpc::Reply(call, response);
}

}  // namespace

void AddAdminLists(const RoutingTable* table, std::function<std::string()> address,
                   TimerQueue* background, rpc::MethodTable& methods) {
  methods.unary.push_back(
      {"/mansio.v1.Admin/ListBrokers",
       rpc::ParsedUnary<v1::ListBrokersRequest>(
           [table, address = std::move(address)](rpc::UnaryCall& call, const auto&) {
             v1::ListBrokersResponse response;
             ToWire(absl::OkStatus(), response.mutable_status());
             for (v1::BrokerOverview& broker : table->Brokers()) {
               *response.add_brokers() = std::move(broker);
             }
             for (v1::BrokerOverview& broker : table->Lost()) {
               *response.add_brokers() = std::move(broker);
             }
             response.set_answered_by(fmt::format("nameserver {}", address()));
             rpc::Reply(call, response);
           })});
  methods.unary.push_back({"/mansio.v1.Admin/ListTopics",
                           rpc::ParsedUnary<v1::ListTopicsRequest>(
                               [table, background](rpc::UnaryCall& call, const auto& request) {
                                 background->ScheduleAfter(0, [table, &call, request] {
                                   ListTopics(*table, call, request);
                                 });
                               })});
  methods.unary.push_back(
      {"/mansio.v1.Admin/ListGroups", rpc::ParsedUnary<v1::ListGroupsRequest>(
                                          [table, background](rpc::UnaryCall& call, const auto&) {
                                            background->ScheduleAfter(
                                                0, [table, &call] { ListGroups(*table, call); });
                                          })});
}

}  // namespace mansio::nameserver
