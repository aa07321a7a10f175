#include "tests/client/fake_node.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <utility>

#include "apache/rocketmq/v2/service.grpc.pb.h"
#include "client/lib/wire.h"
#include "common/sync/annotations.h"
#include "common/sync/sync.h"
#include "mansio/v1/admin.grpc.pb.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

std::string ClientId(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("x-mq-client-id");
  if (found == context.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

}  // namespace

class FakeNode::Server final : public v2::MessagingService::Service, public v1::Admin::Service {
 public:
  explicit Server(Hooks* hooks) : hooks_(*hooks) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<v2::MessagingService::Service*>(this));
    builder.RegisterService(static_cast<v1::Admin::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status QueryRoute(grpc::ServerContext*, const v2::QueryRouteRequest* request,
                          v2::QueryRouteResponse* response) override {
    return Answer(hooks_.route, *request, response);
  }
  grpc::Status SendMessage(grpc::ServerContext*, const v2::SendMessageRequest* request,
                           v2::SendMessageResponse* response) override {
    return Answer(hooks_.send, *request, response);
  }
  grpc::Status AckMessage(grpc::ServerContext*, const v2::AckMessageRequest* request,
                          v2::AckMessageResponse* response) override {
    return Answer(hooks_.ack, *request, response);
  }
  grpc::Status ChangeInvisibleDuration(grpc::ServerContext*,
                                       const v2::ChangeInvisibleDurationRequest* request,
                                       v2::ChangeInvisibleDurationResponse* response) override {
    return Answer(hooks_.change, *request, response);
  }
  grpc::Status EndTransaction(grpc::ServerContext*, const v2::EndTransactionRequest* request,
                              v2::EndTransactionResponse* response) override {
    return Answer(hooks_.end_transaction, *request, response);
  }
  grpc::Status ReceiveMessage(grpc::ServerContext*, const v2::ReceiveMessageRequest* request,
                              grpc::ServerWriter<v2::ReceiveMessageResponse>* writer) override {
    MutexLock lock(&mutex_);
    if (!hooks_.receive) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no hook");
    for (const auto& element : hooks_.receive(*request)) writer->Write(element);
    return grpc::Status::OK;
  }
  grpc::Status PullMessage(grpc::ServerContext*, const v2::PullMessageRequest* request,
                           grpc::ServerWriter<v2::PullMessageResponse>* writer) override {
    MutexLock lock(&mutex_);
    if (!hooks_.pull) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no hook");
    for (const auto& element : hooks_.pull(*request)) writer->Write(element);
    return grpc::Status::OK;
  }
  grpc::Status QueryOffset(grpc::ServerContext*, const v2::QueryOffsetRequest* request,
                           v2::QueryOffsetResponse* response) override {
    return Answer(hooks_.query_offset, *request, response);
  }
  grpc::Status Heartbeat(grpc::ServerContext*, const v2::HeartbeatRequest*,
                         v2::HeartbeatResponse* response) override {
    *response->mutable_status() = MakeStatus(v2::OK, "OK");
    return grpc::Status::OK;
  }
  grpc::Status NotifyClientTermination(grpc::ServerContext* context,
                                       const v2::NotifyClientTerminationRequest*,
                                       v2::NotifyClientTerminationResponse* response) override {
    MutexLock lock(&mutex_);
    terminated_.push_back(ClientId(*context));
    *response->mutable_status() = MakeStatus(v2::OK, "OK");
    return grpc::Status::OK;
  }
  grpc::Status Telemetry(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v2::TelemetryCommand, v2::TelemetryCommand>* stream) override {
    v2::TelemetryCommand command;
    while (stream->Read(&command)) {
      std::vector<v2::TelemetryCommand> commands;
      {
        MutexLock lock(&mutex_);
        settings_.push_back(command.settings());
        if (hooks_.commands) commands = hooks_.commands();
      }
      *command.mutable_status() = MakeStatus(v2::OK, "OK");
      stream->Write(command);
      for (const v2::TelemetryCommand& further : commands) stream->Write(further);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListTopics(grpc::ServerContext*, const v1::ListTopicsRequest*,
                          v1::ListTopicsResponse* response) override {
    MutexLock lock(&mutex_);
    if (!hooks_.list_topics) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no hook");
    *response = hooks_.list_topics();
    return grpc::Status::OK;
  }
  grpc::Status CreateTopic(grpc::ServerContext*, const v1::CreateTopicRequest* request,
                           v1::CreateTopicResponse* response) override {
    return Answer(hooks_.create_topic, *request, response);
  }
  grpc::Status AlterTopic(grpc::ServerContext*, const v1::AlterTopicRequest* request,
                          v1::AlterTopicResponse* response) override {
    return Answer(hooks_.alter_topic, *request, response);
  }
  grpc::Status DeleteTopic(grpc::ServerContext*, const v1::DeleteTopicRequest* request,
                           v1::DeleteTopicResponse* response) override {
    return Answer(hooks_.delete_topic, *request, response);
  }

  grpc::Status CreateGroup(grpc::ServerContext*, const v1::CreateGroupRequest* request,
                           v1::CreateGroupResponse* response) override {
    return Answer(hooks_.create_group, *request, response);
  }
  grpc::Status DescribeGroup(grpc::ServerContext*, const v1::DescribeGroupRequest* request,
                             v1::DescribeGroupResponse* response) override {
    return Answer(hooks_.describe_group, *request, response);
  }

  grpc::Status DeadLetterStats(grpc::ServerContext*, const v1::DeadLetterStatsRequest* request,
                               v1::DeadLetterStatsResponse* response) override {
    return Answer(hooks_.dead_letter_stats, *request, response);
  }
  grpc::Status ResendDeadLetters(grpc::ServerContext*, const v1::ResendDeadLettersRequest* request,
                                 v1::ResendDeadLettersResponse* response) override {
    return Answer(hooks_.resend_dead_letters, *request, response);
  }
  grpc::Status PurgeDeadLetters(grpc::ServerContext*, const v1::PurgeDeadLettersRequest* request,
                                v1::PurgeDeadLettersResponse* response) override {
    return Answer(hooks_.purge_dead_letters, *request, response);
  }
  grpc::Status ExportDeadLetters(grpc::ServerContext*, const v1::ExportDeadLettersRequest* request,
                                 v1::ExportDeadLettersResponse* response) override {
    return Answer(hooks_.export_dead_letters, *request, response);
  }
  grpc::Status ImportDeadLetters(grpc::ServerContext*, const v1::ImportDeadLettersRequest* request,
                                 v1::ImportDeadLettersResponse* response) override {
    return Answer(hooks_.import_dead_letters, *request, response);
  }
  grpc::Status ExplainGroup(grpc::ServerContext*, const v1::ExplainGroupRequest* request,
                            v1::ExplainGroupResponse* response) override {
    return Answer(hooks_.explain_group, *request, response);
  }
  grpc::Status ListClients(grpc::ServerContext*, const v1::ListClientsRequest* request,
                           v1::ListClientsResponse* response) override {
    return Answer(hooks_.list_clients, *request, response);
  }
  grpc::Status QueryMessages(grpc::ServerContext*, const v1::QueryMessagesRequest* request,
                             v1::QueryMessagesResponse* response) override {
    return Answer(hooks_.query_messages, *request, response);
  }
  grpc::Status GetMessage(grpc::ServerContext*, const v1::GetMessageRequest* request,
                          v1::GetMessageResponse* response) override {
    return Answer(hooks_.get_message, *request, response);
  }
  grpc::Status TraceMessage(grpc::ServerContext*, const v1::TraceMessageRequest* request,
                            v1::TraceMessageResponse* response) override {
    return Answer(hooks_.trace_message, *request, response);
  }
  grpc::Status ListBrokers(grpc::ServerContext*, const v1::ListBrokersRequest* request,
                           v1::ListBrokersResponse* response) override {
    return Answer(hooks_.list_brokers, *request, response);
  }

  int port() const { return port_; }
  std::vector<v2::Settings> settings() const {
    MutexLock lock(&mutex_);
    return settings_;
  }
  std::vector<std::string> terminated() const {
    MutexLock lock(&mutex_);
    return terminated_;
  }

 private:
  template <typename Hook, typename Request, typename Response>
  grpc::Status Answer(const Hook& hook, const Request& request, Response* response) {
    MutexLock lock(&mutex_);
    if (!hook) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no hook");
    *response = hook(request);
    return grpc::Status::OK;
  }

  const Hooks& hooks_;
  mutable Mutex mutex_;
  std::vector<v2::Settings> settings_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> terminated_ ABSL_GUARDED_BY(mutex_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

FakeNode::FakeNode() : server_(std::make_unique<Server>(&hooks)) {}
FakeNode::~FakeNode() = default;

void FakeNode::Stop() { server_.reset(); }

std::string FakeNode::endpoint() const { return fmt::format("127.0.0.1:{}", server_->port()); }
std::vector<v2::Settings> FakeNode::settings() const { return server_->settings(); }
std::vector<std::string> FakeNode::terminated() const { return server_->terminated(); }

v2::Status MakeStatus(v2::Code code, const std::string& text) {
  v2::Status status;
  status.set_code(code);
  status.set_message(text);
  return status;
}

v2::SendMessageResponse SendSucceeds(const v2::SendMessageRequest& request, int64_t first_offset) {
  v2::SendMessageResponse response;
  *response.mutable_status() = MakeStatus(v2::OK, "OK");
  for (const v2::Message& message : request.messages()) {
    v2::SendResultEntry* entry = response.add_entries();
    *entry->mutable_status() = MakeStatus(v2::OK, "OK");
    entry->set_message_id(message.system_properties().message_id());
    entry->set_offset(first_offset++);
  }
  return response;
}

v2::QueryRouteResponse MakeRoute(const std::string& topic,
                                 const std::vector<std::string>& endpoints, int queues) {
  v2::QueryRouteResponse response;
  *response.mutable_status() = MakeStatus(v2::OK, "OK");
  for (size_t broker = 0; broker < endpoints.size(); ++broker) {
    for (int id = 0; id < queues; ++id) {
      v2::MessageQueue* queue = response.add_message_queues();
      queue->mutable_topic()->set_name(topic);
      queue->set_id(id);
      queue->set_permission(v2::READ_WRITE);
      queue->mutable_broker()->set_name(fmt::format("b{}", broker));
      ParseEndpoints(endpoints[broker], queue->mutable_broker()->mutable_endpoints()).IgnoreError();
      queue->add_accept_message_types(v2::NORMAL);
    }
  }
  return response;
}

}  // namespace mansio::client
