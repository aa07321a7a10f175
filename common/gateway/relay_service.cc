#include "common/gateway/relay_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/gateway/preamble.h"
#include "common/logging/logging.h"
#include "common/names/names.h"
#include "common/names/string_map.h"
#include "common/rpc/proto_call.h"
#include "mansio/v1/relay.pb.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr char kConnectPath[] = "/mansio.v1.Relay/Connect";

ClientRole RoleOfRelayed(v2::ClientType type) {
  switch (type) {
    case v2::PRODUCER:
      return ClientRole::kProducer;
    case v2::PUSH_CONSUMER:
      return ClientRole::kPushConsumer;
    case v2::SIMPLE_CONSUMER:
      return ClientRole::kSimpleConsumer;
    case v2::PULL_CONSUMER:
      return ClientRole::kPullConsumer;
    default:
      return ClientRole::kUnknown;
  }
}

bool IsValid(const v1::RelayedClient& client, ClientRole role) {
  return !client.id().empty() && client.id().size() <= kMaxClientIdBytes &&
         (!IsConsumer(role) || names::ValidateConsumerGroup(client.group()).ok()) &&
         std::all_of(client.topics().begin(), client.topics().end(),
                     [](const std::string& topic) { return names::ValidateTopic(topic).ok(); });
}

}  // namespace

// The telemetry stream of a client at another node. It only takes commands.
class RelayService::RelayedStream final : public rpc::BidiCall {
 public:
  RelayedStream(std::shared_ptr<rpc::BidiCall> link, std::string client)
      : link_(std::move(link)), client_(std::move(client)) {}

  bool Write(rpc::Payload element) override {
    v1::RelayCommand command;
    command.set_client_id(client_);
    command.set_command(element.Flatten());
    return rpc::Write(*link_, command);
  }
  void Finish(absl::Status) override {}
  std::string_view Metadata(std::string_view) const override { return {}; }
  std::string_view Peer() const override { return link_->Peer(); }
  absl::Time Deadline() const override { return absl::InfiniteFuture(); }
  bool Cancelled() const override { return link_->Cancelled(); }
  void OnCancel(absl::AnyInvocable<void()>) override {}
  void Post(absl::AnyInvocable<void()> fn) override { link_->Post(std::move(fn)); }

 private:
  const std::shared_ptr<rpc::BidiCall> link_;
  const std::string client_;
};

// One node's stream, with the streams of its clients that have some.
class RelayService::Stream final : public rpc::ParsedBidiEvents<v1::RelayUpdate> {
 public:
  Stream(std::shared_ptr<rpc::BidiCall> call, ClientRegistry& clients, ClientObserver* observer)
      : ParsedBidiEvents(std::move(call)), clients_(clients), observer_(observer) {}

  void OnElement(v1::RelayUpdate update) override {
    for (const v1::RelayedClient& client : update.clients()) {
      const absl::Status entered = Enter(client);
      if (entered.ok()) continue;
      LOG_WARNING_EVERY(absl::Seconds(10), "a client of {} is not served: {}", call()->Peer(),
                        std::string(entered.message()));
    }
    for (const std::string& client : update.alive()) {
      if (told_.contains(client)) clients_.RelayAlive(client);
    }
    for (const std::string& client : update.gone()) Forget(client);
    for (const std::string& client : update.terminated()) {
      Forget(client);
      clients_.Terminate(client);
    }
  }

  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }

  void OnClosed() override {
    for (const auto& [client, stream] : told_) clients_.RelayGone(this, client);
    told_.clear();
  }

 private:
  absl::Status Enter(const v1::RelayedClient& client) {
    const ClientRole role = RoleOfRelayed(client.type());
    if (!IsValid(client, role))
      return absl::InvalidArgumentError("it has names that are not valid");
    ClientInfo info{.id = client.id(),
                    .role = role,
                    .group = client.group(),
                    .topics = {client.topics().begin(), client.topics().end()},
                    .language = client.language(),
                    .version = client.version(),
                    .peer = client.peer(),
                    .streams_lost = client.streams_lost()};
    const std::vector<std::string> topics = info.topics;
    std::shared_ptr<RelayedStream>& stream = told_[client.id()];
    if (!client.stream_open()) {
      stream = nullptr;
    } else if (stream == nullptr) {
      stream = std::make_shared<RelayedStream>(call(), client.id());
    }
    if (absl::Status s = clients_.Relay(this, std::move(info), stream); !s.ok()) return s;
    if (ReceivesByLease(role) && observer_ != nullptr) {
      observer_->OnSubscription(client.id(), client.group(), topics);
    }
    return absl::OkStatus();
  }

  void Forget(const std::string& client) {
    if (told_.erase(client) > 0) clients_.RelayGone(this, client);
  }

  ClientRegistry& clients_;
  ClientObserver* const observer_;
  // Clients by id, each with its stream if it has one.
  StringMap<std::shared_ptr<RelayedStream>> told_;
};

void RelayService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back({kConnectPath, [this](std::shared_ptr<rpc::BidiCall> call) {
                            return std::make_unique<Stream>(std::move(call), *clients_, observer_);
                          }});
}

}  // namespace mansio::gateway
