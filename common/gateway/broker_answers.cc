#include "common/gateway/broker_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/container/btree_map.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

std::string_view Text(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

bool IsAbsence(const absl::Status& status) {
  const v2::Code code = CodeOf(status);
  return code == v2::TOPIC_NOT_FOUND || code == v2::CONSUMER_GROUP_NOT_FOUND ||
         code == v2::NOT_FOUND || code == v2::MESSAGE_NOT_FOUND;
}

bool AnyOk(const std::vector<Outcome>& outcomes) {
  return std::any_of(outcomes.begin(), outcomes.end(),
                     [](const Outcome& outcome) { return outcome.status.ok(); });
}

template <typename Items, typename Less>
void Sort(Items* items, Less less) {
  std::sort(items->begin(), items->end(), less);
}

bool IsBefore(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return std::make_tuple(a.seconds(), a.nanos()) < std::make_tuple(b.seconds(), b.nanos());
}

using Positions = google::protobuf::RepeatedPtrField<v1::GroupPosition>;

void AddPositions(const std::string& broker, const Positions& from, Positions* to) {
  for (const v1::GroupPosition& position : from) {
    v1::GroupPosition* out = to->Add();
    *out = position;
    out->set_broker(broker);
  }
}

void SortPositions(Positions* positions) {
  Sort(positions, [](const v1::GroupPosition& a, const v1::GroupPosition& b) {
    return std::forward_as_tuple(a.topic(), a.broker(), a.queue_id(), a.client_id()) <
           std::forward_as_tuple(b.topic(), b.broker(), b.queue_id(), b.client_id());
  });
}

// Outcomes of descriptions, where a broker with other settings than the first one has failed.
template <typename Response, typename SettingsOf>
std::vector<Outcome> WithDifferences(const Answers<Response>& answers, std::string_view kind,
                                     SettingsOf settings_of) {
  std::vector<Outcome> outcomes = OutcomesOf<Response>(answers);
  const BrokerAnswer<Response>* first = nullptr;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].status.ok()) continue;
    if (first == nullptr) first = &answers[i];
    const auto settings = settings_of(answers[i].response);
    if (settings.SerializeAsString() == settings_of(first->response).SerializeAsString()) continue;
    outcomes[i].status = WireError(
        v2::PRECONDITION_FAILED,
        fmt::format("its settings of the {} are not those of broker {}; it was away when they were "
                    "changed: give the command that changed them again",
                    kind, first->broker));
  }
  return outcomes;
}

// Whether a search ended before it had found anything, and nobody knows how far it came.
bool GaveUp(const v1::QueryMessagesResponse& response) {
  return response.more() && response.messages().empty();
}

}  // namespace

void LeaveOutAbsent(std::vector<Outcome>* outcomes) {
  if (!AnyOk(*outcomes)) return;
  std::erase_if(*outcomes, [](const Outcome& outcome) { return IsAbsence(outcome.status); });
}

absl::Status Summarise(const std::vector<Outcome>& outcomes) {
  if (outcomes.empty()) {
    return absl::UnavailableError(std::string(kNoBroker));
  }
  const bool any_ok = AnyOk(outcomes);
  std::string failures;
  const Outcome* first_failure = nullptr;
  for (const Outcome& outcome : outcomes) {
    if (outcome.status.ok() || (any_ok && IsAbsence(outcome.status))) continue;
    if (first_failure == nullptr) first_failure = &outcome;
    failures += fmt::format("{}broker {}: {}", failures.empty() ? "" : "; ", outcome.broker,
                            Text(outcome.status));
  }
  if (first_failure == nullptr) return absl::OkStatus();
  if (outcomes.size() == 1) return first_failure->status;
  return WireError(any_ok ? v2::MULTIPLE_RESULTS : CodeOf(first_failure->status), failures);
}

std::vector<Outcome> OutcomesOf(const Answers<v1::DescribeTopicResponse>& answers) {
  return WithDifferences(answers, "topic", [](const v1::DescribeTopicResponse& response) {
    v1::TopicInfo settings = response.topic();
    settings.clear_queues();  // these may differ
    settings.clear_permission();
    settings.clear_added();
    return settings;
  });
}

