#include "common/rpc/server.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "common/names/utf8.h"
#include "common/net/address.h"
#include "common/net/listener.h"
#include "common/rpc/bidi_call.h"
#include "common/rpc/call_gate.h"
#include "common/rpc/certificate.h"
#include "common/rpc/health.h"
#include "common/rpc/reflection.h"
#include "common/rpc/rpc_thread.h"
#include "common/rpc/server_stream_call.h"
#include "common/rpc/unary_call.h"
#include "common/sync/sync.h"

namespace mansio::rpc {
namespace {

using grpc::experimental::ExternalConnectionAcceptor;

// Calls kept posted for each method on each thread: as many can arrive in one turn of the loop
// without a wait for the next one to be posted.
constexpr int kPostedHot = 64;
constexpr int kPostedStreams = 16;
constexpr int kPosted = 4;

// Calls that wait for a handler on one thread, and for how long: SDKs give a send 3 s.
constexpr size_t kMostHeld = 20'000;
constexpr absl::Duration kLongestHeld = absl::Milliseconds(2500);

// How long handlers may take, after their calls were cancelled, to finish them.
constexpr absl::Duration kPatienceWithHandlers = absl::Seconds(5);

// The loop that serves one completion queue, with the calls that belong to it.
struct Worker {
  std::shared_ptr<RpcThread> thread;
  std::unique_ptr<CallGate> gate;
  CallPool<UnaryCallImpl> unary;
  CallPool<ServerStreamCallImpl> server_stream;
  BidiRegistry bidi;
};

// The libraries' own lines (a failed TLS handshake, text that is not UTF-8) go to our log, and not
// each: peers can provoke them.
void TakeOverLibraryLogs() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    if (line->severity != GPR_LOG_SEVERITY_ERROR) return;
    LOG_WARNING_EVERY(absl::Seconds(10), "gRPC: {}", line->message);
  });
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel level, const char*, int, const std::string& line) {
        if (level < google::protobuf::LOGLEVEL_ERROR) return;
        LOG_WARNING_EVERY(absl::Seconds(10), "protobuf: {}", EscapeForLog(line, 500));
      });
}

void SetArguments(grpc::ServerBuilder& builder, const ServerOptions& options) {
  const auto silent_ms = static_cast<int>(absl::ToInt64Milliseconds(options.silent_connection));
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection},
      {GRPC_ARG_MAX_METADATA_SIZE, options.max_request_header_bytes},
      {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options.max_request_bytes},
      {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1},
      // Clients ping often and without calls; a server that calls this abuse breaks their telemetry
      // stream (RocketMQ 5 API).
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0},
      // Our own pings find clients whose machine is gone without a word.
      {GRPC_ARG_KEEPALIVE_TIME_MS, 60000},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000},
      {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
      // For what comes after the first byte, which the listener waits for.
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, std::max(silent_ms, 1)},
      {GRPC_ARG_ALLOW_REUSEPORT, 0},
      // A timer for each call, whose bookkeeping takes longer the more calls wait. Clients cancel
      // what they do not wait for any more, handlers know the deadline, and keepalive finds those
      // that are gone.
      {GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0},
      // Their parts of each call take memory and time for something that nobody uses.
      {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
      {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
  };
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
  // No client compresses at this level; refusing it means that a small request cannot grow in
  // memory.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  grpc::ResourceQuota quota("mansio");
  quota.Resize(static_cast<size_t>(options.memory_quota_bytes));
  builder.SetResourceQuota(quota);
}

absl::StatusOr<Certificate> ChooseCertificate(const ServerOptions& options,
                                              const net::HostPort& listen) {
  if (options.certificate.empty() != options.private_key.empty()) {
    return absl::InvalidArgumentError(
        "a TLS certificate and its private key must both be configured, or neither");
  }
  if (!options.certificate.empty()) {
    return LoadCertificate(options.certificate, options.private_key);
  }
  std::vector<std::string> hosts = {net::FirstNonLoopbackAddress().host};
  if (!listen.IsWildcard()) hosts.push_back(listen.host);
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) == 0 &&
      net::ParseHostPort(fmt::format("{}:0", name)).ok()) {
    hosts.emplace_back(name);
  }
  return SelfSignedCertificate(options.generated_dir, hosts);
}

