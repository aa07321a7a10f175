#include "client/lib/admin_client.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "client/lib/identity.h"
#include "client/lib/rpc.h"
#include "client/lib/wire.h"
#include "common/access/cluster_secret.h"
#include "common/gateway/forwarded_by.h"
#include "common/status/wire_status.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;

// Makes the header that proves to a server that we have the secret.
std::function<Headers(const std::string&)> ProofHeaders(const std::string& secret) {
  if (secret.empty()) return nullptr;
  return [secret](const std::string& method) -> Headers {
    return {{std::string(access::kProofHeader), access::MakeProof(secret, method, absl::Now())}};
  };
}

Headers HeadersFor(AdminClient::Scope scope) {
  Headers headers = IdentityHeaders(NewClientId());
  if (scope == AdminClient::Scope::kNode) {
    headers.emplace_back(std::string(gateway::kForwardedBy), "mansio");
  }
  return headers;
}

// A broker that has refused a page is missing from all that follows.
void AddRefusals(const v1::ListClientsResponse& page, v1::ListClientsResponse* all) {
  for (const v1::BrokerResult& result : page.results()) {
    if (result.status().code() == v2::OK) continue;
    auto* const results = all->mutable_results();
    const auto known = std::find_if(results->begin(), results->end(), [&](const auto& other) {
      return other.broker() == result.broker();
    });
    (known == results->end() ? *results->Add() : *known) = result;
    *all->mutable_status() = page.status();
  }
}

class AdminClientImpl final : public AdminClient {
 public:
  AdminClientImpl(const ClientOptions& options, Scope scope)
      : timeout_(options.request_timeout),
        transport_(Transport::Start()),
        connection_(transport_->Connect({options.endpoint, options.tls, HeadersFor(scope),
                                         ProofHeaders(options.cluster_secret)})) {}

  absl::StatusOr<v1::ListBrokersResponse> ListBrokers() override {
    return Ask<v1::ListBrokersResponse>("/mansio.v1.Admin/ListBrokers", v1::ListBrokersRequest());
  }

  absl::StatusOr<v1::GetConfigResponse> GetConfig(const std::string& key) override {
    v1::GetConfigRequest request;
    request.set_key(key);
    return Ask<v1::GetConfigResponse>("/mansio.v1.Admin/GetConfig", request);
  }

  absl::StatusOr<v1::SetConfigResponse> SetConfig(const std::string& key,
                                                  const std::string& value) override {
    v1::SetConfigRequest request;
    request.set_key(key);
    request.set_value(value);
    return Ask<v1::SetConfigResponse>("/mansio.v1.Admin/SetConfig", request);
  }

  absl::StatusOr<v1::PromoteBrokerResponse> PromoteBroker(
      const v1::PromoteBrokerRequest& request) override {
    return Ask<v1::PromoteBrokerResponse>("/mansio.v1.Admin/PromoteBroker", request);
  }

  absl::StatusOr<v1::HandOverResponse> HandOver(const v1::HandOverRequest& request) override {
    return Ask<v1::HandOverResponse>("/mansio.v1.Admin/HandOver", request);
  }

  absl::StatusOr<v1::CreateTopicResponse> CreateTopic(
      const v1::TopicInfo& topic, const std::vector<std::string>& brokers) override {
    v1::CreateTopicRequest request;
    *request.mutable_topic() = topic;
    request.mutable_brokers()->Assign(brokers.begin(), brokers.end());
    return CreateTopic(request);
  }

  absl::StatusOr<v1::CreateTopicResponse> CreateTopic(
      const v1::CreateTopicRequest& request) override {
    return Ask<v1::CreateTopicResponse>("/mansio.v1.Admin/CreateTopic", request);
  }

  absl::StatusOr<v1::ListTopicsResponse> ListTopics(bool include_system) override {
    v1::ListTopicsRequest request;
    request.set_include_system(include_system);
    return Ask<v1::ListTopicsResponse>("/mansio.v1.Admin/ListTopics", request);
  }

  absl::StatusOr<v1::DescribeTopicResponse> DescribeTopic(const std::string& name,
                                                          bool with_consumers) override {
    v1::DescribeTopicRequest request;
    request.set_name(name);
    request.set_with_consumers(with_consumers);
    return Ask<v1::DescribeTopicResponse>("/mansio.v1.Admin/DescribeTopic", request);
  }

  absl::StatusOr<v1::AlterTopicResponse> AlterTopic(const v1::AlterTopicRequest& change) override {
    return Ask<v1::AlterTopicResponse>("/mansio.v1.Admin/AlterTopic", change);
  }

  absl::StatusOr<v1::HoldTopicResponse> HoldTopic(const v1::HoldTopicRequest& request) override {
    return Ask<v1::HoldTopicResponse>("/mansio.v1.Admin/HoldTopic", request);
  }