std::vector<Outcome> OutcomesOf(const Answers<v1::DescribeGroupResponse>& answers) {
  return WithDifferences(answers, "group", [](const v1::DescribeGroupResponse& response) {
    v1::GroupInfo settings = response.group();
    settings.clear_created();
    return settings;
  });
}

std::vector<Outcome> OutcomesOf(const Answers<v1::QueryMessagesResponse>& answers) {
  std::vector<Outcome> outcomes = OutcomesOf<v1::QueryMessagesResponse>(answers);
  if (answers.size() == 1) return outcomes;  // `more` says it
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].status.ok() || !GaveUp(answers[i].response)) continue;
    outcomes[i].status = WireError(
        v2::BAD_REQUEST,
        "it looked at too many other messages before it found one, and has not looked at all; say "
        "more of when it was, or in which topic");
  }
  return outcomes;
}

void FillResults(const std::vector<Outcome>& outcomes,
                 google::protobuf::RepeatedPtrField<v1::BrokerResult>* results) {
  for (const Outcome& outcome : outcomes) {
    v1::BrokerResult* result = results->Add();
    result->set_broker(outcome.broker);
    ToWire(outcome.status, result->mutable_status());
  }
}

v1::DescribeTopicResponse MergeTopic(const Answers<v1::DescribeTopicResponse>& answers) {
  v1::DescribeTopicResponse merged;
  absl::btree_map<std::string, v1::GroupInfo> consumers;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    const v1::DescribeTopicResponse& response = answer.response;
    if (!merged.has_topic()) {
      *merged.mutable_topic() = response.topic();
      *merged.mutable_created() = response.created();
    }
    for (const v1::QueueStats& queue : response.queues()) {
      v1::QueueStats* out = merged.add_queues();
      *out = queue;
      out->set_broker(answer.broker);
    }
    for (const v1::GroupInfo& group : response.consumers()) {
      const auto [known, added] = consumers.try_emplace(group.name(), group);
      if (!added && IsBefore(group.created(), known->second.created())) {
        *known->second.mutable_created() = group.created();
      }
    }
  }
  for (auto& [name, group] : consumers) *merged.add_consumers() = std::move(group);
  Sort(merged.mutable_queues(), [](const v1::QueueStats& a, const v1::QueueStats& b) {
    return std::forward_as_tuple(a.broker(), a.queue_id()) <
           std::forward_as_tuple(b.broker(), b.queue_id());
  });
  return merged;
}

v1::ListDeadLettersResponse MergeDeadLetters(const Answers<v1::ListDeadLettersResponse>& answers,
                                             int32_t limit) {
  v1::ListDeadLettersResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    merged.mutable_dead_letters()->MergeFrom(answer.response.dead_letters());
    merged.set_total(merged.total() + answer.response.total());
  }
  auto* letters = merged.mutable_dead_letters();
  Sort(letters, [](const v1::DeadLetter& a, const v1::DeadLetter& b) {
    return std::make_tuple(a.time().seconds(), a.time().nanos(), a.offset()) >
           std::make_tuple(b.time().seconds(), b.time().nanos(), b.offset());
  });
  if (limit > 0 && letters->size() > limit) letters->DeleteSubrange(limit, letters->size() - limit);
  return merged;
}

v1::GetMessageResponse MergeMessagesAtPlace(const Answers<v1::GetMessageResponse>& answers) {
  v1::GetMessageResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) merged.mutable_messages()->MergeFrom(answer.response.messages());
  }
  return merged;
}

v1::TraceMessageResponse MergeTraces(const Answers<v1::TraceMessageResponse>& answers) {
  v1::TraceMessageResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) merged.mutable_traces()->MergeFrom(answer.response.traces());
  }
  return merged;
}