void HasGone(UnaryCall& call) { call.Abort(absl::UnimplementedError("not served any more")); }
void HasGone(ServerStreamCall& call) {
  call.Abort(absl::UnimplementedError("not served any more"));
}
std::unique_ptr<BidiEvents> HasGone(const std::shared_ptr<BidiCall>& call) {
  call->Finish(absl::UnimplementedError("not served any more"));
  return nullptr;
}

template <typename Entry>
const Entry* Find(const std::vector<Entry>& entries, const std::string& path) {
  for (const Entry& entry : entries) {
    if (entry.path == path) return &entry;
  }
  return nullptr;
}

// gRPC learns of methods only when its server is built.
template <typename Entry>
absl::Status CheckKnown(const std::vector<Entry>& present, const std::vector<Entry>& next) {
  for (const Entry& entry : next) {
    if (Find(present, entry.path) != nullptr) continue;
    return absl::InvalidArgumentError(fmt::format("{} was not served at first", entry.path));
  }
  return absl::OkStatus();
}

// Gives all entries but the last `own` the handlers of `next`. In place: calls have their
// addresses.
template <typename Entry>
void Replace(std::vector<Entry>& present, size_t own, const std::vector<Entry>& next) {
  for (size_t i = 0; i + own < present.size(); ++i) {
    const Entry* const found = Find(next, present[i].path);
    if (found != nullptr) {
      // Only this: the rest is used while calls wait.
      present[i].handler = found->handler;
    } else {
      present[i].handler = [](auto&& call) { return HasGone(call); };
    }
  }
}

class GrpcServer final : public Server {
 public:
  GrpcServer(ServerOptions options, MethodTable methods)
      : options_(std::move(options)),
        table_(std::move(methods)),
        budget_(options_.memory_quota_bytes) {
    const size_t given_unary = table_.unary.size();
    const size_t given_bidi = table_.bidi.size();
    health_.Register(table_);
    AddReflectionService(table_);
    own_unary_ = table_.unary.size() - given_unary;
    own_bidi_ = table_.bidi.size() - given_bidi;
    AddMethods();
  }
  ~GrpcServer() override { Shutdown(absl::ZeroDuration()); }

  absl::Status Start();

  std::string Address() const override { return listener_->Address(); }
  bool SelfSigned() const override { return options_.certificate.empty(); }
  std::vector<const MethodStats*> Stats() const override;
  int64_t OpenConnections() const override { return listener_->OpenConnections(); }
  void SetServing(bool serving) override { health_.SetServing(serving); }
  void Hold(Holding what) override;
  bool Suspend(absl::Duration grace) override;
  absl::Status Resume(MethodTable methods, Holding what) override;
  void Shutdown(absl::Duration grace) override;

 private:
  void AddMethods();
  // Where to count the calls of a method; nullptr: nowhere.
  MethodStats* CountCalls(const std::string& path, bool streaming);
  absl::Status Build(const Certificate& certificate);
  void PostCalls(Worker& worker);
  // Runs `work` soon on each rpc thread.
  void OnEachThread(const std::function<void(Worker&)>& work);
  bool WaitUntilHandled(absl::Duration timeout);
  void HandOver(int fd, net::Protocol protocol);

  const ServerOptions options_;
  MethodTable table_;  // its handlers: of the rpc threads, unless suspended
  // At its end: of health and reflection, which stay when the others are replaced.
  size_t own_unary_ = 0;
  size_t own_bidi_ = 0;
  RequestBudget budget_;
  HealthService health_;
  RawService service_;
  // Addresses of elements are kept by calls.
  std::deque<MethodStats> stats_;
  std::deque<UnaryCallImpl::Method> unary_;
  std::deque<ServerStreamCallImpl::Method> server_stream_;
  std::deque<BidiCallImpl::Method> bidi_;

  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<ExternalConnectionAcceptor> plaintext_;
  std::unique_ptr<ExternalConnectionAcceptor> tls_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<grpc::Server> server_;

  Mutex shutdown_mutex_;
  bool down_ ABSL_GUARDED_BY(shutdown_mutex_) = false;
};

