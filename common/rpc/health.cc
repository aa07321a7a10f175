#include "common/rpc/health.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/names/string_map.h"
#include "common/rpc/proto_call.h"
#include "common/rpc/service_names.h"
#include "common/sync/sync.h"
#include "grpc/health/v1/health.pb.h"

namespace mansio::rpc {

namespace health = grpc::health::v1;

class HealthService::State {
 public:
  // Before the first call.
  void SetServices(StringSet services) { services_ = std::move(services); }
  bool Knows(std::string_view service) const { return services_.contains(service); }

  health::HealthCheckResponse StatusOf(std::string_view service) const {
    MutexLock lock(&mutex_);
    return Encoded(service);
  }

  // The present status goes to `call`, and each change of it until Forget.
  void Watch(std::string service, std::shared_ptr<BidiCall> call) {
    MutexLock lock(&mutex_);
    Write(*call, Encoded(service));
    // Said once: an unknown service does not appear while the server runs.
    if (Knows(service)) watching_.insert(std::move(call));
  }
  void Forget(const std::shared_ptr<BidiCall>& call) {
    MutexLock lock(&mutex_);
    watching_.erase(call);
  }

  void SetServing(bool serving) {
    MutexLock lock(&mutex_);
    if (std::exchange(serving_, serving) == serving) return;
    for (const auto& call : watching_) Write(*call, Encoded(""));
  }

 private:
  health::HealthCheckResponse Encoded(std::string_view service) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    health::HealthCheckResponse response;
    if (!Knows(service)) {
      response.set_status(health::HealthCheckResponse::SERVICE_UNKNOWN);
    } else {
      response.set_status(serving_ ? health::HealthCheckResponse::SERVING
                                   : health::HealthCheckResponse::NOT_SERVING);
    }
    return response;
  }

  StringSet services_;
  mutable Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = true;
  absl::flat_hash_set<std::shared_ptr<BidiCall>> watching_ ABSL_GUARDED_BY(mutex_);
};

namespace {

template <typename State>
class WatchStream final : public ParsedBidiEvents<health::HealthCheckRequest> {
 public:
  WatchStream(std::shared_ptr<BidiCall> call, std::shared_ptr<State> state)
      : ParsedBidiEvents(std::move(call)), state_(std::move(state)) {}

  void OnElement(health::HealthCheckRequest request) override {
    state_->Watch(std::move(*request.mutable_service()), call());
  }
  void OnHalfClose() override {}  // the client has asked; the answer does not end
  void OnClosed() override { state_->Forget(call()); }

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace

HealthService::HealthService() : state_(std::make_shared<State>()) {}
HealthService::~HealthService() = default;

void HealthService::Register(MethodTable& methods) {
  StringSet services;
  services.insert("");
  for (const std::string& service : ServiceNames(methods)) services.insert(service);
  state_->SetServices(std::move(services));

  methods.unary.push_back(
      {"/grpc.health.v1.Health/Check",
       ParsedUnary<health::HealthCheckRequest>(
           [state = state_](UnaryCall& call, const health::HealthCheckRequest& request) {
             if (!state->Knows(request.service())) {
               return call.Abort(absl::NotFoundError("there is no such service here"));
             }
             Reply(call, state->StatusOf(request.service()));
           })});
  // Server-streaming for the client, which is the same on the wire.
  methods.bidi.push_back(
      {"/grpc.health.v1.Health/Watch", [state = state_](std::shared_ptr<BidiCall> call) {
         return std::make_unique<WatchStream<State>>(std::move(call), state);
       }});
}

void HealthService::SetServing(bool serving) { state_->SetServing(serving); }

}  // namespace mansio::rpc
