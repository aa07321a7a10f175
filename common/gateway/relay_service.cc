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
      if (clients_.Find(client)) clients_.Touch(client).IgnoreError();
    }
    for (const std::string& client : update.gone()) CloseStream(client);
    for (const std::string& client : update.terminated()) {
      CloseStream(client);
      clients_.Terminate(client);
    }
  }

  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }

  void OnClosed() override {
    while (!streams_.empty()) CloseStream(std::string(streams_.begin()->first));
  }

 private:
  absl::Status Enter(const v1::RelayedClient& client) {
    const ClientRole role = RoleOfRelayed(client.type());
    if (!IsValid(client, role))
      return absl::InvalidArgumentError("it has names that are not valid");
    const std::vector<std::string> topics(client.topics().begin(), client.topics().end());
    if (role == ClientRole::kUnknown) {
      for (const std::string& topic : topics) {
        if (absl::Status s = clients_.NotePublished(client.id(), topic); !s.ok()) return s;
      }
    } else if (absl::Status s =
                   clients_.Describe(client.id(), role, client.group(), topics, client.language(),
                                     client.version(), client.peer());
               !s.ok()) {
      return s;
    }
    if (ReceivesByLease(role) && observer_ != nullptr) {
      observer_->OnSubscription(client.id(), client.group(), topics);
    }
    if (!client.stream_open()) {
      CloseStream(client.id());
    } else if (!streams_.contains(client.id())) {
      auto stream = std::make_shared<RelayedStream>(call(), client.id());
      streams_.emplace(client.id(), stream);
      return clients_.StreamOpened(client.id(), std::move(stream), /*relayed=*/true);
    }
    return absl::OkStatus();
  }

  void CloseStream(const std::string& client) {
    const auto found = streams_.find(client);
    if (found == streams_.end()) return;
    clients_.StreamClosed(client, found->second.get());
    streams_.erase(found);
  }

  ClientRegistry& clients_;
  ClientObserver* const observer_;
  StringMap<std::shared_ptr<RelayedStream>> streams_;  // by client id
};

void RelayService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back({kConnectPath, [this](std::shared_ptr<rpc::BidiCall> call) {
                            return std::make_unique<Stream>(std::move(call), *clients_, observer_);
                          }});
}

}  // namespace mansio::gateway