void GrpcServer::AddMethods() {
  using grpc::internal::RpcMethod;
  for (const MethodTable::Unary& method : table_.unary) {
    const int index = service_.Add(method.path.c_str(), RpcMethod::NORMAL_RPC);
    unary_.push_back({&service_, index, &method, CountCalls(method.path, false), &budget_});
  }
  for (const MethodTable::ServerStream& method : table_.server_stream) {
    const int index = service_.Add(method.path.c_str(), RpcMethod::SERVER_STREAMING);
    server_stream_.push_back({&service_, index, &method, CountCalls(method.path, true), &budget_});
  }
  for (const MethodTable::Bidi& method : table_.bidi) {
    const int index = service_.Add(method.path.c_str(), RpcMethod::BIDI_STREAMING);
    const int64_t limit = method.max_undelivered_bytes;
    bidi_.push_back(
        {&service_, index, &method, limit == 0 ? options_.max_undelivered_bytes : limit});
  }
}

MethodStats* GrpcServer::CountCalls(const std::string& path, bool streaming) {
  if (!options_.count_calls) return nullptr;
  return &stats_.emplace_back(path, streaming);
}

std::vector<const MethodStats*> GrpcServer::Stats() const {
  std::vector<const MethodStats*> stats;
  for (const MethodStats& method : stats_) stats.push_back(&method);
  return stats;
}

absl::Status GrpcServer::Start() {
  TakeOverLibraryLogs();
  // The port first: a taken one is the commonest reason not to start, and nothing is left behind.
  absl::StatusOr<std::unique_ptr<net::Listener>> listener =
      net::Listener::Bind({options_.listen, options_.max_connections, options_.silent_connection});
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);

  const absl::StatusOr<net::HostPort> address = net::ParseHostPort(listener_->Address());
  if (!address.ok()) return address.status();
  const absl::StatusOr<Certificate> certificate = ChooseCertificate(options_, *address);
  if (!certificate.ok()) return certificate.status();
  if (absl::Status status = Build(*certificate); !status.ok()) return status;

  for (const auto& worker : workers_) {
    worker->thread->Start([this, worker = worker.get()] { PostCalls(*worker); });
  }
  listener_->Start([this](int fd, net::Protocol protocol) { HandOver(fd, protocol); });
  return absl::OkStatus();
}

absl::Status GrpcServer::Build(const Certificate& certificate) {
  grpc::ServerBuilder builder;
  SetArguments(builder, options_);
  grpc::SslServerCredentialsOptions tls_options;
  tls_options.pem_key_cert_pairs.push_back({certificate.private_key, certificate.chain});
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  plaintext_ = builder.experimental().AddExternalConnectionAcceptor(
      Type::FROM_FD, grpc::InsecureServerCredentials());
  tls_ = builder.experimental().AddExternalConnectionAcceptor(
      Type::FROM_FD, grpc::SslServerCredentials(tls_options));
  builder.RegisterService(&service_);
  for (int i = 0; i < std::max(options_.threads, 1); ++i) {
    auto worker = std::make_unique<Worker>();
    worker->thread =
        std::make_shared<RpcThread>(builder.AddCompletionQueue(), fmt::format("rpc-{}", i));
    worker->gate = std::make_unique<CallGate>(worker->thread.get(), kMostHeld);
    worker->thread->SetGate(worker->gate.get());
    workers_.push_back(std::move(worker));
  }
  server_ = builder.BuildAndStart();
  if (server_ != nullptr) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("cannot start the gRPC server on {}; gRPC's own log says why", options_.listen));
}

void GrpcServer::PostCalls(Worker& worker) {
  RpcThread* const thread = worker.thread.get();
  for (size_t i = 0; i < unary_.size(); ++i) {
    const int count = table_.unary[i].hot ? kPostedHot : kPosted;
    for (int n = 0; n < count; ++n) UnaryCallImpl::Accept(thread, &worker.unary, &unary_[i]);
  }
  for (const ServerStreamCallImpl::Method& method : server_stream_) {
    for (int n = 0; n < kPostedStreams; ++n) {
      ServerStreamCallImpl::Accept(thread, &worker.server_stream, &method);
    }
  }
  for (const BidiCallImpl::Method& method : bidi_) {
    for (int n = 0; n < kPosted; ++n) BidiCallImpl::Accept(worker.thread, &worker.bidi, &method);
  }
}

