#include "broker/server/cluster_node.h"

#include <optional>
#include <utility>

#include "broker/server/part_options.h"
#include "common/clock/clock.h"

namespace mansio::broker {

ClusterNode::ClusterNode(const BrokerConfig& config, const std::string& cluster_secret,
                         LocalDirectory::Options directory, Environment environment)
    : cluster_secret_(cluster_secret),
      has_nameservers_(!config.nameservers.empty()),
      holds_(environment.holds),
      others_(config.name, environment.clock),
      groups_elsewhere_(&others_),
      directory_(std::move(directory), environment.metadata, &others_),
      peers_(rpc::Client::Create({.max_unsent_bytes = config.network.unsent_bytes_per_stream})),
      timers_([clock = environment.clock] { return absl::ToInt64Milliseconds(clock->BootNow()); }),
      relay_(NodeOf(config), {.directory = &directory_,
                              .clients = environment.clients,
                              .peers = peers_.get(),
                              .timers = &timers_}),
      relayed_(environment.clients, environment.observer),
      gateway_({.max_body_bytes = static_cast<int32_t>(config.body_bytes),
                .receive_batch = config.receive_batch,
                .long_polling = config.max_long_polling},
               &directory_, environment.clients, environment.observer, &relay_),
      forwarder_({.node = NodeOf(config),
                  .max_calls = config.network.forwarded_calls,
                  .max_bytes = config.network.forwarded_bytes},
                 {.directory = &directory_,
                  .clients = environment.clients,
                  .peers = peers_.get(),
                  .timers = &timers_,
                  .relay = &relay_,
                  .holds = environment.holds}),
      admin_gateway_({.node = NodeOf(config), .cluster_secret = cluster_secret},
                     {.directory = &directory_, .peers = peers_.get(), .timers = &timers_}),
      registered_(environment.metadata),
      drains_(environment.metadata, environment.consumption,
              [this](const TopicPtr& topic) { registered_.TellTopic(topic); }),
      registration_(RegistrationOptionsOf(config, cluster_secret), &registered_),
      watch_({.nameservers = NameserversOf(config), .cluster_secret = cluster_secret}, &others_) {
  environment.metadata->SetGroupElsewhere(
      [this](std::string_view name, Metadata::Done<std::optional<GroupRecord>> done) {
        groups_elsewhere_.Find(name, std::move(done));
      });
}

void ClusterNode::Attach(const store::Store* store, std::function<v1::BrokerIdentity()> identity,
                         bool has_past) {
  drains_.Attach(store);
  registered_.SetIdentity(std::move(identity));
  if (has_nameservers_) others_.Expect(has_past);
  timers_.Start();
}

void ClusterNode::Register(rpc::MethodTable& methods) {
  gateway_.Register(methods);
  relayed_.Register(methods);
}

void ClusterNode::Appear() {
  registration_.Start();
  watch_.Start();
  relay_.Start(cluster_secret_);
}

void ClusterNode::KeepHouse() {
  others_.KeepHouse();
  drains_.Look();
}

void ClusterNode::Leave() {
  registration_.Stop();
  watch_.Stop();
  others_.Stop();
  relay_.Stop();
  forwarder_.Stop();
  holds_->Stop();
  peers_->Stop();
}

}  // namespace mansio::broker
