#include "nameserver/admin_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"
#include "nameserver/broker_answers.h"
#include "nameserver/broker_calls.h"

namespace mansio::nameserver {

namespace v2 = apache::rocketmq::v2;

namespace {

std::string PathOf(const char* name) { return fmt::format("/mansio.v1.Admin/{}", name); }

std::vector<std::string> Successful(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> brokers;
  for (const Outcome& outcome : outcomes) {
    if (outcome.status.ok()) brokers.push_back(outcome.broker);
  }
  return brokers;
}

template <typename Response>
void FillOutcomes(const std::vector<Outcome>& outcomes, Response* response) {
  ToWire(Summarise(outcomes), response->mutable_status());
  FillResults(outcomes, response->mutable_results());
}

// What a broker made of the request: the first that did.
template <typename Response>
const Response* FirstSuccess(const std::vector<BrokerAnswer<Response>>& answers) {
  for (const auto& answer : answers) {
    if (answer.status.ok()) return &answer.response;
  }
  return nullptr;
}

template <typename Response>
void Refuse(rpc::UnaryCall& call, const absl::Status& status) {
  Response response;
  ToWire(status, response.mutable_status());
  rpc::Reply(call, response);
}

}  // namespace

template <typename Request, typename Serve>
void AdminService::AddPassedOn(rpc::MethodTable& methods, const char* name, Serve serve) {
  using Response = decltype(serve(std::declval<const Request&>(), absl::Time()));
  methods.unary.push_back(
      {PathOf(name),
       rpc::ParsedUnary<Request>([this, serve](rpc::UnaryCall& call, Request request) {
         const bool accepted =
             workers_->Submit([this, serve, &call, request = std::move(request)]() mutable {
               // The brokers' answers must come in time to be passed back.
               const absl::Time deadline = std::min(absl::Now() + options_.broker_deadline,
                                                    call.Deadline() - absl::Milliseconds(200));
               rpc::Reply(call, serve(request, deadline));
             });
         if (accepted) return;
         Refuse<Response>(call, absl::ResourceExhaustedError(
                                    "too many commands are waiting for brokers; try again later"));
       })});
}

void AdminService::Register(rpc::MethodTable& methods) {
  methods.unary.push_back(
      {PathOf("ListBrokers"),
       rpc::ParsedUnary<v1::ListBrokersRequest>([this](rpc::UnaryCall& call, const auto&) {
         v1::ListBrokersResponse response;
         ToWire(absl::OkStatus(), response.mutable_status());
         for (v1::BrokerOverview& broker : table_->Brokers()) {
           *response.add_brokers() = std::move(broker);
         }
         response.set_answered_by(fmt::format("nameserver {}", options_.address()));
         rpc::Reply(call, response);
       })});
  methods.unary.push_back(
      {PathOf("ListTopics"),
       rpc::ParsedUnary<v1::ListTopicsRequest>([this](rpc::UnaryCall& call, const auto& request) {
         v1::ListTopicsResponse response;
         ToWire(absl::OkStatus(), response.mutable_status());
         for (v1::TopicOverview& topic : table_->Topics()) {
           if (names::IsGroupTopic(topic.topic().name()) && !request.include_system()) continue;
           *response.add_topics() = std::move(topic);
         }
         rpc::Reply(call, response);
       })});
  methods.unary.push_back(
      {PathOf("ListGroups"),
       rpc::ParsedUnary<v1::ListGroupsRequest>([this](rpc::UnaryCall& call, const auto&) {
         v1::ListGroupsResponse response;
         ToWire(absl::OkStatus(), response.mutable_status());
         for (v1::GroupOverview& group : table_->Groups())
           *response.add_groups() = std::move(group);
         rpc::Reply(call, response);
       })});

  AddPassedOn<v1::CreateTopicRequest>(
      methods, "CreateTopic", [this](const v1::CreateTopicRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::CreateTopicResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) {
          *response.mutable_topic() = first->topic();
          table_->AwaitTopic(first->topic().name(), Successful(OutcomesOf(answers)), true,
                             options_.routes_deadline);
        }
        return response;
      });
  AddPassedOn<v1::DeleteTopicRequest>(
      methods, "DeleteTopic", [this](const v1::DeleteTopicRequest& request, absl::Time deadline) {
        const std::vector<Outcome> outcomes =
            OutcomesOf(AskAll(table_->Masters(), request, deadline));
        v1::DeleteTopicResponse response;
        FillOutcomes(outcomes, &response);
        table_->AwaitTopic(request.name(), Successful(outcomes), false, options_.routes_deadline);
        return response;
      });
  AddPassedOn<v1::DescribeTopicRequest>(
      methods, "DescribeTopic",
      [this](const v1::DescribeTopicRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DescribeTopicResponse response = MergeTopic(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::CreateGroupRequest>(
      methods, "CreateGroup", [this](const v1::CreateGroupRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::CreateGroupResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) {
          *response.mutable_group() = first->group();
          table_->AwaitGroup(first->group().name(), Successful(OutcomesOf(answers)), true,
                             options_.routes_deadline);
        }
        return response;
      });
  AddPassedOn<v1::AlterTopicRequest>(
      methods, "AlterTopic", [this](const v1::AlterTopicRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::AlterTopicResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) *response.mutable_topic() = first->topic();
        return response;
      });
  AddPassedOn<v1::AlterGroupRequest>(
      methods, "AlterGroup", [this](const v1::AlterGroupRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::AlterGroupResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) *response.mutable_group() = first->group();
        return response;
      });
  AddPassedOn<v1::DeleteGroupRequest>(
      methods, "DeleteGroup", [this](const v1::DeleteGroupRequest& request, absl::Time deadline) {
        const std::vector<Outcome> outcomes =
            OutcomesOf(AskAll(table_->Masters(), request, deadline));
        v1::DeleteGroupResponse response;
        FillOutcomes(outcomes, &response);
        table_->AwaitGroup(request.name(), Successful(outcomes), false, options_.routes_deadline);
        return response;
      });
  AddPassedOn<v1::DelayStatsRequest>(
      methods, "DelayStats", [this](const v1::DelayStatsRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DelayStatsResponse response;
        for (const auto& answer : answers) {
          if (answer.status.ok()) response.mutable_stats()->MergeFrom(answer.response.stats());
        }
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::ListDelayedMessagesRequest>(
      methods, "ListDelayedMessages",
      [this](const v1::ListDelayedMessagesRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ListDelayedMessagesResponse response = MergeDelayedMessages(answers, request.limit());
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  // A message is on one broker: the others answer NOT_FOUND.
  AddPassedOn<v1::CancelDelayedMessageRequest>(
      methods, "CancelDelayedMessage",
      [this](const v1::CancelDelayedMessageRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::CancelDelayedMessageResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) response.set_message_id(first->message_id());
        return response;
      });
  AddPassedOn<v1::DescribeGroupRequest>(
      methods, "DescribeGroup",
      [this](const v1::DescribeGroupRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DescribeGroupResponse response = MergeGroup(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::ResetGroupRequest>(
      methods, "ResetGroup", [this](const v1::ResetGroupRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ResetGroupResponse response = MergeReset(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::PauseGroupRequest>(
      methods, "PauseGroup", [this](const v1::PauseGroupRequest& request, absl::Time deadline) {
        v1::PauseGroupResponse response;
        FillOutcomes(OutcomesOf(AskAll(table_->Masters(), request, deadline)), &response);
        return response;
      });
  AddPassedOn<v1::ResumeGroupRequest>(
      methods, "ResumeGroup", [this](const v1::ResumeGroupRequest& request, absl::Time deadline) {
        v1::ResumeGroupResponse response;
        FillOutcomes(OutcomesOf(AskAll(table_->Masters(), request, deadline)), &response);
        return response;
      });
  AddPassedOn<v1::ExplainGroupRequest>(
      methods, "ExplainGroup", [this](const v1::ExplainGroupRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ExplainGroupResponse response = MergeExplanations(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::ListClientsRequest>(
      methods, "ListClients", [this](const v1::ListClientsRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ListClientsResponse response = MergeClients(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  RegisterTransactions(methods);
  RegisterDeadLetters(methods);
}

template <typename Request, typename BrokerOf>
void AdminService::AddPassedToOne(rpc::MethodTable& methods, const char* name, BrokerOf broker_of) {
  AddPassedOn<Request>(
      methods, name, [this, broker_of](const Request& request, absl::Time deadline) {
        using Response = decltype(AskAll(Brokers(), request, deadline)[0].response);
        const std::string& broker = broker_of(request);
        Brokers asked = table_->Masters();
        std::erase_if(asked, [&broker](const auto& master) { return master.name() != broker; });
        const auto answers = AskAll(asked, request, deadline);
        auto response = answers.empty() ? Response() : answers[0].response;
        if (!answers.empty()) {
          ToWire(answers[0].status, response.mutable_status());
          return response;
        }
        ToWire(WireError(v2::NOT_FOUND,
                         broker.empty()
                             ? "the call names no broker; through a nameserver it has to"
                             : fmt::format("no broker '{}' is registered with this nameserver; "
                                           "`mansio cluster list` shows them",
                                           EscapeForLog(broker))),
               response.mutable_status());
        return response;
      });
}

void AdminService::RegisterDeadLetters(rpc::MethodTable& methods) {
  AddPassedOn<v1::ListDeadLettersRequest>(
      methods, "ListDeadLetters",
      [this](const v1::ListDeadLettersRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ListDeadLettersResponse response = MergeDeadLetters(answers, request.limit());
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::DescribeDeadLetterRequest>(
      methods, "DescribeDeadLetter",
      [this](const v1::DescribeDeadLetterRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DescribeDeadLetterResponse response;
        if (const auto* first = FirstSuccess(answers)) response = *first;
        response.clear_results();
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::DeadLetterStatsRequest>(
      methods, "DeadLetterStats",
      [this](const v1::DeadLetterStatsRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DeadLetterStatsResponse response = MergeDeadLetterStats(answers);
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  const auto of_page = [](const auto& request) -> const std::string& {
    return request.page().broker();
  };
  AddPassedToOne<v1::ResendDeadLettersRequest>(methods, "ResendDeadLetters", of_page);
  AddPassedToOne<v1::PurgeDeadLettersRequest>(methods, "PurgeDeadLetters", of_page);
  AddPassedToOne<v1::ExportDeadLettersRequest>(methods, "ExportDeadLetters", of_page);
  AddPassedToOne<v1::ImportDeadLettersRequest>(
      methods, "ImportDeadLetters",
      [](const auto& request) -> const std::string& { return request.broker(); });
}

void AdminService::RegisterTransactions(rpc::MethodTable& methods) {
  AddPassedOn<v1::TransactionStatsRequest>(
      methods, "TransactionStats",
      [this](const v1::TransactionStatsRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::TransactionStatsResponse response;
        for (const auto& answer : answers) {
          if (!answer.status.ok()) continue;
          response.mutable_totals()->MergeFrom(answer.response.totals());
          response.mutable_topics()->MergeFrom(answer.response.topics());
        }
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  AddPassedOn<v1::ListTransactionsRequest>(
      methods, "ListTransactions",
      [this](const v1::ListTransactionsRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::ListTransactionsResponse response;
        for (const auto& answer : answers) {
          if (!answer.status.ok()) continue;
          response.mutable_transactions()->MergeFrom(answer.response.transactions());
        }
        FillOutcomes(OutcomesOf(answers), &response);
        return response;
      });
  // A transaction is on one broker: the others answer NOT_FOUND.
  AddPassedOn<v1::DescribeTransactionRequest>(
      methods, "DescribeTransaction",
      [this](const v1::DescribeTransactionRequest& request, absl::Time deadline) {
        const auto answers = AskAll(table_->Masters(), request, deadline);
        v1::DescribeTransactionResponse response;
        FillOutcomes(OutcomesOf(answers), &response);
        if (const auto* first = FirstSuccess(answers)) {
          *response.mutable_transaction() = first->transaction();
        }
        return response;
      });
  AddPassedOn<v1::ResolveTransactionRequest>(
      methods, "ResolveTransaction",
      [this](const v1::ResolveTransactionRequest& request, absl::Time deadline) {
        v1::ResolveTransactionResponse response;
        FillOutcomes(OutcomesOf(AskAll(table_->Masters(), request, deadline)), &response);
        return response;
      });
}

}  // namespace mansio::nameserver
