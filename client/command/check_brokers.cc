#include "client/command/check_brokers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/broker_access.h"
#include "client/lib/admin_client.h"
#include "common/config/value.h"

namespace mansio::command {
namespace {

// Brokers follow their wall clock; what is further away than this disturbs delays and time-outs.
constexpr absl::Duration kMostSkew = absl::Seconds(2);
// Parts of a disk, as conf/prometheus-alerts.yml has them.
constexpr double kLittleSpace = 0.15;
constexpr double kNoSpace = 0.05;
constexpr char kMendStore[] =
    "make room, or mend the disk; after a failed write or flush start the broker again";

using Severity = Finding::Severity;

std::string NameOf(const v1::BrokerIdentity& broker) {
  return broker.id() == 0 ? broker.name() : fmt::format("{} (id {})", broker.name(), broker.id());
}

// A member says it of itself, its master of it, and so may each broker that is asked.
void AddOnce(Finding finding, Findings* findings) {
  const bool known = std::any_of(findings->begin(), findings->end(), [&](const Finding& other) {
    return other.kind == finding.kind && other.subject == finding.subject;
  });
  if (!known) findings->push_back(std::move(finding));
}

void CheckDisk(const std::string& name, const v1::StoreState& store, Findings* findings) {
  if (store.disk_bytes() <= 0) return;
  const double free =
      static_cast<double>(store.disk_free_bytes()) / static_cast<double>(store.disk_bytes());
  if (free >= kLittleSpace) return;
  findings->push_back(
      {free < kNoSpace ? Severity::kProblem : Severity::kNotice, "disk-low", name,
       fmt::format("{:.0f} % of the disk of broker {} is free ({} of {})", free * 100, name,
                   config::SizeText(store.disk_free_bytes() / config::kMiB * config::kMiB),
                   config::SizeText(store.disk_bytes() / config::kMiB * config::kMiB)),
       fmt::format("make room, or keep less: mansio broker config set {} retention.age 24h (now "
                   "the log has {})",
                   name, config::SizeText(store.log_bytes() / config::kMiB * config::kMiB))});
}

void CheckStore(const std::string& name, const v1::StoreState& store, Findings* findings) {
  CheckDisk(name, store, findings);
  if (!store.failure().empty()) {
    AddOnce({Severity::kProblem, "store-failed", name,
             fmt::format("broker {} stores no messages: {}", name, store.failure()), kMendStore},
            findings);
  }
  if (store.has_carry_left_bytes() && store.carry_left_bytes() == 0) {
    findings->push_back(
        {Severity::kProblem, "carry-full", name,
         fmt::format("broker {} refuses delayed and transactional messages: those that wait fill "
                     "their part of retention.bytes",
                     name),
         fmt::format("mansio broker config set {} retention.bytes SIZE raises the limit (now {})",
                     name, config::SizeText(store.retention_bytes()))});
  }
}

void CheckClock(const std::string& name, absl::Time before, absl::Time there, absl::Time after,
                Findings* findings) {
  // The broker read its clock at some time in between.
  const absl::Duration skew = there < before  ? there - before
                              : there > after ? there - after
                                              : absl::ZeroDuration();
  if (absl::AbsDuration(skew) <= kMostSkew) return;
  findings->push_back({Severity::kProblem, "clock-skew", name,
                       fmt::format("broker {} is {} {} this machine", name,
                                   absl::FormatDuration(
                                       absl::Trunc(absl::AbsDuration(skew), absl::Milliseconds(1))),
                                   skew > absl::ZeroDuration() ? "ahead of" : "behind"),
                       "synchronise the clocks of both machines (timedatectl status)"});
}

// What the broker that was asked knows to be wrong with itself or one of its slaves.
void CheckTrouble(const v1::BrokerOverview& overview, Findings* findings) {
  const v1::BrokerIdentity& broker = overview.broker();
  const std::string text = fmt::format("member {} of broker group {}: {}", broker.member(),
                                       broker.name(), overview.trouble());
  switch (overview.trouble_kind()) {
    case v1::TROUBLE_KIND_STORE_FAILED:
      return AddOnce({Severity::kProblem, "store-failed", NameOf(broker), text, kMendStore},
                     findings);
    case v1::TROUBLE_KIND_NUMBER_TAKEN:
      return AddOnce({Severity::kProblem, "number-taken", NameOf(broker), text,
                      "each member keeps its own broker.id and store.path: stop the process that "
                      "is not the member, or give it another number and an empty store.path. A "
                      "member whose disk was replaced is taken in by itself once nothing was heard "
                      "of its former store for replication.max-lag"},
                     findings);
    case v1::TROUBLE_KIND_SETTINGS_DIFFER:
      return findings->push_back(
          {Severity::kProblem, "settings-differ", NameOf(broker), text,
           "set the same in its configuration and start it again: until then an acknowledgement "
           "means something else once this member is the master"});
    default:
      break;
  }
  const bool is_elected = broker.election_lease_ms() > 0;
  if (broker.role() == "master" && !is_elected && !overview.returning()) {
    return AddOnce({Severity::kProblem, "sends-refused", broker.name(), text,
                    "start the slaves that are away. If another member has become the master "
                    "meanwhile, make this one its slave: mansio broker promote with --member"},
                   findings);
  }
  findings->push_back({Severity::kProblem, "election-trouble", broker.name(), text,
                       overview.returning()
                           ? "start the in-sync members that it waits for; if they are gone for "
                             "good, mansio broker promote with --force"
                           : "see that etcd answers, and enough members run that were in sync"});
}

// What a broker knows of its group: an election that does not go on, and a master of its slaves.
void CheckGroup(const v1::ListBrokersResponse& answer, Findings* findings) {
  for (const v1::BrokerOverview& overview : answer.brokers()) {
    if (!overview.trouble().empty()) CheckTrouble(overview, findings);
  }
  if (answer.brokers_size() == 0 || answer.brokers(0).broker().role() != "master") return;
  for (const v1::BrokerOverview& overview : answer.brokers()) {
    if (!overview.has_in_sync() || overview.in_sync()) continue;
    const v1::BrokerIdentity& broker = overview.broker();
    findings->push_back(
        {Severity::kProblem, "out-of-sync", broker.name(),
         fmt::format("member {} of broker group {} is not in sync{}", broker.member(),
                     broker.name(), overview.online() ? "" : ", and not there"),
         "its log says what keeps it away or behind; until it is back, one copy less is made"});
  }
}

// A broker at the address that its clients are given, asked directly.
void CheckBroker(const Context& context, const v1::BrokerIdentity& broker, Findings* findings) {
  const std::string name = NameOf(broker);
  const client::ClientOptions options = OptionsOf(context, broker);
  const auto unreachable = [&](const absl::Status& status) {
    findings->push_back({Severity::kProblem, "broker-unreachable", broker.name(),
                         fmt::format("broker {} does not answer at {}: {}", name, options.endpoint,
                                     std::string(status.message())),
                         "clients are sent to that address; see advertise in its configuration"});
  };
  auto admin = client::AdminClient::Create(options, client::AdminClient::Scope::kNode);
  if (!admin.ok()) return unreachable(admin.status());
  // This call connects, so that the one whose time is measured is not slow for that.
  const auto own = (*admin)->ListBrokers();
  if (!own.ok()) return unreachable(own.status());
  const absl::Time before = absl::Now();
  const auto answer = (*admin)->DeadLetterStats("");
  const absl::Time after = absl::Now();
  if (!answer.ok()) return unreachable(answer.status());
  if (answer->has_answered()) {
    CheckClock(name, before, TimeOf(answer->answered()), after, findings);
  }
  for (const v1::BrokerOverview& overview : own->brokers()) {
    if (overview.has_store()) CheckStore(NameOf(overview.broker()), overview.store(), findings);
  }
  CheckGroup(*own, findings);
}

// Groups that have members, none of them the master.
void CheckMasters(const Sight& sight, Findings* findings) {
  std::map<std::string, std::string> headless;  // the members, by the group's name
  std::set<std::string> led;
  for (const v1::BrokerOverview& overview : sight.brokers.brokers()) {
    const v1::BrokerIdentity& broker = overview.broker();
    if (!overview.online()) continue;
    if (broker.role() != "slave") led.insert(broker.name());
    std::string& members = headless[broker.name()];
    members += fmt::format("{}{}", members.empty() ? "" : ", ", broker.member());
  }
  for (const auto& [name, members] : headless) {
    if (led.contains(name)) continue;
    findings->push_back(
        {Severity::kProblem, "no-master", name,
         fmt::format(
             "broker group {} has no master, so nothing can be sent to it; of its members are "
             "there: {}",
             name, members),
         "where the members elect it, see what keeps them from it (mansio broker list); else start "
         "the master again, or make another one: mansio broker promote"});
  }
}

// Groups whose master does not wait for a slave before it acknowledges.
void CheckDurability(const Sight& sight, Findings* findings) {
  for (const v1::BrokerOverview& overview : sight.brokers.brokers()) {
    const v1::BrokerIdentity& broker = overview.broker();
    const bool waits_for_nobody = broker.durability() == "sync" || broker.durability() == "async";
    if (!overview.online() || broker.member() == 0 || !waits_for_nobody) continue;
    AddOnce(
        {Severity::kNotice, "durability-local", broker.name(),
         fmt::format("broker group {} has durability {}: what was acknowledged is lost with the "
                     "master where no slave has copied it yet",
                     broker.name(), broker.durability()),
         "durability: replica-sync (or replica) and replication.min-in-sync: 2 on all members"},
        findings);
  }
}

}  // namespace

void CheckBrokers(const Context& context, const Sight& sight, Findings* findings) {
  CheckMasters(sight, findings);
  CheckDurability(sight, findings);
  std::set<std::string> versions;
  for (const v1::BrokerOverview& overview : sight.brokers.brokers()) {
    const v1::BrokerIdentity& broker = overview.broker();
    if (overview.online()) {
      versions.insert(broker.version());
      CheckBroker(context, broker, findings);
      continue;
    }
    const std::string since =
        overview.has_left() ? fmt::format(" since {}", TimeText(overview.left()).get<std::string>())
                            : "";
    findings->push_back(
        {Severity::kProblem, "broker-lost", broker.name(),
         fmt::format("broker {} is not connected{}", NameOf(broker), since),
         "look at its process and its log; its messages wait until it is back. One that was taken "
         "away for good is forgotten after a day"});
  }
  if (versions.size() > 1) {
    std::string text;
    for (const std::string& version : versions) text += (text.empty() ? "" : ", ") + version;
    findings->push_back({Severity::kNotice, "versions-differ", "",
                         fmt::format("brokers run versions {}", text), "finish the upgrade"});
  }
}

}  // namespace mansio::command
