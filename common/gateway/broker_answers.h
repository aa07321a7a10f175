#ifndef MANSIO_COMMON_GATEWAY_BROKER_ANSWERS_H_
#define MANSIO_COMMON_GATEWAY_BROKER_ANSWERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mansio/v1/admin.pb.h"

// What becomes of the answers of several brokers to one command. Pure functions, thread-safe.
namespace mansio::gateway {

// One broker's answer. `status` is that of the response, or says why there is none.
template <typename Response>
struct BrokerAnswer {
  std::string broker;  // its name
  absl::Status status;
  Response response;
};

template <typename Response>
using Answers = std::vector<BrokerAnswer<Response>>;

// A broker's name and what it said.
struct Outcome {
  std::string broker;
  absl::Status status;
};

// Drops brokers that do not have what a command is about, if another one has it: that is no
// failure.
void LeaveOutAbsent(std::vector<Outcome>* outcomes);

// OK when every broker said OK, or is one that LeaveOutAbsent drops. The error of the first broker
// that failed when none said OK; MULTIPLE_RESULTS, naming those that failed, when some did;
// kUnavailable when there is no broker at all.
absl::Status Summarise(const std::vector<Outcome>& outcomes);

template <typename Response>
std::vector<Outcome> OutcomesOf(const Answers<Response>& answers) {
  std::vector<Outcome> outcomes;
  for (const auto& answer : answers) outcomes.push_back({answer.broker, answer.status});
  return outcomes;
}

// The same for descriptions. A broker whose settings are not those of the first one, because it was
// away when they were altered, has PRECONDITION_FAILED, and the text says the cure.
std::vector<Outcome> OutcomesOf(const Answers<v1::DescribeTopicResponse>& answers);
std::vector<Outcome> OutcomesOf(const Answers<v1::DescribeGroupResponse>& answers);
// The same for searches. Where several brokers were asked, one that gave up before it had found
// anything has BAD_REQUEST, and the text says the cure: what others found is not all there is.
std::vector<Outcome> OutcomesOf(const Answers<v1::QueryMessagesResponse>& answers);

// One result per broker, as responses carry them.
void FillResults(const std::vector<Outcome>& outcomes,
                 google::protobuf::RepeatedPtrField<v1::BrokerResult>* results);

// Describes a topic, respectively group, over all brokers that have it. A topic's consumers are
// those of any broker, and as old as the first of these says.
v1::DescribeTopicResponse MergeTopic(const Answers<v1::DescribeTopicResponse>& answers);
v1::DescribeGroupResponse MergeGroup(const Answers<v1::DescribeGroupResponse>& answers);
// The newest `limit` dead letters of all brokers; 0: all that they gave.
v1::ListDeadLettersResponse MergeDeadLetters(const Answers<v1::ListDeadLettersResponse>& answers,
                                             int32_t limit);
// The newest `limit` messages, newest first; 0: all that they gave. Without what is older than
// something that a broker left out; one that gave up before it had found anything counts only where
// nobody found anything.
v1::QueryMessagesResponse MergeFoundMessages(const Answers<v1::QueryMessagesResponse>& answers,
                                             int32_t limit);
v1::GetMessageResponse MergeMessagesAtPlace(const Answers<v1::GetMessageResponse>& answers);
v1::TraceMessageResponse MergeTraces(const Answers<v1::TraceMessageResponse>& answers);
v1::ListDelayedMessagesResponse MergeDelayedMessages(
    const Answers<v1::ListDelayedMessagesResponse>& answers, int32_t limit);
// By group and broker.
v1::DeadLetterStatsResponse MergeDeadLetterStats(
    const Answers<v1::DeadLetterStatsResponse>& answers);
// What says most comes first.
v1::ExplainGroupResponse MergeExplanations(const Answers<v1::ExplainGroupResponse>& answers);
// A client that several brokers know is one: as the broker says that heard of it last. The first
// `limit` by id; 0: all that they gave. Without what is behind something that a broker left out.
v1::ListClientsResponse MergeClients(const Answers<v1::ListClientsResponse>& answers,
                                     int32_t limit);
v1::TransactionStatsResponse MergeTransactionStats(
    const Answers<v1::TransactionStatsResponse>& answers);
v1::ListTransactionsResponse MergeTransactions(
    const Answers<v1::ListTransactionsResponse>& answers);
v1::DelayStatsResponse MergeDelayStats(const Answers<v1::DelayStatsResponse>& answers);
// What is unfinished on any broker.
v1::HoldTopicResponse MergeHold(const Answers<v1::HoldTopicResponse>& answers);
// Lists: brokers by cluster, name and id; topics and groups by name, with all that have them.
v1::ListBrokersResponse MergeBrokers(const Answers<v1::ListBrokersResponse>& answers);
v1::ListTopicsResponse MergeTopics(const Answers<v1::ListTopicsResponse>& answers);
v1::ListGroupsResponse MergeGroups(const Answers<v1::ListGroupsResponse>& answers);
// Where a group stands after a reset, over all brokers that did it.
v1::ResetGroupResponse MergeReset(const Answers<v1::ResetGroupResponse>& answers);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_BROKER_ANSWERS_H_