v1::QueryMessagesResponse MergeFoundMessages(const Answers<v1::QueryMessagesResponse>& answers,
                                             int32_t limit) {
  const auto stored = [](const v1::FoundMessage& found) {
    const auto& time = found.message().system_properties().store_timestamp();
    return std::make_tuple(time.seconds(), time.nanos());
  };
  v1::QueryMessagesResponse merged;
  auto* messages = merged.mutable_messages();
  // A broker that gave its newest only says nothing of the time before.
  auto complete_from = std::make_tuple(std::numeric_limits<int64_t>::min(), 0);
  bool any_gave_up = false;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    const auto& found = answer.response.messages();
    messages->MergeFrom(found);
    merged.set_unindexed_bytes(merged.unindexed_bytes() + answer.response.unindexed_bytes());
    any_gave_up = any_gave_up || GaveUp(answer.response);
    if (!answer.response.more() || found.empty()) continue;
    merged.set_more(true);
    complete_from = std::max(complete_from, stored(*found.rbegin()));
  }
  if (any_gave_up && messages->empty()) merged.set_more(true);
  std::stable_sort(messages->begin(), messages->end(),
                   [&](const auto& a, const auto& b) { return stored(a) > stored(b); });
  int kept = messages->size();
  while (kept > 0 && stored(messages->Get(kept - 1)) < complete_from) --kept;
  if (limit > 0 && kept > limit) {
    kept = limit;
    merged.set_more(true);
  }
  messages->DeleteSubrange(kept, messages->size() - kept);
  return merged;
}

v1::ListDelayedMessagesResponse MergeDelayedMessages(
    const Answers<v1::ListDelayedMessagesResponse>& answers, int32_t limit) {
  v1::ListDelayedMessagesResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) merged.mutable_messages()->MergeFrom(answer.response.messages());
  }
  auto* messages = merged.mutable_messages();
  Sort(messages, [](const v1::DelayedMessage& a, const v1::DelayedMessage& b) {
    return std::make_tuple(a.due().seconds(), a.due().nanos()) <
           std::make_tuple(b.due().seconds(), b.due().nanos());
  });
  if (limit > 0 && messages->size() > limit) {
    messages->DeleteSubrange(limit, messages->size() - limit);
  }
  return merged;
}

v1::DescribeGroupResponse MergeGroup(const Answers<v1::DescribeGroupResponse>& answers) {
  v1::DescribeGroupResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    const v1::DescribeGroupResponse& response = answer.response;
    if (!merged.has_group()) *merged.mutable_group() = response.group();
    AddPositions(answer.broker, response.positions(), merged.mutable_positions());
    merged.mutable_client_ids()->MergeFrom(response.client_ids());
  }
  SortPositions(merged.mutable_positions());
  auto* ids = merged.mutable_client_ids();  // a client heartbeats to every broker
  Sort(ids, std::less<std::string>());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  return merged;
}

v1::DeadLetterStatsResponse MergeDeadLetterStats(
    const Answers<v1::DeadLetterStatsResponse>& answers) {
  v1::DeadLetterStatsResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    merged.mutable_groups()->MergeFrom(answer.response.groups());
    *merged.mutable_answered() = answer.response.answered();
  }
  Sort(merged.mutable_groups(), [](const v1::GroupDeadLetters& a, const v1::GroupDeadLetters& b) {
    return std::tie(a.group(), a.broker()) < std::tie(b.group(), b.broker());
  });
  return merged;
}

v1::ExplainGroupResponse MergeExplanations(const Answers<v1::ExplainGroupResponse>& answers) {
  v1::ExplainGroupResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) {
      merged.mutable_explanations()->MergeFrom(answer.response.explanations());
    }
  }
  auto* explanations = merged.mutable_explanations();
  std::stable_sort(explanations->begin(), explanations->end(),
                   [](const v1::GroupExplanation& a, const v1::GroupExplanation& b) {
                     return a.cause() < b.cause();
                   });
  return merged;
}

