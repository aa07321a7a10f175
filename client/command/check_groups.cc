#include "client/command/check_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "client/command/admin_views.h"

namespace mansio::command {
namespace {

using Severity = Finding::Severity;

struct Judgement {
  Severity severity;
  std::string cure;
};

// Nothing for causes that end by themselves, or are how things are meant to be.
std::optional<Judgement> Judge(const std::string& group, const v1::GroupExplanation& explanation) {
  const bool waiting = explanation.messages() > 0;
  switch (explanation.cause()) {
    case v1::GROUP_CAUSE_PAUSED:
      if (!waiting) return std::nullopt;
      return Judgement{Severity::kNotice, fmt::format("mansio group resume {}", group)};
    case v1::GROUP_CAUSE_NO_CONSUMER:
      if (!waiting) return std::nullopt;
      return Judgement{Severity::kNotice,
                       fmt::format("start a consumer, or delete the group if it is not used any "
                                   "more: mansio group delete {}",
                                   group)};
    case v1::GROUP_CAUSE_NOT_RECEIVING:
      if (!waiting) return std::nullopt;
      return Judgement{Severity::kProblem,
                       fmt::format("look at its consumers: mansio group clients {}", group)};
    case v1::GROUP_CAUSE_REFUSED:
      return Judgement{
          Severity::kProblem,
          fmt::format("correct the consumer, or what it asks for: mansio group why {}", group)};
    case v1::GROUP_CAUSE_BEHIND_RETENTION:
      return Judgement{Severity::kProblem,
                       "consume faster, or raise retention.age or retention.bytes"};
    case v1::GROUP_CAUSE_LEASE_LIMIT:
      return Judgement{Severity::kProblem,
                       fmt::format("see who holds them: mansio group clients {}", group)};
    case v1::GROUP_CAUSE_CLIENT_LOST:
      return Judgement{Severity::kNotice, "wait until it counts as dead, or restart it"};
    default:
      return std::nullopt;
  }
}

const v1::GroupInfo* Find(const Sight& sight, const std::string& name) {
  for (const v1::GroupOverview& overview : sight.groups.groups()) {
    if (overview.group().name() == name) return &overview.group();
  }
  return nullptr;
}

// Also where some broker has not said whom it knows.
bool MayHaveProducer(const Sight& sight, const std::string& topic) {
  for (const v1::BrokerResult& result : sight.clients.results()) {
    if (result.status().code() != v2::OK) return true;
  }
  return std::any_of(sight.clients.clients().begin(), sight.clients.clients().end(),
                     [&](const auto& client) {
                       return client.role() == "producer" &&
                              std::count(client.topics().begin(), client.topics().end(), topic) > 0;
                     });
}

}  // namespace

absl::Status CheckGroups(client::AdminClient& admin, const Sight& sight,
                         const std::set<std::string>& ignored, Findings* findings) {
  for (const v1::GroupOverview& group : sight.groups.groups()) {
    const std::string& name = group.group().name();
    if (ignored.contains(name)) continue;
    const auto response = admin.ExplainGroup(name);
    if (absl::IsNotFound(response.status())) continue;  // deleted meanwhile
    if (!response.ok()) return response.status();
    for (const v1::GroupExplanation& explanation : response->explanations()) {
      auto judgement = Judge(name, explanation);
      if (!judgement) continue;
      findings->push_back(
          {judgement->severity, "group-stuck", name,
           fmt::format("group {}{}{} (broker {}): {}", name,
                       explanation.topic().empty() ? "" : " on ", explanation.topic(),
                       explanation.broker(), explanation.text()),
           std::move(judgement->cure)});
    }
  }
  return absl::OkStatus();
}

void CheckDeadLetters(const Sight& sight, const std::set<std::string>& ignored, absl::Time since,
                      Findings* findings) {
  for (const v1::GroupDeadLetters& letters : sight.letters.groups()) {
    const std::string& name = letters.group();
    if (letters.count() == 0 || ignored.contains(name)) continue;
    const v1::GroupInfo* group = Find(sight, name);
    // Such groups have no retries that a letter could be given back to.
    const bool elsewhere = group != nullptr && (group->broadcast() || group->fifo());
    const bool old = letters.has_newest() && TimeOf(letters.newest()) < since;
    findings->push_back(
        {old ? Severity::kNotice : Severity::kProblem, "dead-letters", name,
         fmt::format("group {} has {} on {}{}", name, Counted(letters.count(), "dead letter"),
                     letters.broker(),
                     old ? ", the newest of " + TimeText(letters.newest()).get<std::string>() : ""),
         fmt::format("mansio dlq list {0} says why; mend the consumer, then mansio dlq resend {0} "
                     "--all{1}",
                     name, elsewhere ? " --all-groups" : "")});
  }
}

void CheckTransactions(const Sight& sight, Findings* findings) {
  for (const v1::PendingTransactions& pending : sight.transactions.topics()) {
    if (pending.pending() == 0 || MayHaveProducer(sight, pending.topic())) continue;
    findings->push_back(
        {Severity::kNotice, "no-producer", pending.topic(),
         fmt::format("{} of topic {} (broker {}) cannot be decided: no producer of the topic is "
                     "connected to be asked",
                     Counted(pending.pending(), "transaction"), pending.topic(), pending.broker()),
         fmt::format("start a producer of the topic, or see mansio transaction list --topic {}",
                     pending.topic())});
  }
}

}  // namespace mansio::command