void GrpcServer::HandOver(int fd, net::Protocol protocol) {
  ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = fd;
  (protocol == net::Protocol::kTls ? tls_ : plaintext_)->HandleNewConnection(&connection);
}

void GrpcServer::OnEachThread(const std::function<void(Worker&)>& work) {
  for (const auto& worker : workers_) {
    // One whose handlers kept its calls at a shutdown was left.
    if (worker == nullptr) continue;
    worker->thread->Post([worker = worker.get(), work] { work(*worker); });
  }
}

bool GrpcServer::WaitUntilHandled(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  bool handled = true;
  for (const auto& worker : workers_) {
    handled = worker->gate->WaitUntilHandled(deadline - absl::Now()) && handled;
  }
  return handled;
}

void GrpcServer::Hold(Holding what) {
  OnEachThread([what](Worker& worker) {
    if (!worker.gate->HoldsEverything()) worker.gate->Set(what, kLongestHeld);
  });
}

bool GrpcServer::Suspend(absl::Duration grace) {
  health_.SetServing(false);
  struct {
    Mutex mutex;
    CondVar changed;
    size_t threads ABSL_GUARDED_BY(mutex) = 0;
  } told;
  OnEachThread([&told](Worker& worker) {
    worker.gate->Set(Holding::kEverything, kLongestHeld);
    worker.bidi.FinishAll(absl::UnavailableError("the server changes what it does"));
    const MutexLock lock(&told.mutex);
    ++told.threads;
    told.changed.Signal();
  });
  {
    // So that no call is on its way to a handler after this.
    const MutexLock lock(&told.mutex);
    while (told.threads < workers_.size()) told.changed.Wait(&told.mutex);
  }
  if (WaitUntilHandled(grace)) return true;
  OnEachThread([](Worker& worker) { worker.gate->CancelRunning(); });
  return WaitUntilHandled(kPatienceWithHandlers);
}

absl::Status GrpcServer::Resume(MethodTable methods, Holding what) {
  for (const absl::Status& status : {CheckKnown(table_.unary, methods.unary),
                                     CheckKnown(table_.server_stream, methods.server_stream),
                                     CheckKnown(table_.bidi, methods.bidi)}) {
    if (!status.ok()) return status;
  }
  Replace(table_.unary, own_unary_, methods.unary);
  Replace(table_.server_stream, 0, methods.server_stream);
  Replace(table_.bidi, own_bidi_, methods.bidi);
  OnEachThread([what](Worker& worker) {
    worker.bidi.Reopen();
    worker.gate->Set(what, kLongestHeld);
  });
  health_.SetServing(true);
  return absl::OkStatus();
}

void GrpcServer::Shutdown(absl::Duration grace) {
  MutexLock lock(&shutdown_mutex_);
  if (std::exchange(down_, true)) return;
  health_.SetServing(false);
  if (listener_ != nullptr) listener_->Stop();
  for (const auto& worker : workers_) worker->thread->StopAccepting();
  OnEachThread([](Worker& worker) {
    worker.gate->Close();
    // They would never end by themselves, and each shutdown would take all of its grace.
    worker.bidi.FinishAll(absl::UnavailableError("the server is shutting down"));
  });
  if (server_ != nullptr) {
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
  }
  for (auto& worker : workers_) {
    if (server_ != nullptr && !worker->thread->WaitUntilIdle(kPatienceWithHandlers)) {
      // Its completion queue cannot be shut down under calls that may still be finished. It is
      // left, with what it holds, until the process ends.
      LOG_ERROR("calls were not finished by their handlers at shutdown; their rpc thread is left");
      static_cast<void>(worker.release());
      continue;
    }
    worker->thread->Stop();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, MethodTable methods) {
  auto server = std::make_unique<GrpcServer>(std::move(options), std::move(methods));
  if (absl::Status status = server->Start(); !status.ok()) return status;
  return server;
}

}  // namespace mansio::rpc
