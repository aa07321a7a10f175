#ifndef MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
#define MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/directory.h"

namespace mansio::broker {

// What this broker's gateway knows of topics and groups: its own tables, with its advertised
// address. Thread-safe.
class LocalDirectory final : public gateway::Directory {
 public:
  struct Options {
    std::string broker_name;
    gateway::HostPort advertised;
    bool auto_create_topics = false;
    uint32_t default_queues = 8;
  };
  // `metadata` is borrowed.
  LocalDirectory(Options options, Metadata* metadata);

  // With auto_create_topics, an unknown topic begins to be created as a NORMAL one, and its route
  // is answered at once: the first send comes after it in the log.
  absl::StatusOr<gateway::TopicRoute> Route(std::string_view topic) const override;
  gateway::GroupPolicy Group(std::string_view group) const override;

 private:
  gateway::TopicRoute RouteOf(MessageType type, uint32_t queues) const;

  const Options options_;
  Metadata* const metadata_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_LOCAL_DIRECTORY_H_
