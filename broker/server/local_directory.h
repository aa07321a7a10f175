#ifndef MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
#define MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/metadata/metadata.h"
#include "broker/registration/cluster_view.h"
#include "common/gateway/directory.h"

namespace mansio::broker {

// What this broker's gateway knows of topics and groups: its own tables, with its advertised
// address, and what the other brokers have. Thread-safe.
class LocalDirectory final : public gateway::Directory {
 public:
  struct Options {
    std::string broker_name;
    gateway::HostPort advertised;
    bool auto_create_topics = false;
    uint32_t default_queues = 8;
    // On a slave: its master, which must serve what the group owns. Then this node is an access
    // point to its own group as to others.
    std::optional<gateway::HostPort> master = {};
    // Where its other members are reached, on a master; from any thread.
    std::function<std::vector<gateway::HostPort>()> slaves = [] {
      return std::vector<gateway::HostPort>();
    };
    // Where the group elects its master: the present one's address, in the place of `master`;
    // nullopt: there is none. From any thread.
    std::function<std::optional<gateway::HostPort>()> elected = nullptr;
    // Whether a slave's master is away; from any thread.
    std::function<bool()> alone = [] { return false; };
  };
  // Borrowed.
  LocalDirectory(Options options, Metadata* metadata, const ClusterView* others);

  // With auto_create_topics, a topic that no broker has begins to be created as a NORMAL one, and
  // its route is answered at once: the first send comes after it in the log.
  absl::StatusOr<gateway::TopicRoute> Route(std::string_view topic) const override;
  gateway::GroupPolicy Group(std::string_view group) const override;
  absl::Status CheckGroup(std::string_view group) const override;
  std::string_view Self() const override {
    return options_.master.has_value() ? std::string_view() : options_.broker_name;
  }
  std::string_view StandsFor() const override {
    return options_.master.has_value() && !options_.alone() ? std::string_view()
                                                            : options_.broker_name;
  }
  bool Stores(std::string_view topic) const override;
  bool Has(std::string_view topic) const override {
    return !options_.master.has_value() && metadata_->FindTopic(topic) != nullptr;
  }
  std::vector<std::string> OthersWith(std::string_view topic) const override;
  std::vector<std::string> OthersWithGroup(std::string_view group) const override;
  std::vector<std::string> Sharing(std::string_view topic) const override;
  std::string GroupOwner(std::string_view topic, std::string_view message_group) const override;
  std::vector<gateway::Master> Masters() const override;
  std::optional<gateway::HostPort> MasterOf(std::string_view broker) const override;

 private:
  // To this broker, with these queues, and to `others` where their queues are of the same type.
  gateway::TopicRoute RouteOf(MessageType type, uint32_t queues, bool writable,
                              gateway::TopicRoute others) const;

  // Who serves what the group owns.
  std::optional<gateway::HostPort> Master() const;
  // Of the group, as far as they are known; the master's first, as calls are forwarded to that.
  std::vector<gateway::HostPort> Endpoints() const;

  const Options options_;
  Metadata* const metadata_;
  const ClusterView* const others_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
