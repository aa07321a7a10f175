#ifndef MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
#define MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::gateway {
class SendHolds;
}

namespace mansio::broker {

// mansio.v1.Admin for this broker alone: topics, groups, and what they hold. Creations and
// deletions are log records and are answered when they are applied; creating what is there already
// in the same shape, is OK. Thread-safe once SetNode has been called.
class AdminService {
 public:
  struct Options {
    std::string broker_name;
    uint32_t default_queues = 8;
  };
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    Consumption* consumption = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    gateway::SendHolds* holds = nullptr;
  };
  AdminService(Options options, Environment environment);

  // The store that offsets are read from, and what ListBrokers says of this broker; before the
  // first call. `store_state` is asked on rpc threads and must not block.
  void SetNode(const store::Store* store, v1::BrokerIdentity identity,
               std::function<v1::StoreState()> store_state);
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void ListBrokers(rpc::UnaryCall& call, const v1::ListBrokersRequest& request) const;
  void CreateTopic(rpc::UnaryCall& call, const v1::CreateTopicRequest& request);
  void AlterTopic(rpc::UnaryCall& call, const v1::AlterTopicRequest& request);
  void ListTopics(rpc::UnaryCall& call, const v1::ListTopicsRequest& request) const;
  void DescribeTopic(rpc::UnaryCall& call, const v1::DescribeTopicRequest& request) const;
  void DeleteTopic(rpc::UnaryCall& call, const v1::DeleteTopicRequest& request);
  void CreateGroup(rpc::UnaryCall& call, const v1::CreateGroupRequest& request);
  void ListGroups(rpc::UnaryCall& call, const v1::ListGroupsRequest& request) const;
  void DescribeGroup(rpc::UnaryCall& call, const v1::DescribeGroupRequest& request) const;
  void ExplainGroup(rpc::UnaryCall& call, const v1::ExplainGroupRequest& request) const;
  void ListClients(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const;
  void AlterGroup(rpc::UnaryCall& call, const v1::AlterGroupRequest& request);
  void DeleteGroup(rpc::UnaryCall& call, const v1::DeleteGroupRequest& request);
  void ResetGroup(rpc::UnaryCall& call, const v1::ResetGroupRequest& request);
  void PauseGroup(rpc::UnaryCall& call, const v1::PauseGroupRequest& request);
  void ResumeGroup(rpc::UnaryCall& call, const v1::ResumeGroupRequest& request);
  // Where the group stands in `topic`, or in all topics when it is empty.
  std::vector<v1::GroupPosition> PositionsOf(const GroupRecord& group,
                                             std::string_view topic) const;

  // Answers with `response`, whose status and result of this broker are set from `status`.
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  const Options options_;
  const Environment environment_;
  const store::Store* store_ = nullptr;
  v1::BrokerIdentity identity_;
  std::function<v1::StoreState()> store_state_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
