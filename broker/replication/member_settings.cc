#include "broker/replication/member_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "absl/time/time.h"

namespace mansio::broker {

std::string SettingsDifference(const v1::BrokerIdentity& master, const v1::BrokerIdentity& slave) {
  std::vector<std::string> differences;
  const auto compare = [&](const char* key, const std::string& own, const std::string& masters) {
    if (own == masters || own.empty() || masters.empty()) return;
    differences.push_back(fmt::format("{} {} (its master has {})", key, own, masters));
  };
  const auto number = [](int64_t value) { return value == 0 ? "" : fmt::to_string(value); };
  const auto lease = [](const v1::BrokerIdentity& member) {
    const absl::Duration length = absl::Milliseconds(member.election_lease_ms());
    return length == absl::ZeroDuration() ? "" : absl::FormatDuration(length);
  };
  compare("durability", slave.durability(), master.durability());
  compare("replication.min-in-sync", number(slave.min_in_sync()), number(master.min_in_sync()));
  compare("election.lease", lease(slave), lease(master));
  if (differences.empty()) return "";
  return fmt::format(
      "it is configured with {}: set the same in its configuration, and start it again",
      fmt::join(differences, ", "));
}

}  // namespace mansio::broker
