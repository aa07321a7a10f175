#include "client/lib/transport.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "client/lib/transport_calls.h"
#include "common/sync/annotations.h"

namespace mansio::client {
namespace {

using internal::Bidi;
using internal::Event;
using internal::Registry;
using internal::StreamEvent;
using internal::Target;
using internal::TimerEvent;
using internal::UnaryEvent;

// Accepts any server certificate; see ClientOptions::tls.
class AcceptAnyCertificate : public grpc::experimental::ExternalCertificateVerifier {
 public:
  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* /*request*/,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* sync_status) override {
    *sync_status = grpc::Status::OK;
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest* /*request*/) override {}
};

std::shared_ptr<grpc::ChannelCredentials> Credentials(bool tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<AcceptAnyCertificate>());
  return grpc::experimental::TlsCredentials(options);
}

// gRPC's own name for `endpoint`: a list of addresses needs a scheme, a single one does not.
std::string TargetName(std::string endpoint) {
  if (endpoint.find(';') == std::string::npos) return endpoint;
  std::replace(endpoint.begin(), endpoint.end(), ';', ',');
  return (endpoint.front() == '[' ? "ipv6:" : "ipv4:") + endpoint;
}

std::shared_ptr<grpc::Channel> MakeChannel(const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a TCP connection of its own
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);             // retries are the producer's decision
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  // A broker that restarts is found again quickly; gRPC's own defaults reach two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // This is the time that a connection and its TLS handshake may take, on a busy machine, too.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return grpc::CreateCustomChannel(TargetName(options.endpoint), Credentials(options.tls),
                                   arguments);
}

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(ConnectionOptions options, grpc::CompletionQueue* queue, Registry* registry)
      : headers_(std::move(options.headers)),
        call_headers_(std::move(options.call_headers)),
        target_{MakeChannel(options), queue, registry, options.endpoint} {}

  void Unary(const std::string& method, std::string_view request, absl::Duration timeout,
             UnaryDone done) override {
    auto* event = new UnaryEvent(target_, std::move(done));
    if (Prepare(event, &event->context, method, timeout)) {
      event->Start(target_, method, request);
    }
  }

  void ServerStream(const std::string& method, std::string_view request, absl::Duration timeout,
                    StreamDone done) override {
    auto* event = new StreamEvent(target_, std::move(done));
    if (Prepare(event, &event->context, method, timeout)) {
      event->Start(target_, method, request);
    }
  }

  std::shared_ptr<BidiStream> Bidi(const std::string& method,
                                   std::shared_ptr<BidiEvents> events) override {
    auto stream = std::make_shared<internal::Bidi>(target_, std::move(events));
    AddHeaders(&stream->context, method);
    stream->Start(target_, method);
    return stream;
  }

  const std::string& endpoint() const override { return target_.endpoint; }

 private:
  void AddHeaders(grpc::ClientContext* context, const std::string& method) const {
    for (const auto& [key, value] : headers_) context->AddMetadata(key, value);
    if (call_headers_ == nullptr) return;
    for (const auto& [key, value] : call_headers_(method)) context->AddMetadata(key, value);
  }

  // False when the transport is shut down: the call has then been told so.
  template <typename CallEvent>
  bool Prepare(CallEvent* event, grpc::ClientContext* context, const std::string& method,
               absl::Duration timeout) {
    AddHeaders(context, method);
    context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (target_.registry->Add(event)) return true;
    event->Refuse();
    return false;
  }

  const Headers headers_;
  const std::function<Headers(const std::string&)> call_headers_;
  const Target target_;
};

class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(int threads) : queues_(std::max(threads, 1)) {
    for (grpc::CompletionQueue& queue : queues_) {
      threads_.emplace_back([&queue] { Run(&queue); });
    }
  }
  ~GrpcTransport() override { Shutdown(); }

  std::shared_ptr<Connection> Connect(ConnectionOptions options) override {
    const size_t index = next_queue_.fetch_add(1, std::memory_order_relaxed) % queues_.size();
    return std::make_shared<GrpcConnection>(std::move(options), &queues_[index], &registry_);
  }

  void After(absl::Duration delay, absl::AnyInvocable<void()> fn) override {
    auto* timer = new TimerEvent(&registry_, std::move(fn));
    timer->Start(&queues_.front(), delay);
  }

  void Shutdown() override {
    registry_.CloseAndDrain();
    MutexLock lock(&shutdown_mutex_);
    if (threads_.empty()) return;
    for (grpc::CompletionQueue& queue : queues_) queue.Shutdown();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  static void Run(grpc::CompletionQueue* queue) {
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      TsanAcquire(tag);
      static_cast<Event*>(tag)->Complete(ok);
    }
  }

  std::vector<grpc::CompletionQueue> queues_;
  Registry registry_;
  std::atomic<size_t> next_queue_{0};
  Mutex shutdown_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(shutdown_mutex_);
};

}  // namespace

bool IsTransportError(const absl::Status& status) {
  return status.GetPayload(internal::kTransportPayload).has_value();
}

std::unique_ptr<Transport> Transport::Start(int threads) {
  return std::make_unique<GrpcTransport>(threads);
}

}  // namespace mansio::client
