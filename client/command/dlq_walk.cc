#include <fmt/format.h>

#include <algorithm>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/dlq.h"
#include "client/command/patience.h"
#include "client/command/point.h"
#include "client/command/progress.h"
#include "common/status/wire_status.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int kLargestPage = 256;
constexpr int kPagesPerSecond = 10;  // with a rate

absl::Status SetTime(const std::string& text, absl::Time now, google::protobuf::Timestamp* time) {
  const auto point = ParsePoint(text, now);
  if (!point.ok()) return point.status();
  if (point->kind != Point::Kind::kTime) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is no time; write for example 2026-01-31T12:00:00Z, or how long ago, such as 10m",
        text));
  }
  const int64_t millis = absl::ToUnixMillis(point->time);
  time->set_seconds(millis / 1000);
  time->set_nanos(static_cast<int>(millis % 1000 * 1000000));
  return absl::OkStatus();
}

}  // namespace

void AddLetterOptions(CLI::App& verb, LetterArguments* arguments) {
  verb.add_option("GROUP", arguments->group, "The consumer group")->required();
  verb.add_option("--id", arguments->ids, "Those with this message id; may be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  verb.add_option("--tag", arguments->tag, "Those with this tag, or one of several: a || b")
      ->type_name("TAGS");
  verb.add_option("--sql", arguments->sql,
                  "Those for whose properties this holds, such as amount > 100")
      ->type_name("EXPRESSION")
      ->excludes("--tag");
  verb.add_option("--since", arguments->since,
                  "Those given up from this time on: 2026-01-31T12:00:00Z, or 2h (ago)")
      ->type_name("TIME");
  verb.add_option("--until", arguments->until, "Those given up before this time")
      ->type_name("TIME");
}

absl::StatusOr<v1::DeadLetterSelection> SelectionOf(const LetterArguments& arguments,
                                                    absl::Time now) {
  v1::DeadLetterSelection selection;
  for (const std::string& id : arguments.ids) selection.add_message_ids(id);
  if (!arguments.tag.empty() || !arguments.sql.empty()) {
    const bool sql = !arguments.sql.empty();
    selection.mutable_filter()->set_type(sql ? v2::SQL : v2::TAG);
    selection.mutable_filter()->set_expression(sql ? arguments.sql : arguments.tag);
  }
  if (!arguments.since.empty()) {
    if (absl::Status s = SetTime(arguments.since, now, selection.mutable_from()); !s.ok()) return s;
  }
  if (!arguments.until.empty()) {
    if (absl::Status s = SetTime(arguments.until, now, selection.mutable_until()); !s.ok()) {
      return s;
    }
  }
  return selection;
}

absl::StatusOr<GroupLetters> LettersOf(client::AdminClient& admin, const std::string& group) {
  const auto stats = admin.DeadLetterStats(group);
  if (!stats.ok()) return stats.status();
  GroupLetters letters;
  letters.stretches.assign(stats->groups().begin(), stats->groups().end());
  for (const v1::BrokerResult& result : stats->results()) {
    const absl::Status status = FromWire(result.status());
    // A broker that does not know the group has no letters of it.
    if (status.ok() || CodeOf(status) == v2::CONSUMER_GROUP_NOT_FOUND) continue;
    *letters.silent.Add() = result;
  }
  return letters;
}

absl::Status AllAnswered(const GroupLetters& letters) {
  if (letters.silent.empty()) return absl::OkStatus();
  const v1::BrokerResult& first = letters.silent[0];
  return WireError(first.status().code(), fmt::format("broker {} has not said what it has: {}",
                                                      first.broker(), first.status().message()));
}

absl::Status WalkLetters(const Context& context, const GroupLetters& letters,
                         const LetterWalk& walk) {
  int64_t total = 0;
  for (const v1::GroupDeadLetters& group : letters.stretches) total += group.count();
  Progress progress(context, walk.what, total);
  const absl::Time begin = absl::Now();
  int64_t examined = 0;
  int64_t matched = 0;
  for (const v1::GroupDeadLetters& group : letters.stretches) {
    v1::DeadLetterPage page;
    page.set_broker(group.broker());
    page.set_from(group.begin_offset());
    page.set_until(group.end_offset());  // what comes back meanwhile is for the next time
    page.set_limit(walk.rate == 0 ? kLargestPage
                                  : std::clamp(walk.rate / kPagesPerSecond, 1, kLargestPage));
    for (bool done = false; !done;) {
      const auto step = AskPatiently([&] { return walk.page(page); });
      if (!step.ok()) return step.status();
      examined += step->examined();
      matched += step->matched();
      page.set_from(step->next());
      done = step->done();
      progress.Update(examined);
      if (walk.rate > 0 && !done) {
        const double due = static_cast<double>(matched) / walk.rate;
        absl::SleepFor(begin + absl::Seconds(due) - absl::Now());
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace mansio::command
