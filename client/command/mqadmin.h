#ifndef MANSIO_CLIENT_COMMAND_MQADMIN_H_
#define MANSIO_CLIENT_COMMAND_MQADMIN_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// RocketMQ's mqadmin commands that have a counterpart here, for hands and scripts that know them:
// `mansio mqadmin updateTopic -t orders` is `mansio topic create orders`. Pure functions.
namespace mansio::command {

inline constexpr char kMqadmin[] = "mqadmin";

// The counterpart of one command of mqadmin.
struct MqadminName {
  std::string name;                // "updateTopic"
  std::vector<std::string> words;  // {"topic", "create"}
};

// All of them, in the order of the help.
std::vector<MqadminName> MqadminNames();

// "mansio topic create" for a command of mqadmin, in any case; empty for others.
std::string CounterpartOf(std::string_view name);

// The arguments of `mansio` that do what `arguments`, those after "mqadmin", ask for.
// kInvalidArgument for a command or an option without a counterpart.
absl::StatusOr<std::vector<std::string>> TranslateMqadmin(
    const std::vector<std::string>& arguments);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_MQADMIN_H_
