#include "nameserver/broker_calls.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <memory>
#include <utility>

#include "common/status/wire_status.h"
#include "mansio/v1/admin.grpc.pb.h"
#include "nameserver/broker_text.h"

namespace mansio::nameserver {

namespace {

std::unique_ptr<v1::Admin::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY,
                   0);                     // a proxy of the environment is meant for the web
  arguments.SetMaxReceiveMessageSize(-1);  // a page of dead letters
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // no back-off left over from before
  return v1::Admin::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

template <typename Response>
absl::Status StatusOf(const grpc::Status& transport, const Response& response,
                      const std::string& address) {
  if (transport.ok()) return FromWire(response.status());
  const std::string text = fmt::format("no answer from {}: {}", address, transport.error_message());
  if (transport.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(text);
  }
  return absl::UnavailableError(text);
}

template <typename Response, typename Request>
using StartCall = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (v1::Admin::Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*);

template <typename Response, typename Request>
std::vector<BrokerAnswer<Response>> Ask(const Brokers& brokers, const Request& request,
                                        absl::Time deadline, StartCall<Response, Request> start) {
  struct Call {
    std::string address;
    std::unique_ptr<v1::Admin::Stub> stub;
    grpc::ClientContext context;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
  };
  std::vector<BrokerAnswer<Response>> answers(brokers.size());
  std::vector<std::unique_ptr<Call>> calls;
  grpc::CompletionQueue queue;
  for (size_t i = 0; i < brokers.size(); ++i) {
    answers[i].broker = brokers[i].name();
    auto call = std::make_unique<Call>();
    call->address = AddressText(brokers[i].addresses(0));
    call->stub = Connect(call->address);
    call->context.set_deadline(absl::ToChronoTime(deadline));
    call->reader = (call->stub.get()->*start)(&call->context, request, &queue);
    call->reader->Finish(&answers[i].response, &call->status, call.get());
    calls.push_back(std::move(call));
  }
  void* tag = nullptr;
  bool ok = false;
  for (size_t done = 0; done < calls.size() && queue.Next(&tag, &ok);) ++done;
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    answers[i].status = StatusOf(calls[i]->status, answers[i].response, calls[i]->address);
  }
  return answers;
}

using Stub = v1::Admin::Stub;

}  // namespace

std::vector<BrokerAnswer<v1::CreateTopicResponse>> AskAll(const Brokers& brokers,
                                                          const v1::CreateTopicRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncCreateTopic);
}

std::vector<BrokerAnswer<v1::DescribeTopicResponse>> AskAll(const Brokers& brokers,
                                                            const v1::DescribeTopicRequest& request,
                                                            absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDescribeTopic);
}

std::vector<BrokerAnswer<v1::DeleteTopicResponse>> AskAll(const Brokers& brokers,
                                                          const v1::DeleteTopicRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDeleteTopic);
}

std::vector<BrokerAnswer<v1::CreateGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::CreateGroupRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncCreateGroup);
}

std::vector<BrokerAnswer<v1::DescribeGroupResponse>> AskAll(const Brokers& brokers,
                                                            const v1::DescribeGroupRequest& request,
                                                            absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDescribeGroup);
}

std::vector<BrokerAnswer<v1::AlterTopicResponse>> AskAll(const Brokers& brokers,
                                                         const v1::AlterTopicRequest& request,
                                                         absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncAlterTopic);
}

std::vector<BrokerAnswer<v1::AlterGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::AlterGroupRequest& request,
                                                         absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncAlterGroup);
}

std::vector<BrokerAnswer<v1::DeleteGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::DeleteGroupRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDeleteGroup);
}

std::vector<BrokerAnswer<v1::ListDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ListDeadLettersRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncListDeadLetters);
}

std::vector<BrokerAnswer<v1::DescribeDeadLetterResponse>> AskAll(
    const Brokers& brokers, const v1::DescribeDeadLetterRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDescribeDeadLetter);
}

std::vector<BrokerAnswer<v1::TransactionStatsResponse>> AskAll(
    const Brokers& brokers, const v1::TransactionStatsRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncTransactionStats);
}

std::vector<BrokerAnswer<v1::ListTransactionsResponse>> AskAll(
    const Brokers& brokers, const v1::ListTransactionsRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncListTransactions);
}

std::vector<BrokerAnswer<v1::DescribeTransactionResponse>> AskAll(
    const Brokers& brokers, const v1::DescribeTransactionRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDescribeTransaction);
}

std::vector<BrokerAnswer<v1::ResolveTransactionResponse>> AskAll(
    const Brokers& brokers, const v1::ResolveTransactionRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncResolveTransaction);
}

std::vector<BrokerAnswer<v1::DelayStatsResponse>> AskAll(const Brokers& brokers,
                                                         const v1::DelayStatsRequest& request,
                                                         absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDelayStats);
}

std::vector<BrokerAnswer<v1::ListDelayedMessagesResponse>> AskAll(
    const Brokers& brokers, const v1::ListDelayedMessagesRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncListDelayedMessages);
}

std::vector<BrokerAnswer<v1::CancelDelayedMessageResponse>> AskAll(
    const Brokers& brokers, const v1::CancelDelayedMessageRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncCancelDelayedMessage);
}

std::vector<BrokerAnswer<v1::ResetGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::ResetGroupRequest& request,
                                                         absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncResetGroup);
}

std::vector<BrokerAnswer<v1::PauseGroupResponse>> AskAll(const Brokers& brokers,
                                                         const v1::PauseGroupRequest& request,
                                                         absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncPauseGroup);
}

std::vector<BrokerAnswer<v1::ResumeGroupResponse>> AskAll(const Brokers& brokers,
                                                          const v1::ResumeGroupRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncResumeGroup);
}

std::vector<BrokerAnswer<v1::DeadLetterStatsResponse>> AskAll(
    const Brokers& brokers, const v1::DeadLetterStatsRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncDeadLetterStats);
}

std::vector<BrokerAnswer<v1::ResendDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ResendDeadLettersRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncResendDeadLetters);
}

std::vector<BrokerAnswer<v1::PurgeDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::PurgeDeadLettersRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncPurgeDeadLetters);
}

std::vector<BrokerAnswer<v1::ExportDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ExportDeadLettersRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncExportDeadLetters);
}

std::vector<BrokerAnswer<v1::ImportDeadLettersResponse>> AskAll(
    const Brokers& brokers, const v1::ImportDeadLettersRequest& request, absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncImportDeadLetters);
}

std::vector<BrokerAnswer<v1::ExplainGroupResponse>> AskAll(const Brokers& brokers,
                                                           const v1::ExplainGroupRequest& request,
                                                           absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncExplainGroup);
}

std::vector<BrokerAnswer<v1::ListClientsResponse>> AskAll(const Brokers& brokers,
                                                          const v1::ListClientsRequest& request,
                                                          absl::Time deadline) {
  return Ask(brokers, request, deadline, &Stub::AsyncListClients);
}

}  // namespace mansio::nameserver
