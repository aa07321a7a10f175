#include "tests/bench/crowd/routes.h"

#include <memory>
#include <string_view>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/bench/errors.h"
#include "client/lib/identity.h"
#include "client/lib/rpc.h"
#include "client/lib/transport.h"
#include "tests/bench/crowd/names.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int64_t kStep = 7919;  // a prime: neighbours lie far from each other
constexpr absl::Duration kTimeout = absl::Seconds(10);

Outcome EvaluateRoute(const absl::Status& status, std::string_view bytes) {
  if (!status.ok()) return {.error = TransportError(status)};
  v2::QueryRouteResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return {.error = "UNREADABLE_RESPONSE"};
  }
  if (response.status().code() != v2::OK) {
    return {.error = v2::Code_Name(response.status().code())};
  }
  return {.messages = 1};
}

}  // namespace

absl::StatusOr<LoadResult> QueryRoutes(const std::string& nameserver, int topics,
                                       const LoadOptions& load) {
  const auto transport = client::Transport::Start();
  const auto connection =
      transport->Connect({nameserver, false, client::IdentityHeaders(client::NewClientId())});
  absl::StatusOr<LoadResult> result = RunLoad(load, [&](int64_t number, int64_t, auto done) {
    v2::QueryRouteRequest request;
    request.mutable_topic()->set_name(TopicName(static_cast<int>(number * kStep % topics)));
    connection->Unary(
        client::method::kQueryRoute, request.SerializeAsString(), kTimeout,
        [done = std::move(done)](absl::Status status, std::string_view bytes) mutable {
          done(EvaluateRoute(status, bytes));
        });
  });
  transport->Shutdown();
  return result;
}

}  // namespace mansio::bench
