#ifndef MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
#define MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_

#include <cstdint>
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
  };
  // Borrowed.
  LocalDirectory(Options options, Metadata* metadata, const ClusterView* others);

  // With auto_create_topics, a topic that no broker has begins to be created as a NORMAL one, and
  // its route is answered at once: the first send comes after it in the log.
  absl::StatusOr<gateway::TopicRoute> Route(std::string_view topic) const override;
  gateway::GroupPolicy Group(std::string_view group) const override;
  std::string_view Self() const override { return options_.broker_name; }
  bool Stores(std::string_view topic) const override;
  bool Has(std::string_view topic) const override { return metadata_->FindTopic(topic) != nullptr; }
  std::vector<std::string> OthersWith(std::string_view topic) const override {
    return others_->MastersWith(topic);
  }
  std::vector<std::string> OthersWithGroup(std::string_view group) const override {
    return others_->MastersWithGroup(group);
  }
  std::vector<std::string> Sharing(std::string_view topic) const override;
  std::string GroupOwner(std::string_view topic, std::string_view message_group) const override;
  std::vector<gateway::Master> Masters() const override;
  std::optional<gateway::HostPort> MasterOf(std::string_view broker) const override;

 private:
  // To this broker, with these queues, and to `others` where their queues are of the same type.
  gateway::TopicRoute RouteOf(MessageType type, uint32_t queues, bool writable,
                              gateway::TopicRoute others) const;

  const Options options_;
  Metadata* const metadata_;
  const ClusterView* const others_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
