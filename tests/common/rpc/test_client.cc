#include "tests/common/rpc/test_client.h"

#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

namespace mansio::rpc {
namespace {

std::shared_ptr<grpc::ChannelCredentials> Credentials(Transport transport) {
  if (transport == Transport::kPlaintext) return grpc::InsecureChannelCredentials();
  // As the SDKs do by default: TLS without a look at the certificate.
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  return grpc::experimental::TlsCredentials(options);
}

void Apply(const CallOptions& options, grpc::ClientContext* context) {
  for (const auto& [key, value] : options.metadata) context->AddMetadata(key, value);
  context->set_deadline(std::chrono::system_clock::now() + options.deadline);
}

void* Tag(int tag) { return reinterpret_cast<void*>(static_cast<intptr_t>(tag)); }

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::string& address, Transport transport) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // each channel its own connection
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return grpc::CreateCustomChannel(address, Credentials(transport), arguments);
}

grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string all;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return all;
  for (const grpc::Slice& slice : slices) {
    all.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return all;
}

UnaryResult CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                      std::string_view request, const CallOptions& options) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  Apply(options, &context);
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer buffer = ToBuffer(request);
  auto call = stub.PrepareUnaryCall(&context, path, buffer, &queue);
  call->StartCall();
  UnaryResult result;
  grpc::ByteBuffer response;
  call->Finish(&response, &result.status, Tag(1));
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  result.response = ToString(response);
  return result;
}

Stream::Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
               const CallOptions& options) {
  Apply(options, &context_);
  call_ = grpc::GenericStub(channel).PrepareCall(&context_, path, &queue_);
  call_->StartCall(Tag(1));
  started_ = WaitFor(1);
}

Stream::~Stream() {
  if (!finished_) {
    context_.TryCancel();
    Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool Stream::WaitFor(int wanted) {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && tag == Tag(wanted) && ok;
}

bool Stream::Write(std::string_view element) {
  call_->Write(ToBuffer(element), Tag(2));
  return WaitFor(2);
}

bool Stream::WritesDone() {
  call_->WritesDone(Tag(3));
  return WaitFor(3);
}

bool Stream::ReadHeaders() {
  call_->ReadInitialMetadata(Tag(4));
  return WaitFor(4);
}

std::optional<std::string> Stream::Read() {
  grpc::ByteBuffer buffer;
  call_->Read(&buffer, Tag(5));
  if (!WaitFor(5)) return std::nullopt;
  return ToString(buffer);
}

grpc::Status Stream::Finish() {
  grpc::Status status;
  call_->Finish(&status, Tag(6));
  WaitFor(6);
  finished_ = true;
  return status;
}

}  // namespace mansio::rpc
