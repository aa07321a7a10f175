#include "broker/admin/client_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/admin/info.h"
#include "broker/core/admin_call.h"
#include "common/names/utf8.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kMaxClients = 1000;  // of a page

}  // namespace

void ClientAdmin::Register(rpc::MethodTable& methods) const {
  AddAdminMethod(methods, "ListClients", this, &ClientAdmin::List);
}

void ClientAdmin::Answer(rpc::UnaryCall& call, const absl::Status& status,
                         v1::ListClientsResponse response) const {
  AnswerAdmin(call, context_->broker_name, status, std::move(response));
}

void ClientAdmin::List(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const {
  if (!request.client_id().empty()) return Describe(call, request);
  const size_t limit = request.limit() <= 0
                           ? kMaxClients
                           : std::min(kMaxClients, static_cast<size_t>(request.limit()));
  const auto list = [this, &call, group = request.group(), after = request.after(), limit] {
    std::vector<gateway::ClientInfo> clients = context_->clients->List(group, after, limit + 1);
    v1::ListClientsResponse response;
    response.set_more(clients.size() > limit);
    if (response.more()) clients.pop_back();
    for (const gateway::ClientInfo& client : clients) Add(client, &response);
    Answer(call, absl::OkStatus(), std::move(response));
  };
  // All are looked at, and they may be tens of thousands: not on an rpc thread, if there is
  // another.
  if (!context_->store->RunCold(list)) list();
}

void ClientAdmin::Describe(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const {
  v1::ListClientsResponse response;
  const auto client = context_->clients->Find(request.client_id());
  if (client && (request.group().empty() || client->group == request.group())) {
    Add(*client, &response);
    return Answer(call, absl::OkStatus(), std::move(response));
  }
  Answer(call,
         WireError(v2::NOT_FOUND,
                   fmt::format("no living client has the id '{}'; `mansio client list` shows them",
                               EscapeForLog(request.client_id()))),
         std::move(response));
}

void ClientAdmin::Add(const gateway::ClientInfo& client, v1::ListClientsResponse* response) const {
  v1::ClientDescription* out = response->add_clients();
  *out = ClientDescriptionOf(client, context_->clients->SilenceOf(client));
  out->add_brokers(context_->broker_name);
}

}  // namespace mansio::broker
