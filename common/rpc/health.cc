#include "common/rpc/health.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace mansio::rpc {
namespace {

// The messages are so small that their bytes are written here:
//   message HealthCheckRequest { string service = 1; }
//   message HealthCheckResponse { ServingStatus status = 1; }
enum class ServingStatus : char { kServing = 1, kServiceUnknown = 3 };

using Services = std::set<std::string, std::less<>>;

Payload Response(ServingStatus status) {
  constexpr char kStatusTag = 1 << 3;
  return Payload(std::string{kStatusTag, static_cast<char>(status)});
}

std::optional<std::string_view> ParseRequest(std::string_view bytes) {
  constexpr char kServiceTag = (1 << 3) | 2;
  constexpr size_t kMaxName = 127;  // whose length is one byte; no service here has a longer name
  if (bytes.empty()) return bytes;
  if (bytes.size() < 2 || bytes.size() > 2 + kMaxName || bytes[0] != kServiceTag ||
      static_cast<size_t>(bytes[1]) != bytes.size() - 2) {
    return std::nullopt;
  }
  return bytes.substr(2);
}

absl::Status BadRequest() {
  return absl::InvalidArgumentError("the request is not a valid encoding of HealthCheckRequest");
}

class Watch final : public BidiEvents {
 public:
  Watch(std::shared_ptr<BidiCall> call, std::shared_ptr<const Services> services)
      : call_(std::move(call)), services_(std::move(services)) {}

  // The answer does not change as long as the server runs; its end ends the stream.
  void OnMessage(std::string_view bytes) override {
    const std::optional<std::string_view> service = ParseRequest(bytes);
    if (!service) return call_->Finish(BadRequest());
    call_->Write(Response(services_->contains(*service) ? ServingStatus::kServing
                                                        : ServingStatus::kServiceUnknown));
  }
  void OnHalfClose() override {}
  void OnClosed() override {}

 private:
  const std::shared_ptr<BidiCall> call_;
  const std::shared_ptr<const Services> services_;
};

// `/package.Service/Method` without the slashes and the method.
std::string ServiceOf(std::string_view path) {
  return std::string(path.substr(1, path.rfind('/') - 1));
}

}  // namespace

void AddHealthService(MethodTable& methods) {
  auto services = std::make_shared<Services>();
  services->insert("");
  for (const auto& method : methods.unary) services->insert(ServiceOf(method.path));
  for (const auto& method : methods.server_stream) services->insert(ServiceOf(method.path));
  for (const auto& method : methods.bidi) services->insert(ServiceOf(method.path));

  methods.unary.push_back({"/grpc.health.v1.Health/Check", [services](UnaryCall& call) {
                             const auto service = ParseRequest(call.Request());
                             if (!service) return call.Abort(BadRequest());
                             if (!services->contains(*service)) {
                               return call.Abort(
                                   absl::NotFoundError("there is no such service here"));
                             }
                             call.Finish(Response(ServingStatus::kServing));
                           }});
  // Server-streaming for the client, which is the same on the wire.
  methods.bidi.push_back(
      {"/grpc.health.v1.Health/Watch", [services](std::shared_ptr<BidiCall> call) {
         return std::make_unique<Watch>(std::move(call), services);
       }});
}

}  // namespace mansio::rpc