  absl::StatusOr<v1::DeleteTopicResponse> DeleteTopic(const std::string& name) override {
    return AskByName<v1::DeleteTopicResponse, v1::DeleteTopicRequest>(
        "/mansio.v1.Admin/DeleteTopic", name);
  }

  absl::StatusOr<v1::CreateGroupResponse> CreateGroup(const v1::GroupInfo& group) override {
    v1::CreateGroupRequest request;
    *request.mutable_group() = group;
    return Ask<v1::CreateGroupResponse>("/mansio.v1.Admin/CreateGroup", request);
  }

  absl::StatusOr<v1::ListGroupsResponse> ListGroups() override {
    return Ask<v1::ListGroupsResponse>("/mansio.v1.Admin/ListGroups", v1::ListGroupsRequest());
  }

  absl::StatusOr<v1::DescribeGroupResponse> DescribeGroup(const std::string& name) override {
    return AskByName<v1::DescribeGroupResponse, v1::DescribeGroupRequest>(
        "/mansio.v1.Admin/DescribeGroup", name);
  }

  absl::StatusOr<v1::AlterGroupResponse> AlterGroup(const v1::AlterGroupRequest& change) override {
    return Ask<v1::AlterGroupResponse>("/mansio.v1.Admin/AlterGroup", change);
  }

  absl::StatusOr<v1::DeleteGroupResponse> DeleteGroup(const std::string& name) override {
    return AskByName<v1::DeleteGroupResponse, v1::DeleteGroupRequest>(
        "/mansio.v1.Admin/DeleteGroup", name);
  }

  absl::StatusOr<v1::ResetGroupResponse> ResetGroup(const v1::ResetGroupRequest& request) override {
    return Ask<v1::ResetGroupResponse>("/mansio.v1.Admin/ResetGroup", request);
  }

  absl::StatusOr<v1::PauseGroupResponse> PauseGroup(const std::string& name) override {
    return AskByName<v1::PauseGroupResponse, v1::PauseGroupRequest>("/mansio.v1.Admin/PauseGroup",
                                                                    name);
  }

  absl::StatusOr<v1::ResumeGroupResponse> ResumeGroup(const std::string& name) override {
    return AskByName<v1::ResumeGroupResponse, v1::ResumeGroupRequest>(
        "/mansio.v1.Admin/ResumeGroup", name);
  }

  absl::StatusOr<v1::ListDeadLettersResponse> ListDeadLetters(const std::string& group,
                                                              int limit) override {
    v1::ListDeadLettersRequest request;
    request.set_group(group);
    request.set_limit(limit);
    return Ask<v1::ListDeadLettersResponse>("/mansio.v1.Admin/ListDeadLetters", request);
  }

  absl::StatusOr<v1::DescribeDeadLetterResponse> DescribeDeadLetter(
      const std::string& group, const std::string& message_id) override {
    v1::DescribeDeadLetterRequest request;
    request.set_group(group);
    request.set_message_id(message_id);
    return Ask<v1::DescribeDeadLetterResponse>("/mansio.v1.Admin/DescribeDeadLetter", request);
  }

  absl::StatusOr<v1::QueryMessagesResponse> QueryMessages(
      const v1::QueryMessagesRequest& request) override {
    return Ask<v1::QueryMessagesResponse>("/mansio.v1.Admin/QueryMessages", request);
  }

  absl::StatusOr<v1::GetMessageResponse> GetMessage(const v1::GetMessageRequest& request) override {
    return Ask<v1::GetMessageResponse>("/mansio.v1.Admin/GetMessage", request);
  }

  absl::StatusOr<v1::TraceMessageResponse> TraceMessage(
      const v1::TraceMessageRequest& request) override {
    return Ask<v1::TraceMessageResponse>("/mansio.v1.Admin/TraceMessage", request);
  }

  absl::StatusOr<v1::TransactionStatsResponse> TransactionStats() override {
    return Ask<v1::TransactionStatsResponse>("/mansio.v1.Admin/TransactionStats",
                                             v1::TransactionStatsRequest());
  }

  absl::StatusOr<v1::ListTransactionsResponse> ListTransactions(const std::string& topic,
                                                                v1::TransactionState state,
                                                                int limit) override {
    v1::ListTransactionsRequest request;
    request.set_topic(topic);
    request.set_state(state);
    request.set_limit(limit);
    return Ask<v1::ListTransactionsResponse>("/mansio.v1.Admin/ListTransactions", request);
  }

  absl::StatusOr<v1::DescribeTransactionResponse> DescribeTransaction(
      const std::string& transaction_id) override {
    v1::DescribeTransactionRequest request;
    request.set_transaction_id(transaction_id);
    return Ask<v1::DescribeTransactionResponse>("/mansio.v1.Admin/DescribeTransaction", request);
  }

