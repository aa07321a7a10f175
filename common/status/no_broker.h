#ifndef MANSIO_COMMON_STATUS_NO_BROKER_H_
#define MANSIO_COMMON_STATUS_NO_BROKER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// What whoever asks a node is told while it knows no broker: the same everywhere, so that the
// command can tell it from a topic or group that is missing.
namespace mansio {

inline constexpr std::string_view kNoBroker =
    "no broker is registered with this node; start one with nameservers= naming it";

// The same while members of these broker groups are there, and none of them is the master.
std::string NoMaster(const std::vector<std::string>& groups);

// Whichever of the two holds: `headless` are the groups that have members here and no master.
absl::Status NobodyToAsk(const std::vector<std::string>& headless);

}  // namespace mansio

#endif  // MANSIO_COMMON_STATUS_NO_BROKER_H_
