#include "client/command/cluster_check.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/lib/admin_client.h"
#include "client/lib/wire.h"

namespace mansio::command {
namespace {

// Brokers follow their wall clock; what is further away than this disturbs delays and time-outs.
constexpr absl::Duration kMostSkew = absl::Seconds(2);

struct Finding {
  std::string kind;     // "broker-lost", a stable word for scripts
  std::string subject;  // what it is about
  std::string text;
  std::string cure;
};

// What the commands of this file look at.
struct Sight {
  v1::ListBrokersResponse brokers;
  v1::ListTopicsResponse topics;
  v1::ListGroupsResponse groups;
  v1::DeadLetterStatsResponse letters;
  v1::ListClientsResponse clients;
};

absl::Status LookAround(client::AdminClient& admin, Sight* sight) {
  auto brokers = admin.ListBrokers();
  if (!brokers.ok()) return brokers.status();
  auto topics = admin.ListTopics();
  if (!topics.ok()) return topics.status();
  auto groups = admin.ListGroups();
  if (!groups.ok()) return groups.status();
  auto letters = admin.DeadLetterStats("");
  if (!letters.ok()) return letters.status();
  auto clients = admin.ListClients("");
  if (!clients.ok()) return clients.status();
  *sight = {*std::move(brokers), *std::move(topics), *std::move(groups), *std::move(letters),
            *std::move(clients)};
  return absl::OkStatus();
}

int64_t DeadLettersOf(const Sight& sight) {
  int64_t count = 0;
  for (const v1::GroupDeadLetters& letters : sight.letters.groups()) count += letters.count();
  return count;
}

int64_t OnlineOf(const Sight& sight) {
  int64_t online = 0;
  for (const v1::BrokerOverview& broker : sight.brokers.brokers())
    online += broker.online() ? 1 : 0;
  return online;
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// ---- brokers ----

// A broker at the address that its clients are given, asked directly.
void CheckBroker(const Context& context, const v1::BrokerIdentity& broker,
                 std::vector<Finding>* findings) {
  apache::rocketmq::v2::Endpoints endpoints;
  for (const auto& address : broker.addresses()) *endpoints.add_addresses() = address;
  client::ClientOptions options = context.client;
  options.endpoint = client::EndpointsText(endpoints);
  absl::StatusOr<v1::DeadLetterStatsResponse> answer;
  absl::Time before;
  absl::Time after;
  if (auto admin = client::AdminClient::Create(options, client::AdminClient::Scope::kNode);
      !admin.ok()) {
    answer = admin.status();
  } else {
    // Connects, so that the measured call is not slow for that.
    (*admin)->ListBrokers().status().IgnoreError();
    before = absl::Now();
    answer = (*admin)->DeadLetterStats("");
    after = absl::Now();
  }
  if (!answer.ok()) {
    findings->push_back({"broker-unreachable", broker.name(),
                         fmt::format("broker {} does not answer at {}: {}", broker.name(),
                                     options.endpoint, std::string(answer.status().message())),
                         "clients are sent to that address; see advertise in its configuration"});
    return;
  }
  if (!answer->has_answered()) return;
  // The broker read its clock at some time in between.
  const absl::Time there = TimeOf(answer->answered());
  const absl::Duration skew = there < before  ? there - before
                              : there > after ? there - after
                                              : absl::ZeroDuration();
  if (absl::AbsDuration(skew) <= kMostSkew) return;
  findings->push_back({"clock-skew", broker.name(),
                       fmt::format("broker {} is {} {} this machine", broker.name(),
                                   absl::FormatDuration(
                                       absl::Trunc(absl::AbsDuration(skew), absl::Milliseconds(1))),
                                   skew > absl::ZeroDuration() ? "ahead of" : "behind"),
                       "synchronise the clocks of both machines (timedatectl status)"});
}

void CheckBrokers(const Context& context, const Sight& sight, std::vector<Finding>* findings) {
  if (sight.brokers.brokers().empty()) {
    findings->push_back({"no-broker", sight.brokers.answered_by(), "no broker is registered",
                         "start one with nameservers set to this address"});
  }
  std::set<std::string> versions;
  for (const v1::BrokerOverview& overview : sight.brokers.brokers()) {
    const v1::BrokerIdentity& broker = overview.broker();
    versions.insert(broker.version());
    if (overview.online()) {
      CheckBroker(context, broker, findings);
    } else {
      findings->push_back({"broker-lost", broker.name(),
                           fmt::format("broker {} is not connected", broker.name()),
                           "look at its process and its log; its messages wait until it is back"});
    }
  }
  if (versions.size() > 1) {
    std::string text;
    for (const std::string& version : versions) text += (text.empty() ? "" : ", ") + version;
    findings->push_back({"versions-differ", "", fmt::format("brokers run versions {}", text),
                         "finish the upgrade"});
  }
}

// ---- groups ----

// Causes that end by themselves, or are how things are meant to be, are none of these.
bool IsStuck(const v1::GroupExplanation& explanation) {
  switch (explanation.cause()) {
    case v1::GROUP_CAUSE_PAUSED:
    case v1::GROUP_CAUSE_NO_CONSUMER:
    case v1::GROUP_CAUSE_NOT_RECEIVING:
      return explanation.messages() > 0;
    case v1::GROUP_CAUSE_REFUSED:
    case v1::GROUP_CAUSE_BEHIND_RETENTION:
    case v1::GROUP_CAUSE_LEASE_LIMIT:
    case v1::GROUP_CAUSE_CLIENT_LOST:
      return true;
    default:
      return false;
  }
}

absl::Status CheckGroups(client::AdminClient& admin, const Sight& sight,
                         std::vector<Finding>* findings) {
  for (const v1::GroupOverview& group : sight.groups.groups()) {
    const std::string& name = group.group().name();
    const auto response = admin.ExplainGroup(name);
    if (absl::IsNotFound(response.status())) continue;  // deleted meanwhile
    if (!response.ok()) return response.status();
    for (const v1::GroupExplanation& explanation : response->explanations()) {
      if (!IsStuck(explanation)) continue;
      findings->push_back(
          {"group-stuck", name,
           fmt::format("group {}{}{} (broker {}): {}", name,
                       explanation.topic().empty() ? "" : " on ", explanation.topic(),
                       explanation.broker(), explanation.text()),
           fmt::format("mansio group why {}", name)});
    }
  }
  return absl::OkStatus();
}

void CheckDeadLetters(const Sight& sight, std::vector<Finding>* findings) {
  for (const v1::GroupDeadLetters& letters : sight.letters.groups()) {
    if (letters.count() == 0) continue;
    findings->push_back(
        {"dead-letters", letters.group(),
         fmt::format("group {} has {} dead letters on {}", letters.group(), letters.count(),
                     letters.broker()),
         fmt::format("mansio dlq list {0}; then mansio dlq resend {0} --all", letters.group())});
  }
}

int Report(const Context& context, const Sight& sight, const std::vector<Finding>& findings) {
  if (context.format == Format::kTable) {
    // A sentence is not for a column.
    for (const Finding& finding : findings) {
      context.Say(fmt::format("{}: {}\n  cure: {}", finding.kind, finding.text, finding.cure));
    }
    const std::string seen =
        fmt::format("{} brokers, {} groups, {} clients", sight.brokers.brokers_size(),
                    sight.groups.groups_size(), sight.clients.clients_size());
    context.Say(findings.empty() ? fmt::format("nothing is wrong ({})", seen)
                                 : fmt::format("{} findings ({})", findings.size(), seen));
  } else {
    Json rows = Json::array();
    for (const Finding& finding : findings) {
      rows.push_back({{"kind", finding.kind},
                      {"subject", finding.subject},
                      {"text", finding.text},
                      {"cure", finding.cure}});
    }
    context.Print({{"good", findings.empty()},
                   {"brokers", sight.brokers.brokers_size()},
                   {"groups", sight.groups.groups_size()},
                   {"clients", sight.clients.clients_size()},
                   {"findings", std::move(rows)}});
  }
  return findings.empty() ? kOk : kCheckFailed;
}

}  // namespace

int CheckCluster(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Sight sight;
  if (absl::Status status = LookAround(**admin, &sight); !status.ok()) return Fail(context, status);
  std::vector<Finding> findings;
  CheckBrokers(context, sight, &findings);
  if (absl::Status status = CheckGroups(**admin, sight, &findings); !status.ok()) {
    return Fail(context, status);
  }
  CheckDeadLetters(sight, &findings);
  const int partial = ReportRefusals(context, sight.letters.results());
  const int exit = Report(context, sight, findings);
  return exit == kOk ? partial : exit;
}

int ShowClusterStatus(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Sight sight;
  if (absl::Status status = LookAround(**admin, &sight); !status.ok()) return Fail(context, status);
  context.Print({{"answered_by", sight.brokers.answered_by()},
                 {"brokers", sight.brokers.brokers_size()},
                 {"brokers_online", OnlineOf(sight)},
                 {"topics", sight.topics.topics_size()},
                 {"groups", sight.groups.groups_size()},
                 {"clients", sight.clients.clients_size()},
                 {"dead_letters", DeadLettersOf(sight)}});
  return ReportRefusals(context, sight.letters.results());
}

}  // namespace mansio::command
