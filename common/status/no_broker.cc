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

}  // namespace mansio
