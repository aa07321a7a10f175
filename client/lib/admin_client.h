#ifndef MANSIO_CLIENT_LIB_ADMIN_CLIENT_H_
#define MANSIO_CLIENT_LIB_ADMIN_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/client_options.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::client {

// Asks a nameserver or a broker to administer the cluster (mansio/v1/admin.proto). Each function
// waits for the answer. Thread-safe.
//
// An answer other than success is an error with the server's public code
// (common/status/wire_status.h): TOPIC_NOT_FOUND and so on. When only some brokers did what was
// asked, there is a response, its status has the code MULTIPLE_RESULTS, and `results` says what
// each broker answered. kUnavailable and kDeadlineExceeded without a code mean that the endpoint
// could not be reached.
class AdminClient {
 public:
  // Who answers: the node at the endpoint asks all brokers, or answers for itself alone.
  enum class Scope { kCluster, kNode };

  // kInvalidArgument when the endpoint is malformed; connects at the first call.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Create(ClientOptions options,
                                                             Scope scope = Scope::kCluster);

  virtual ~AdminClient() = default;

  virtual absl::StatusOr<v1::ListBrokersResponse> ListBrokers() = 0;

  // The configuration of the broker that is the endpoint: of one key, or of all when it is empty.
  virtual absl::StatusOr<v1::GetConfigResponse> GetConfig(const std::string& key) = 0;
  virtual absl::StatusOr<v1::SetConfigResponse> SetConfig(const std::string& key,
                                                          const std::string& value) = 0;

  // The broker that is the endpoint, a member of a group with static roles. Takes up to
  // `request_timeout` of the options, which should be half a minute where the master hands over.
  virtual absl::StatusOr<v1::PromoteBrokerResponse> PromoteBroker(
      const v1::PromoteBrokerRequest& request) = 0;

  // The same of a master that its group has elected.
  virtual absl::StatusOr<v1::HandOverResponse> HandOver(const v1::HandOverRequest& request) = 0;

  // On these brokers; on all of them when there are none.
  virtual absl::StatusOr<v1::CreateTopicResponse> CreateTopic(
      const v1::TopicInfo& topic, const std::vector<std::string>& brokers = {}) = 0;
  virtual absl::StatusOr<v1::CreateTopicResponse> CreateTopic(
      const v1::CreateTopicRequest& request) = 0;
  virtual absl::StatusOr<v1::ListTopicsResponse> ListTopics(bool include_system = false) = 0;
  virtual absl::StatusOr<v1::DescribeTopicResponse> DescribeTopic(const std::string& name,
                                                                  bool with_consumers = false) = 0;
  virtual absl::StatusOr<v1::AlterTopicResponse> AlterTopic(
      const v1::AlterTopicRequest& change) = 0;
  virtual absl::StatusOr<v1::HoldTopicResponse> HoldTopic(const v1::HoldTopicRequest& request) = 0;
  virtual absl::StatusOr<v1::DeleteTopicResponse> DeleteTopic(const std::string& name) = 0;

  virtual absl::StatusOr<v1::CreateGroupResponse> CreateGroup(const v1::GroupInfo& group) = 0;
  virtual absl::StatusOr<v1::ListGroupsResponse> ListGroups() = 0;
  virtual absl::StatusOr<v1::DescribeGroupResponse> DescribeGroup(const std::string& name) = 0;
  virtual absl::StatusOr<v1::AlterGroupResponse> AlterGroup(
      const v1::AlterGroupRequest& change) = 0;
  virtual absl::StatusOr<v1::DeleteGroupResponse> DeleteGroup(const std::string& name) = 0;
  virtual absl::StatusOr<v1::ResetGroupResponse> ResetGroup(
      const v1::ResetGroupRequest& request) = 0;
  virtual absl::StatusOr<v1::PauseGroupResponse> PauseGroup(const std::string& name) = 0;
  virtual absl::StatusOr<v1::ResumeGroupResponse> ResumeGroup(const std::string& name) = 0;

  // The group's newest dead letters; a limit of 0 is the broker's default.
  virtual absl::StatusOr<v1::ListDeadLettersResponse> ListDeadLetters(const std::string& group,
                                                                      int limit) = 0;
  virtual absl::StatusOr<v1::DescribeDeadLetterResponse> DescribeDeadLetter(
      const std::string& group, const std::string& message_id) = 0;

  // Of one group, or of all when it is empty.
  virtual absl::StatusOr<v1::DeadLetterStatsResponse> DeadLetterStats(const std::string& group) = 0;
  // One page of the dead letters of one broker each, which page.broker names.
  virtual absl::StatusOr<v1::ResendDeadLettersResponse> ResendDeadLetters(
      const v1::ResendDeadLettersRequest& request) = 0;
  virtual absl::StatusOr<v1::PurgeDeadLettersResponse> PurgeDeadLetters(
      const v1::PurgeDeadLettersRequest& request) = 0;
  virtual absl::StatusOr<v1::ExportDeadLettersResponse> ExportDeadLetters(
      const v1::ExportDeadLettersRequest& request) = 0;
  virtual absl::StatusOr<v1::ImportDeadLettersResponse> ImportDeadLetters(
      const v1::ImportDeadLettersRequest& request) = 0;

  virtual absl::StatusOr<v1::QueryMessagesResponse> QueryMessages(
      const v1::QueryMessagesRequest& request) = 0;
  virtual absl::StatusOr<v1::GetMessageResponse> GetMessage(
      const v1::GetMessageRequest& request) = 0;
  virtual absl::StatusOr<v1::TraceMessageResponse> TraceMessage(
      const v1::TraceMessageRequest& request) = 0;

  virtual absl::StatusOr<v1::ExplainGroupResponse> ExplainGroup(const std::string& group) = 0;
  // Of a group ("": of all), or the one with this id. Asks for page after page.
  virtual absl::StatusOr<v1::ListClientsResponse> ListClients(const std::string& group,
                                                              const std::string& id = "") = 0;

  virtual absl::StatusOr<v1::TransactionStatsResponse> TransactionStats() = 0;
  // Of `topic`, or of all topics when it is empty; at most `limit` of each broker; 0 is
  // the broker's default.
  virtual absl::StatusOr<v1::ListTransactionsResponse> ListTransactions(const std::string& topic,
                                                                        v1::TransactionState state,
                                                                        int limit) = 0;
  virtual absl::StatusOr<v1::DescribeTransactionResponse> DescribeTransaction(
      const std::string& transaction_id) = 0;
  // Commits or rolls back what nobody has ended.
  virtual absl::StatusOr<v1::ResolveTransactionResponse> ResolveTransaction(
      const std::string& transaction_id, bool commit) = 0;

  virtual absl::StatusOr<v1::DelayStatsResponse> DelayStats() = 0;
  // The delayed messages of a topic ("": of all) that are due next; a limit of 0 is the broker's
  // default.
  virtual absl::StatusOr<v1::ListDelayedMessagesResponse> ListDelayedMessages(
      const std::string& topic, int limit) = 0;
  virtual absl::StatusOr<v1::CancelDelayedMessageResponse> CancelDelayedMessage(
      const std::string& recall_handle) = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_ADMIN_CLIENT_H_
