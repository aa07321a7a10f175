#ifndef MANSIO_NAMESERVER_BROKER_CALLS_H_
#define MANSIO_NAMESERVER_BROKER_CALLS_H_

#include <vector>

#include "absl/time/time.h"
#include "mansio/v1/admin.pb.h"
#include "nameserver/broker_answers.h"

// One command to many brokers, over plaintext gRPC to the first address of each.
namespace mansio::nameserver {

using Brokers = std::vector<v1::BrokerIdentity>;

// Each asks all of `brokers` at the same time and returns when all have answered or `deadline` has
// passed, with the answers in their order; a broker that did not answer has kUnavailable or
// kDeadlineExceeded. Blocks. Thread-safe.
std::vector<BrokerAnswer<v1::CreateTopicResponse>> AskAll(const Brokers& brokers,
                                                          const v1::CreateTopicRequest& request,
                                                          absl::Time deadline);
std::vector<BrokerAnswer<v1::DescribeTopicResponse>> AskAll(const Brokers& brokers,
                                                            const v1::DescribeTopicRequest& request,
                                                            absl::Time deadline);
std::vector<BrokerAnswer<v1::DeleteTopicResponse>> AskAll(const Brokers& brokers,
                                                          const v1::DeleteTopicRequest& request,
                                                          absl::Time deadline);
std::vector<BrokerAnswer<v1::CreateGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::CreateGroupRequest& request,
                                                          absl::Time deadline);
std::vector<BrokerAnswer<v1::DescribeGroupResponse>> AskAll(const Brokers& brokers,
                                                            const v1::DescribeGroupRequest& request,
                                                            absl::Time deadline);
std::vector<BrokerAnswer<v1::AlterTopicResponse>> AskAll(const Brokers& brokers,
                                                         const v1::AlterTopicRequest& request,
                                                         absl::Time deadline);
std::vector<BrokerAnswer<v1::AlterGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::AlterGroupRequest& request,
                                                         absl::Time deadline);
std::vector<BrokerAnswer<v1::DeleteGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::DeleteGroupRequest& request,
                                                          absl::Time deadline);
std::vector<BrokerAnswer<v1::ListDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ListDeadLettersRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::DescribeDeadLetterResponse>> AskAll(
    const Brokers& brokers, const v1::DescribeDeadLetterRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::TransactionStatsResponse>> AskAll(
    const Brokers& brokers, const v1::TransactionStatsRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ListTransactionsResponse>> AskAll(
    const Brokers& brokers, const v1::ListTransactionsRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::DescribeTransactionResponse>> AskAll(
    const Brokers& brokers, const v1::DescribeTransactionRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ResolveTransactionResponse>> AskAll(
    const Brokers& brokers, const v1::ResolveTransactionRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::DelayStatsResponse>> AskAll(const Brokers& brokers,
                                                         const v1::DelayStatsRequest& request,
                                                         absl::Time deadline);
std::vector<BrokerAnswer<v1::ListDelayedMessagesResponse>> AskAll(
    const Brokers& brokers, const v1::ListDelayedMessagesRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::CancelDelayedMessageResponse>> AskAll(
    const Brokers& brokers, const v1::CancelDelayedMessageRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ResetGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::ResetGroupRequest& request,
                                                         absl::Time deadline);
std::vector<BrokerAnswer<v1::PauseGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::PauseGroupRequest& request,
                                                         absl::Time deadline);
std::vector<BrokerAnswer<v1::ResumeGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::ResumeGroupRequest& request,
                                                          absl::Time deadline);
std::vector<BrokerAnswer<v1::DeadLetterStatsResponse>> AskAll(
    const Brokers& brokers, const v1::DeadLetterStatsRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ResendDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ResendDeadLettersRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::PurgeDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::PurgeDeadLettersRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ExportDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ExportDeadLettersRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ImportDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ImportDeadLettersRequest& request, absl::Time deadline);
std::vector<BrokerAnswer<v1::ExplainGroupResponse>> AskAll(const Brokers& brokers,
                                                           const v1::ExplainGroupRequest& request,
                                                           absl::Time deadline);
std::vector<BrokerAnswer<v1::ListClientsResponse>> AskAll(const Brokers& brokers,
                                                          const v1::ListClientsRequest& request,
                                                          absl::Time deadline);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_BROKER_CALLS_H_
