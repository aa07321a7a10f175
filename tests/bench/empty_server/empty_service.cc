#include "tests/bench/empty_server/empty_service.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/rpc/proto_call.h"

namespace mansio::bench {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr std::string_view kService = "/apache.rocketmq.v2.MessagingService/";

std::string Path(std::string_view method) { return std::string(kService) + std::string(method); }

void SetOk(v2::Status* status) {
  status->set_code(v2::OK);
  status->set_message("OK");
}

// The number of messages in an encoded SendMessageRequest, whose only field is `repeated messages =
// 1`.
size_t CountMessages(std::string_view request) {
  constexpr char kMessagesTag = (1 << 3) | 2;
  size_t count = 0;
  while (!request.empty() && request[0] == kMessagesTag) {
    uint64_t length = 0;
    size_t at = 1;
    for (int shift = 0; at < request.size() && shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(request[at++]);
      length |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    ++count;
    request.remove_prefix(at + length < request.size() ? at + length : request.size());
  }
  return count;
}

std::string EncodedSendResponse(size_t entries) {
  v2::SendMessageResponse response;
  SetOk(response.mutable_status());
  for (size_t i = 0; i < entries; ++i) {
    v2::SendResultEntry* entry = response.add_entries();
    SetOk(entry->mutable_status());
    entry->set_message_id("01000000000000000000000000000000");
    entry->set_offset(1234567);
  }
  return response.SerializeAsString();
}

void SendMessage(rpc::UnaryCall& call) {
  static const std::string one = EncodedSendResponse(1);
  const size_t count = CountMessages(call.Request());
  call.Finish(rpc::Payload(count == 1 ? one : EncodedSendResponse(count)));
}

v2::QueryRouteResponse Route(const v2::Resource& topic, const net::HostPort& advertised) {
  v2::QueryRouteResponse response;
  SetOk(response.mutable_status());
  for (int i = 0; i < 8; ++i) {
    v2::MessageQueue* queue = response.add_message_queues();
    *queue->mutable_topic() = topic;
    queue->set_id(i);
    queue->set_permission(v2::READ_WRITE);
    queue->add_accept_message_types(v2::NORMAL);
    v2::Broker* broker = queue->mutable_broker();
    broker->set_name("empty");
    v2::Endpoints* endpoints = broker->mutable_endpoints();
    endpoints->set_scheme(static_cast<v2::AddressScheme>(advertised.kind));
    v2::Address* address = endpoints->add_addresses();
    address->set_host(advertised.host);
    address->set_port(advertised.port);
  }
  return response;
}

class TelemetryStream final : public rpc::ParsedBidiEvents<v2::TelemetryCommand> {
 public:
  using ParsedBidiEvents::ParsedBidiEvents;

  // The client's own settings with the fields that only a server fills.
  void OnElement(v2::TelemetryCommand command) override {
    if (!command.has_settings()) return;
    SetOk(command.mutable_status());
    v2::Settings* settings = command.mutable_settings();
    v2::RetryPolicy* policy = settings->mutable_backoff_policy();
    policy->set_max_attempts(3);
    policy->mutable_exponential_backoff()->mutable_initial()->set_nanos(10'000'000);
    policy->mutable_exponential_backoff()->mutable_max()->set_seconds(1);
    policy->mutable_exponential_backoff()->set_multiplier(2);
    if (settings->has_publishing()) {
      settings->mutable_publishing()->set_max_body_size(4 * 1024 * 1024);
    }
    rpc::Write(*call(), command);
  }
  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }
  void OnClosed() override {}
};

}  // namespace

rpc::MethodTable EmptyService(const net::HostPort& advertised) {
  rpc::MethodTable table;
  table.unary.push_back({Path("SendMessage"), SendMessage, /*hot=*/true});
  table.unary.push_back(
      {Path("QueryRoute"), rpc::ParsedUnary<v2::QueryRouteRequest>(
                               [advertised](rpc::UnaryCall& call, v2::QueryRouteRequest request) {
                                 rpc::Reply(call, Route(request.topic(), advertised));
                               })});
  table.unary.push_back({Path("Heartbeat"), [](rpc::UnaryCall& call) {
                           v2::HeartbeatResponse response;
                           SetOk(response.mutable_status());
                           rpc::Reply(call, response);
                         }});
  table.unary.push_back({Path("NotifyClientTermination"), [](rpc::UnaryCall& call) {
                           v2::NotifyClientTerminationResponse response;
                           SetOk(response.mutable_status());
                           rpc::Reply(call, response);
                         }});
  table.bidi.push_back({Path("Telemetry"), [](std::shared_ptr<rpc::BidiCall> call) {
                          return std::make_unique<TelemetryStream>(std::move(call));
                        }});
  return table;
}

}  // namespace mansio::bench
