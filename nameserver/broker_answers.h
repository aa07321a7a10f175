#ifndef MANSIO_NAMESERVER_BROKER_ANSWERS_H_
#define MANSIO_NAMESERVER_BROKER_ANSWERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mansio/v1/admin.pb.h"

// What becomes of the answers of several brokers to one command. Pure functions, thread-safe.
namespace mansio::nameserver {

// One broker's answer. `status` is that of the response, or says why there is none.
template <typename Response>
struct BrokerAnswer {
  std::string broker;  // its name
  absl::Status status;
  Response response;
};

// A broker's name and what it said.
struct Outcome {
  std::string broker;
  absl::Status status;
};

// OK when every broker said OK. That some do not have the topic or group is no failure when another
// one has. The error of the first broker that failed when none said OK; MULTIPLE_RESULTS, naming
// those that failed, when some did; kUnavailable when there is no broker at all.
absl::Status Summarise(const std::vector<Outcome>& outcomes);

template <typename Response>
std::vector<Outcome> OutcomesOf(const std::vector<BrokerAnswer<Response>>& answers) {
  std::vector<Outcome> outcomes;
  for (const auto& answer : answers) outcomes.push_back({answer.broker, answer.status});
  return outcomes;
}

// One result per broker, as responses carry them.
void FillResults(const std::vector<Outcome>& outcomes,
                 google::protobuf::RepeatedPtrField<v1::BrokerResult>* results);

// Describes a topic, respectively group, over all brokers that have it.
v1::DescribeTopicResponse MergeTopic(
    const std::vector<BrokerAnswer<v1::DescribeTopicResponse>>& answers);
v1::DescribeGroupResponse MergeGroup(
    const std::vector<BrokerAnswer<v1::DescribeGroupResponse>>& answers);
// The newest `limit` dead letters of all brokers; 0: all that they gave.
v1::ListDeadLettersResponse MergeDeadLetters(
    const std::vector<BrokerAnswer<v1::ListDeadLettersResponse>>& answers, int32_t limit);
v1::ListDelayedMessagesResponse MergeDelayedMessages(
    const std::vector<BrokerAnswer<v1::ListDelayedMessagesResponse>>& answers, int32_t limit);
// By group and broker.
v1::DeadLetterStatsResponse MergeDeadLetterStats(
    const std::vector<BrokerAnswer<v1::DeadLetterStatsResponse>>& answers);
// What says most comes first.
v1::ExplainGroupResponse MergeExplanations(
    const std::vector<BrokerAnswer<v1::ExplainGroupResponse>>& answers);
// A client that several brokers know is one: as the broker says that heard of it last.
v1::ListClientsResponse MergeClients(
    const std::vector<BrokerAnswer<v1::ListClientsResponse>>& answers);
// Where a group stands after a reset, over all brokers that did it.
v1::ResetGroupResponse MergeReset(const std::vector<BrokerAnswer<v1::ResetGroupResponse>>& answers);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_BROKER_ANSWERS_H_