v1::ListClientsResponse MergeClients(const Answers<v1::ListClientsResponse>& answers,
                                     int32_t limit) {
  const auto silence = [](const v1::ClientDescription& client) {
    return std::make_tuple(client.silent().seconds(), client.silent().nanos());
  };
  absl::btree_map<std::string, v1::ClientDescription> by_id;
  v1::ListClientsResponse merged;
  std::optional<std::string> complete_to;  // by a broker that has more, and says nothing behind it
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    if (answer.response.more() && !answer.response.clients().empty()) {
      const std::string& last = answer.response.clients().rbegin()->id();
      complete_to = std::min(complete_to.value_or(last), last);
    }
    for (const v1::ClientDescription& client : answer.response.clients()) {
      const auto [known, added] = by_id.try_emplace(client.id(), client);
      if (added) continue;
      google::protobuf::RepeatedPtrField<std::string> brokers = known->second.brokers();
      brokers.MergeFrom(client.brokers());
      if (silence(client) < silence(known->second)) known->second = client;
      *known->second.mutable_brokers() = std::move(brokers);
    }
  }
  for (auto& [id, client] : by_id) {
    merged.set_more((complete_to && id > *complete_to) ||
                    (limit > 0 && merged.clients_size() >= limit));
    if (merged.more()) return merged;
    *merged.add_clients() = std::move(client);
  }
  merged.set_more(complete_to.has_value());
  return merged;
}

v1::TransactionStatsResponse MergeTransactionStats(
    const Answers<v1::TransactionStatsResponse>& answers) {
  v1::TransactionStatsResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    merged.mutable_totals()->MergeFrom(answer.response.totals());
    merged.mutable_topics()->MergeFrom(answer.response.topics());
  }
  return merged;
}

v1::ListTransactionsResponse MergeTransactions(
    const Answers<v1::ListTransactionsResponse>& answers) {
  v1::ListTransactionsResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) {
      merged.mutable_transactions()->MergeFrom(answer.response.transactions());
    }
  }
  return merged;
}

v1::DelayStatsResponse MergeDelayStats(const Answers<v1::DelayStatsResponse>& answers) {
  v1::DelayStatsResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) merged.mutable_stats()->MergeFrom(answer.response.stats());
  }
  return merged;
}

v1::HoldTopicResponse MergeHold(const Answers<v1::HoldTopicResponse>& answers) {
  v1::HoldTopicResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    merged.set_unfinished(merged.unfinished() + answer.response.unfinished());
    if (merged.group().empty()) merged.set_group(answer.response.group());
  }
  return merged;
}

v1::ListBrokersResponse MergeBrokers(const Answers<v1::ListBrokersResponse>& answers) {
  v1::ListBrokersResponse merged;
  for (const auto& answer : answers) {
    if (answer.status.ok()) merged.mutable_brokers()->MergeFrom(answer.response.brokers());
  }
  Sort(merged.mutable_brokers(), [](const v1::BrokerOverview& a, const v1::BrokerOverview& b) {
    return std::make_tuple(a.broker().cluster(), a.broker().name(), a.broker().id()) <
           std::make_tuple(b.broker().cluster(), b.broker().name(), b.broker().id());
  });
  return merged;
}

v1::ListTopicsResponse MergeTopics(const Answers<v1::ListTopicsResponse>& answers) {
  absl::btree_map<std::string, v1::TopicOverview> by_name;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    for (const v1::TopicOverview& topic : answer.response.topics()) {
      const auto [known, added] = by_name.try_emplace(topic.topic().name(), topic);
      if (!added) known->second.mutable_brokers()->MergeFrom(topic.brokers());
    }
  }
  v1::ListTopicsResponse merged;
  for (auto& [name, topic] : by_name) *merged.add_topics() = std::move(topic);
  return merged;
}

v1::ListGroupsResponse MergeGroups(const Answers<v1::ListGroupsResponse>& answers) {
  absl::btree_map<std::string, v1::GroupOverview> by_name;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    for (const v1::GroupOverview& group : answer.response.groups()) {
      const auto [known, added] = by_name.try_emplace(group.group().name(), group);
      if (!added) known->second.mutable_brokers()->MergeFrom(group.brokers());
    }
  }
  v1::ListGroupsResponse merged;
  for (auto& [name, group] : by_name) *merged.add_groups() = std::move(group);
  return merged;
}

v1::ResetGroupResponse MergeReset(const Answers<v1::ResetGroupResponse>& answers) {
  v1::ResetGroupResponse merged;
  for (const auto& answer : answers) {
    if (!answer.status.ok()) continue;
    AddPositions(answer.broker, answer.response.positions(), merged.mutable_positions());
  }
  SortPositions(merged.mutable_positions());
  return merged;
}

}  // namespace mansio::gateway
