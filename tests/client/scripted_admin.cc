#include "tests/client/scripted_admin.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/forwarded_by.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::client {
namespace {

namespace pb = google::protobuf;

grpc::Status Answer(const std::string& method, bool alone,
                    const std::map<std::string, std::string>& answers, grpc::ByteBuffer* response) {
  std::string name = method.substr(1);
  name.replace(name.find('/'), 1, ".");
  const pb::MethodDescriptor* descriptor =
      pb::DescriptorPool::generated_pool()->FindMethodByName(name);
  auto found = descriptor == nullptr ? answers.end() : answers.find(descriptor->name());
  if (descriptor != nullptr && alone && answers.contains(descriptor->name() + " alone")) {
    found = answers.find(descriptor->name() + " alone");
  }
  if (found == answers.end()) {
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "nothing is scripted for " + method);
  }
  const std::unique_ptr<pb::Message> message(
      pb::MessageFactory::generated_factory()->GetPrototype(descriptor->output_type())->New());
  const bool has_status = found->second.starts_with("status");
  const std::string text = (has_status ? "" : "status { code: OK message: 'OK' } ") + found->second;
  if (!pb::TextFormat::ParseFromString(text, message.get())) {
    return grpc::Status(grpc::StatusCode::INTERNAL, "cannot read the script for " + method);
  }
  const grpc::Slice slice(message->SerializeAsString());
  *response = grpc::ByteBuffer(&slice, 1);
  return grpc::Status::OK;
}

class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(std::string method, bool alone, const std::map<std::string, std::string>& answers)
      : method_(std::move(method)), alone_(alone), answers_(answers) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no request"));
    const grpc::Status status = Answer(method_, alone_, answers_, &response_);
    if (!status.ok()) return Finish(status);
    StartWriteAndFinish(&response_, {}, grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  const std::string method_;
  const bool alone_;
  const std::map<std::string, std::string>& answers_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

}  // namespace

class ScriptedAdmin::Server final : public grpc::CallbackGenericService {
 public:
  explicit Server(const std::map<std::string, std::string>* answers) : answers_(*answers) {
    // Without a use of them the linker could leave out what describes the methods.
    v1::ListBrokersRequest::descriptor();
    apache::rocketmq::v2::QueryRouteRequest::descriptor();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const auto& headers = context->client_metadata();
    return new Call(context->method(),
                    headers.count(grpc::string_ref(gateway::kForwardedBy.data(),
                                                   gateway::kForwardedBy.size())) > 0,
                    answers_);
  }

  int port() const { return port_; }

 private:
  const std::map<std::string, std::string>& answers_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

ScriptedAdmin::ScriptedAdmin() : server_(std::make_unique<Server>(&answers)) {}
ScriptedAdmin::~ScriptedAdmin() = default;

std::string ScriptedAdmin::endpoint() const { return fmt::format("127.0.0.1:{}", server_->port()); }

}  // namespace mansio::client
