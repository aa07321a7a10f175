#include "broker/admin/admin_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "broker/core/admin_call.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

AdminService::AdminService(Options options, Environment environment)
    : context_{.broker_name = std::move(options.broker_name),
               .default_queues = options.default_queues,
               .metadata = environment.metadata,
               .consumption = environment.consumption,
               .clients = environment.clients,
               .holds = environment.holds} {}

void AdminService::SetNode(store::Store* store, v1::BrokerIdentity identity,
                           std::function<v1::StoreState()> store_state) {
  context_.store = store;
  identity_ = std::move(identity);
  store_state_ = std::move(store_state);
}

void AdminService::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "ListBrokers", this, &AdminService::ListBrokers);
  topics_.Register(methods);
  groups_.Register(methods);
  clients_.Register(methods);
}

void AdminService::ListBrokers(rpc::UnaryCall& call, const v1::ListBrokersRequest&) const {
  v1::ListBrokersResponse response;
  ToWire(absl::OkStatus(), response.mutable_status());
  v1::BrokerOverview* self = response.add_brokers();
  *self->mutable_broker() = identity_;
  self->set_online(true);
  const std::vector<TopicPtr> topics = context_.metadata->Topics();
  self->set_topics(
      static_cast<int32_t>(std::count_if(topics.begin(), topics.end(), [](const TopicPtr& topic) {
        return topic->kind != TopicKind::kSystem;
      })));
  self->set_groups(static_cast<int32_t>(context_.metadata->Groups().size()));
  const store::Cursors cursors = context_.store->cursors();
  self->set_log_end(static_cast<int64_t>(cursors.appended));
  self->set_committed(static_cast<int64_t>(cursors.committed));
  *self->mutable_store() = store_state_();
  const v2::Address& address = identity_.addresses(0);
  response.set_answered_by(fmt::format("broker {}:{}", address.host(), address.port()));
  complete_list_(&response);
  rpc::Reply(call, response);
}

}  // namespace mansio::broker
