#include "common/gateway/telemetry.h"

#include <string>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/preamble.h"
#include "common/gateway/settings.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// Ends a stream with an answer that every SDK can read.
void Deny(rpc::BidiCall& call, const absl::Status& why) {
  v2::TelemetryCommand command;
  ToWire(why, command.mutable_status());
  rpc::Write(call, command);
  call.Finish(absl::OkStatus());
}

// Ends a stream whose settings are wrong.
void Reject(rpc::BidiCall& call, const absl::Status& why) {
  v2::Status wire;
  ToWire(why, &wire);
  call.Finish(wire.code() < v2::INTERNAL_ERROR ? absl::InvalidArgumentError(wire.message())
                                               : absl::InternalError(wire.message()));
}

// A stream that was refused at once; waits for its end.
class DeniedStream final : public rpc::BidiEvents {
 public:
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnClosed() override {}
};

class TelemetryStream final : public rpc::ParsedBidiEvents<v2::TelemetryCommand> {
 public:
  TelemetryStream(std::shared_ptr<rpc::BidiCall> call, std::string client_id,
                  const GatewayOptions& options, const Directory& directory,
                  ClientRegistry& clients, ClientObserver* observer, ClientRelay* relay)
      : ParsedBidiEvents(std::move(call)),
        client_id_(std::move(client_id)),
        options_(options),
        directory_(directory),
        clients_(clients),
        observer_(observer),
        relay_(relay) {
    TellRelay();
  }

  void OnElement(v2::TelemetryCommand command) override {
    if (ended_) return;
    if (command.has_settings()) {
      OnSettings(std::move(*command.mutable_settings()));
      return;
    }
    // Answers to commands that this node never sent, or commands newer than it: a sign of life.
    if (absl::Status status = clients_.Touch(client_id_); !status.ok()) End(status);
  }

  void OnHalfClose() override {
    if (!ended_) call()->Finish(absl::OkStatus());
    ended_ = true;
  }

  void OnClosed() override {
    clients_.StreamClosed(client_id_, call().get());
    TellRelay();
  }

 private:
  void TellRelay() {
    if (relay_ != nullptr) relay_->Changed(client_id_);
  }

  void OnSettings(v2::Settings settings) {
    if (absl::Status status = ValidateSettings(settings); !status.ok()) return End(status);
    const ClientRole role = RoleOf(settings);
    const std::string group = GroupOf(settings);
    std::vector<std::string> topics = TopicsOf(settings);
    const absl::Status described =
        clients_.Describe(client_id_, role, group, topics, call()->Metadata("x-mq-language"),
                          call()->Metadata("x-mq-client-version"), call()->Peer());
    if (!described.ok()) return End(described);
    TellRelay();

    const bool consumer = role != ClientRole::kProducer;
    const absl::Status known = consumer ? directory_.CheckGroup(group) : absl::OkStatus();
    if (!known.ok()) return End(known);
    if (ReceivesByLease(role) && observer_ != nullptr)
      observer_->OnSubscription(client_id_, group, topics);
    MergeSettings(options_, consumer ? directory_.Group(group) : GroupPolicy(), &settings);

    v2::TelemetryCommand reply;
    ToWire(absl::OkStatus(), reply.mutable_status());
    *reply.mutable_settings() = std::move(settings);
    rpc::Write(*call(), reply);
  }

  void End(const absl::Status& why) {
    ended_ = true;
    const v2::Code code = CodeOf(why);
    if (code == v2::NOT_IMPLEMENTED || code == v2::TOO_MANY_REQUESTS) {
      Deny(*call(), why);
    } else {
      Reject(*call(), why);
    }
  }

  const std::string client_id_;
  const GatewayOptions& options_;
  const Directory& directory_;
  ClientRegistry& clients_;
  ClientObserver* const observer_;
  ClientRelay* const relay_;
  bool ended_ = false;  // by this side; what still arrives is not looked at
};

}  // namespace

std::unique_ptr<rpc::BidiEvents> ServeTelemetry(std::shared_ptr<rpc::BidiCall> call,
                                                const GatewayOptions& options,
                                                const Directory& directory, ClientRegistry& clients,
                                                ClientObserver* observer, ClientRelay* relay) {
  const absl::StatusOr<std::string_view> id = ClientId(*call);
  absl::Status status = id.status();
  if (id.ok()) status = clients.StreamOpened(*id, call);
  if (!status.ok()) {
    Deny(*call, status);
    return std::make_unique<DeniedStream>();
  }
  std::string client_id(*id);
  return std::make_unique<TelemetryStream>(std::move(call), std::move(client_id), options,
                                           directory, clients, observer, relay);
}

}  // namespace mansio::gateway
