#include "common/status/no_broker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mansio {

std::string NoMaster(const std::vector<std::string>& groups) {
  return fmt::format(
      "broker group {} has members here, but no master at present; try again soon, and see mansio "
      "broker list",
      fmt::join(groups, ", "));
}

absl::Status NobodyToAsk(const std::vector<std::string>& headless) {
  return absl::UnavailableError(headless.empty() ? std::string(kNoBroker) : NoMaster(headless));
}

}  // namespace mansio
