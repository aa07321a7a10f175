#ifndef MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
#define MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
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
  void SetNode(store::Store* store, v1::BrokerIdentity identity,
               std::function<v1::StoreState()> store_state);
  // What ListBrokers says besides of its broker group; before the first call, or never. `complete`
  // gets the answer, which has this broker, and is called on rpc threads.
  void SetGroup(std::function<void(v1::ListBrokersResponse*)> complete) {
    complete_list_ = std::move(complete);
  }
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void ListBrokers(rpc::UnaryCall& call, const v1::ListBrokersRequest& request) const;
  void CreateTopic(rpc::UnaryCall& call, const v1::CreateTopicRequest& request);
  void AlterTopic(rpc::UnaryCall& call, const v1::AlterTopicRequest& request);
  void Alter(rpc::UnaryCall& call, const v1::AlterTopicRequest& request, const TopicChange& change);
  void ListTopics(rpc::UnaryCall& call, const v1::ListTopicsRequest& request) const;
  void DescribeTopic(rpc::UnaryCall& call, const v1::DescribeTopicRequest& request) const;
  void DeleteTopic(rpc::UnaryCall& call, const v1::DeleteTopicRequest& request);
  void CreateGroup(rpc::UnaryCall& call, const v1::CreateGroupRequest& request);
  void ListGroups(rpc::UnaryCall& call, const v1::ListGroupsRequest& request) const;
  void DescribeGroup(rpc::UnaryCall& call, const v1::DescribeGroupRequest& request) const;
  void ExplainGroup(rpc::UnaryCall& call, const v1::ExplainGroupRequest& request) const;
  void ListClients(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const;
  void DescribeClient(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const;
  void AddClient(const gateway::ClientInfo& client, v1::ListClientsResponse* response) const;
  void AlterGroup(rpc::UnaryCall& call, const v1::AlterGroupRequest& request);
  void DeleteGroup(rpc::UnaryCall& call, const v1::DeleteGroupRequest& request);
  void ResetGroup(rpc::UnaryCall& call, const v1::ResetGroupRequest& request);
  void PauseGroup(rpc::UnaryCall& call, const v1::PauseGroupRequest& request);
  void ResumeGroup(rpc::UnaryCall& call, const v1::ResumeGroupRequest& request);
  // Where the group stands in `topic`, or in all topics when it is empty.
  std::vector<v1::GroupPosition> PositionsOf(const GroupRecord& group,
                                             std::string_view topic) const;

  // The topic with positions for these groups, which consume it on other brokers: hands it to
  // `then`, or answers the call with the reason why there is none and the sentence `if_refused`.
  template <typename Response>
  void Admit(rpc::UnaryCall& call, const TopicPtr& topic,
             const google::protobuf::RepeatedPtrField<v1::GroupInfo>& consumers,
             std::string_view if_refused, absl::AnyInvocable<void()> then);
  // Answers with `response`, whose status and result of this broker are set from `status`.
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  const Options options_;
  const Environment environment_;
  store::Store* store_ = nullptr;
  v1::BrokerIdentity identity_;
  std::function<v1::StoreState()> store_state_;
  std::function<void(v1::ListBrokersResponse*)> complete_list_ = [](v1::ListBrokersResponse*) {};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_ADMIN_SERVICE_H_
