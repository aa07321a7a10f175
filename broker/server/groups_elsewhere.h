#ifndef MANSIO_BROKER_SERVER_GROUPS_ELSEWHERE_H_
#define MANSIO_BROKER_SERVER_GROUPS_ELSEWHERE_H_

#include <optional>
#include <string_view>

#include "broker/metadata/metadata.h"
#include "broker/registration/cluster_view.h"

namespace mansio::broker {

// The settings that a group which this broker does not know has on the others (docs/design.md, "Any
// node takes any command"). A broker that has just started waits until it has heard of the others:
// a FIFO group that it made with default settings would lose its order, and begin at the end.
// Thread-safe.
class GroupsElsewhere {
 public:
  // Borrowed.
  explicit GroupsElsewhere(ClusterView* others) : others_(others) {}

  // As Metadata::GroupElsewhere. Nobody knows the group, with a warning, when no nameserver has
  // answered for so long that clients cannot wait any more (ClusterView::kPatience). Unavailable at
  // shutdown, ResourceExhausted when too many wait: clients try both again.
  void Find(std::string_view name, Metadata::Done<std::optional<GroupRecord>> done);

 private:
  std::optional<GroupRecord> Known(std::string_view name) const;

  ClusterView* const others_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_GROUPS_ELSEWHERE_H_
