#include "client/command/cluster_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/check_brokers.h"
#include "client/command/check_groups.h"
#include "client/command/finding.h"
#include "client/command/patience.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

int64_t OnlineOf(const Sight& sight) {
  const auto& brokers = sight.brokers.brokers();
  return std::count_if(brokers.begin(), brokers.end(),
                       [](const v1::BrokerOverview& broker) { return broker.online(); });
}

bool AnyMaster(const Sight& sight) {
  const auto& brokers = sight.brokers.brokers();
  return std::any_of(brokers.begin(), brokers.end(), [](const v1::BrokerOverview& overview) {
    return overview.online() && overview.broker().role() != "slave";
  });
}

// Everything but the brokers, whom nobody needs to ask when none of them is there.
absl::Status LookAround(client::AdminClient& admin, Sight* sight) {
  auto topics = admin.ListTopics();
  if (!topics.ok()) return topics.status();
  auto groups = admin.ListGroups();
  if (!groups.ok()) return groups.status();
  auto letters = admin.DeadLetterStats("");
  if (!letters.ok()) return letters.status();
  auto clients = AskPatiently([&] { return admin.ListClients(""); });
  if (!clients.ok()) return clients.status();
  auto transactions = admin.TransactionStats();
  if (!transactions.ok()) return transactions.status();
  sight->topics = *std::move(topics);
  sight->groups = *std::move(groups);
  sight->letters = *std::move(letters);
  sight->clients = *std::move(clients);
  sight->transactions = *std::move(transactions);
  return absl::OkStatus();
}

absl::Status LookAtBrokers(client::AdminClient& admin, Sight* sight) {
  auto brokers = admin.ListBrokers();
  if (!brokers.ok()) return brokers.status();
  sight->brokers = *std::move(brokers);
  return sight->brokers.brokers().empty() ? NoBroker() : absl::OkStatus();
}

int64_t DeadLettersOf(const Sight& sight) {
  int64_t count = 0;
  for (const v1::GroupDeadLetters& letters : sight.letters.groups()) count += letters.count();
  return count;
}

// What brokers could not say, once for each of them.
BrokerResults RefusalsOf(const Sight& sight) {
  std::map<std::string, v1::BrokerResult> refused;
  for (const BrokerResults* results : {&sight.letters.results(), &sight.clients.results()}) {
    for (const v1::BrokerResult& result : *results) {
      if (result.status().code() != v2::OK) refused.try_emplace(result.broker(), result);
    }
  }
  BrokerResults all;
  for (const auto& [broker, result] : refused) *all.Add() = result;
  return all;
}

const char* SeverityName(Finding::Severity severity) {
  return severity == Finding::Severity::kProblem ? "problem" : "notice";
}

// A sentence is not for a column.
void SayFindings(const Context& context, const Findings& findings) {
  for (const Finding& finding : findings) {
    const bool notice = finding.severity == Finding::Severity::kNotice;
    context.Say(fmt::format("{}{}: {}\n  cure: {}", notice ? "notice: " : "", finding.kind,
                            finding.text, finding.cure));
  }
}

int Report(const Context& context, const Sight& sight, Findings findings, bool strict) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  const auto problems = std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity == Finding::Severity::kProblem;
  });
  const auto notices = static_cast<int64_t>(findings.size()) - problems;
  if (context.format == Format::kTable) {
    SayFindings(context, findings);
    const std::string seen = fmt::format("{}, {}, {}", Counted(OnlineOf(sight), "broker"),
                                         Counted(sight.groups.groups_size(), "group"),
                                         Counted(sight.clients.clients_size(), "client"));
    context.Say(findings.empty() ? fmt::format("nothing is wrong ({})", seen)
                                 : fmt::format("{}, {} ({})", Counted(problems, "problem"),
                                               Counted(notices, "notice"), seen));
  } else {
    Json rows = Json::array();
    for (const Finding& finding : findings) {
      rows.push_back({{"severity", SeverityName(finding.severity)},
                      {"kind", finding.kind},
                      {"subject", finding.subject},
                      {"text", finding.text},
                      {"cure", finding.cure}});
    }
    context.Print({{"good", problems == 0},
                   {"brokers", OnlineOf(sight)},
                   {"groups", sight.groups.groups_size()},
                   {"clients", sight.clients.clients_size()},
                   {"problems", problems},
                   {"notices", notices},
                   {"findings", std::move(rows)}});
  }
  return problems > 0 || (strict && notices > 0) ? kCheckFailed : kOk;
}

}  // namespace

int CheckCluster(const Context& context, const CheckArguments& arguments) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Sight sight;
  if (absl::Status s = LookAtBrokers(**admin, &sight); !s.ok()) return Fail(context, s);
  Findings findings;
  CheckBrokers(context, sight, &findings);
  const absl::Status around =
      OnlineOf(sight) > 0 ? LookAround(**admin, &sight) : absl::UnavailableError("nobody is there");
  // Slaves alone may not be asked for the rest.
  if (!around.ok() && AnyMaster(sight)) return Fail(context, around);
  if (around.ok()) {
    const std::set<std::string> ignored(arguments.ignored_groups.begin(),
                                        arguments.ignored_groups.end());
    if (absl::Status s = CheckGroups(**admin, sight, ignored, &findings); !s.ok()) {
      return Fail(context, s);
    }
    const absl::Time since = arguments.letters_within > absl::ZeroDuration()
                                 ? absl::Now() - arguments.letters_within
                                 : absl::InfinitePast();
    CheckDeadLetters(sight, ignored, since, &findings);
    CheckTransactions(sight, &findings);
  }
  const int partial = ReportRefusals(context, RefusalsOf(sight));
  const int exit = Report(context, sight, std::move(findings), arguments.strict);
  return exit == kOk ? partial : exit;
}

int ShowClusterStatus(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  Sight sight;
  if (absl::Status s = LookAtBrokers(**admin, &sight); !s.ok()) return Fail(context, s);
  if (absl::Status s = LookAround(**admin, &sight); !s.ok()) return Fail(context, s);
  context.Print({{"answered_by", sight.brokers.answered_by()},
                 {"brokers", sight.brokers.brokers_size()},
                 {"brokers_online", OnlineOf(sight)},
                 {"topics", sight.topics.topics_size()},
                 {"groups", sight.groups.groups_size()},
                 {"clients", sight.clients.clients_size()},
                 {"dead_letters", DeadLettersOf(sight)}});
  return ReportRefusals(context, RefusalsOf(sight));
}

}  // namespace mansio::command