  absl::StatusOr<v1::ResolveTransactionResponse> ResolveTransaction(
      const std::string& transaction_id, bool commit) override {
    v1::ResolveTransactionRequest request;
    request.set_transaction_id(transaction_id);
    request.set_commit(commit);
    return Ask<v1::ResolveTransactionResponse>("/mansio.v1.Admin/ResolveTransaction", request);
  }

  absl::StatusOr<v1::DelayStatsResponse> DelayStats() override {
    return Ask<v1::DelayStatsResponse>("/mansio.v1.Admin/DelayStats", v1::DelayStatsRequest());
  }

  absl::StatusOr<v1::ListDelayedMessagesResponse> ListDelayedMessages(const std::string& topic,
                                                                      int limit) override {
    v1::ListDelayedMessagesRequest request;
    request.set_topic(topic);
    request.set_limit(limit);
    return Ask<v1::ListDelayedMessagesResponse>("/mansio.v1.Admin/ListDelayedMessages", request);
  }

  absl::StatusOr<v1::CancelDelayedMessageResponse> CancelDelayedMessage(
      const std::string& recall_handle) override {
    v1::CancelDelayedMessageRequest request;
    request.set_recall_handle(recall_handle);
    return Ask<v1::CancelDelayedMessageResponse>("/mansio.v1.Admin/CancelDelayedMessage", request);
  }

  absl::StatusOr<v1::DeadLetterStatsResponse> DeadLetterStats(const std::string& group) override {
    v1::DeadLetterStatsRequest request;
    request.set_group(group);
    return Ask<v1::DeadLetterStatsResponse>("/mansio.v1.Admin/DeadLetterStats", request);
  }

  absl::StatusOr<v1::ResendDeadLettersResponse> ResendDeadLetters(
      const v1::ResendDeadLettersRequest& request) override {
    return Ask<v1::ResendDeadLettersResponse>("/mansio.v1.Admin/ResendDeadLetters", request);
  }

  absl::StatusOr<v1::PurgeDeadLettersResponse> PurgeDeadLetters(
      const v1::PurgeDeadLettersRequest& request) override {
    return Ask<v1::PurgeDeadLettersResponse>("/mansio.v1.Admin/PurgeDeadLetters", request);
  }

  absl::StatusOr<v1::ExportDeadLettersResponse> ExportDeadLetters(
      const v1::ExportDeadLettersRequest& request) override {
    return Ask<v1::ExportDeadLettersResponse>("/mansio.v1.Admin/ExportDeadLetters", request);
  }

  absl::StatusOr<v1::ImportDeadLettersResponse> ImportDeadLetters(
      const v1::ImportDeadLettersRequest& request) override {
    return Ask<v1::ImportDeadLettersResponse>("/mansio.v1.Admin/ImportDeadLetters", request);
  }

  absl::StatusOr<v1::ExplainGroupResponse> ExplainGroup(const std::string& group) override {
    return AskByName<v1::ExplainGroupResponse, v1::ExplainGroupRequest>(
        "/mansio.v1.Admin/ExplainGroup", group);
  }

  absl::StatusOr<v1::ListClientsResponse> ListClients(const std::string& group,
                                                      const std::string& id) override {
    v1::ListClientsRequest request;
    request.set_group(group);
    request.set_client_id(id);
    constexpr char kMethod[] = "/mansio.v1.Admin/ListClients";
    auto all = Ask<v1::ListClientsResponse>(kMethod, request);
    while (all.ok() && all->more() && !all->clients().empty()) {
      request.set_after(all->clients().rbegin()->id());
      auto page = Ask<v1::ListClientsResponse>(kMethod, request);
      if (!page.ok()) return page;
      all->mutable_clients()->MergeFrom(page->clients());
      AddRefusals(*page, &*all);
      all->set_more(page->more() && !page->clients().empty());
    }
    return all;
  }

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(const char* method, const Request& request) {
    Response response;
    absl::Status status = Call(*connection_, method, request, &response, timeout_);
    if (!status.ok()) return status;
    if (response.status().code() != v2::MULTIPLE_RESULTS) {
      status = FromWire(response.status());
      if (!status.ok()) return status;
    }
    return response;
  }

  template <typename Response, typename Request>
  absl::StatusOr<Response> AskByName(const char* method, const std::string& name) {
    Request request;
    request.set_name(name);
    return Ask<Response>(method, request);
  }

  const absl::Duration timeout_;
  const std::unique_ptr<Transport> transport_;
  const std::shared_ptr<Connection> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Create(ClientOptions options,
                                                                 Scope scope) {
  v2::Endpoints endpoints;
  if (absl::Status s = ParseEndpoints(options.endpoint, &endpoints); !s.ok()) return s;
  return std::make_unique<AdminClientImpl>(options, scope);
}

}  // namespace mansio::client
