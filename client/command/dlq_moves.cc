#include <fmt/format.h>

#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/dlq.h"
#include "client/lib/wire.h"

namespace mansio::command {

namespace {

constexpr size_t kRefusalsShown = 20;

struct ResendArguments {
  LetterArguments letters;
  std::string to_topic;
  bool all_groups = false;
  int rate = 0;
  absl::Duration delay;
  bool force = false;
  bool dry_run = false;
  bool yes = false;
};

struct PurgeArguments {
  LetterArguments letters;
  bool yes = false;
  bool dry_run = false;
};

void AddAll(CLI::App& verb, LetterArguments* arguments) {
  verb.add_flag("--all", arguments->all, "All of them");
}

// The selection, once it is clear that all are meant where nothing is selected.
absl::StatusOr<v1::DeadLetterSelection> ExplicitSelection(const LetterArguments& arguments) {
  auto selection = SelectionOf(arguments, absl::Now());
  if (!selection.ok()) return selection;
  const bool nothing = selection->ByteSizeLong() == 0;
  if (nothing && !arguments.all) {
    return absl::InvalidArgumentError("which dead letters are meant is not said");
  }
  if (!nothing && arguments.all) {
    return absl::InvalidArgumentError("--all and a selection exclude each other");
  }
  return selection;
}

int FailSelection(const Context& context, const absl::Status& status) {
  return FailUsage(context, std::string(status.message()),
                   "select some with --id, --tag, --sql, --since or --until, or say --all");
}

// What a resend did; `where` it went.
struct Resent {
  int64_t resent = 0;
  int64_t refused = 0;
  Json refusals = Json::array();

  void Add(const v1::ResendDeadLettersResponse& response) {
    resent += response.resent();
    refused += response.refused();
    for (const v1::DeadLetterRefusal& refusal : response.refusals()) {
      if (refusals.size() == kRefusalsShown) return;
      refusals.push_back({{"message_id", refusal.message_id()}, {"reason", refusal.reason()}});
    }
  }
};

std::string Destination(const ResendArguments& arguments) {
  if (!arguments.to_topic.empty()) return "topic " + arguments.to_topic;
  if (arguments.all_groups) return "the topics they were sent to";
  return "group " + arguments.letters.group;
}

int Report(const Context& context, const ResendArguments& arguments, const Resent& done,
           const BrokerResults& silent, const absl::Status& status) {
  const std::string destination = Destination(arguments);
  const std::string sentence =
      fmt::format("{}resent {} of group {} to {}", arguments.dry_run ? "would have " : "",
                  Counted(done.resent, "dead letter"), arguments.letters.group, destination);
  if (context.format != Format::kTable) {
    context.Print({{"group", arguments.letters.group},
                   {"to", destination},
                   {"dry_run", arguments.dry_run},
                   {"resent", done.resent},
                   {"refused", done.refused},
                   {"refusals", done.refusals}});
  } else {
    context.Say(sentence);
    if (done.refused > 0) {
      context.Say(fmt::format("{} stay:\n", done.refused));
      context.Print(done.refusals);
    }
  }
  const int exit_of_silent = ReportRefusals(context, silent);
  if (!status.ok()) {
    const int exit = Fail(context, status);
    *context.err << "hint: what was resent is not among the dead letters any more; the same "
                    "command goes on with the rest\n";
    return exit;
  }
  return done.refused > 0 ? kPartial : exit_of_silent;
}

// Letters that are named one by one are meant; a selection may be more than was thought.
bool MayResend(const Context& context, const ResendArguments& arguments,
               const GroupLetters& letters) {
  if (arguments.dry_run || !arguments.letters.ids.empty()) return true;
  int64_t count = 0;
  for (const v1::GroupDeadLetters& group : letters.stretches) count += group.count();
  return Agree(context, arguments.yes,
               fmt::format("resends {} of group {} to {}",
                           arguments.letters.all ? Counted(count, "dead letter")
                                                 : fmt::format("the selected ones of {}",
                                                               Counted(count, "dead letter")),
                           arguments.letters.group, Destination(arguments)));
}

int Resend(const Context& context, const ResendArguments& arguments) {
  const auto selection = ExplicitSelection(arguments.letters);
  if (!selection.ok()) return FailSelection(context, selection.status());
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  v1::ResendDeadLettersRequest request;
  request.set_group(arguments.letters.group);
  *request.mutable_selection() = *selection;
  request.set_to_topic(arguments.to_topic);
  request.set_all_groups(arguments.all_groups);
  request.set_force(arguments.force);
  request.set_dry_run(arguments.dry_run);
  if (arguments.delay > absl::ZeroDuration()) {
    client::SetDuration(arguments.delay, request.mutable_delay());
  }
  const auto letters = LettersOf(**admin, arguments.letters.group);
  if (!letters.ok()) return Fail(context, letters.status());
  if (!MayResend(context, arguments, *letters)) return kUsage;
  Resent done;
  const absl::Status status = WalkLetters(
      context, *letters,
      {.what = arguments.dry_run ? "looking" : "resending",
       .rate = arguments.dry_run ? 0 : arguments.rate,
       .page = [&](const v1::DeadLetterPage& page) -> absl::StatusOr<v1::DeadLetterProgress> {
         *request.mutable_page() = page;
         const auto response = (*admin)->ResendDeadLetters(request);
         if (!response.ok()) return response.status();
         done.Add(*response);
         return response->progress();
       }});
  if (!status.ok() && done.resent + done.refused == 0) return Fail(context, status);
  return Report(context, arguments, done, letters->silent, status);
}

// Purges, or with dry_run counts, and adds to `purged` what was done also when it breaks off.
absl::Status PurgeAll(const Context& context, client::AdminClient& admin,
                      const GroupLetters& letters, v1::PurgeDeadLettersRequest request,
                      int64_t* purged) {
  return WalkLetters(
      context, letters,
      {.what = request.dry_run() ? "looking" : "purging",
       .page = [&](const v1::DeadLetterPage& page) -> absl::StatusOr<v1::DeadLetterProgress> {
         *request.mutable_page() = page;
         const auto response = admin.PurgeDeadLetters(request);
         if (!response.ok()) return response.status();
         *purged += response->purged();
         return response->progress();
       }});
}

int Purge(const Context& context, const PurgeArguments& arguments) {
  const auto selection = ExplicitSelection(arguments.letters);
  if (!selection.ok()) return FailSelection(context, selection.status());
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  v1::PurgeDeadLettersRequest request;
  const std::string& group = arguments.letters.group;
  request.set_group(group);
  *request.mutable_selection() = *selection;
  // What is counted and confirmed is what is purged: not what comes meanwhile.
  const auto letters = LettersOf(**admin, group);
  if (!letters.ok()) return Fail(context, letters.status());
  int64_t count = 0;
  absl::Status status;
  if (arguments.dry_run || !arguments.yes) {
    request.set_dry_run(true);
    status = PurgeAll(context, **admin, *letters, request, &count);
    if (!status.ok()) return Fail(context, status);
  }
  if (!arguments.dry_run) {
    if (!Confirm(context, arguments.yes,
                 fmt::format("{} of group {}", Counted(count, "dead letter"), group), group)) {
      return kUsage;
    }
    request.set_dry_run(false);
    count = 0;
    status = PurgeAll(context, **admin, *letters, request, &count);
  }
  if (status.ok() || count > 0) {
    PrintDone(context, {{"group", group}, {"dry_run", arguments.dry_run}, {"purged", count}},
              fmt::format("{} {} of group {}", arguments.dry_run ? "would have purged" : "purged",
                          Counted(count, "dead letter"), group));
  }
  const int exit = ReportRefusals(context, letters->silent);
  return status.ok() ? exit : Fail(context, status);
}

}  // namespace

void AddDlqMoves(CLI::App& dlq, Context& context) {
  auto arguments = std::make_shared<ResendArguments>();
  CLI::App* resend = dlq.add_subcommand(
      "resend",
      "Give dead letters back to their group, or to a topic; they are dead letters no more");
  AddLetterOptions(*resend, &arguments->letters);
  AddAll(*resend, &arguments->letters);
  resend->add_flag("--all-groups", arguments->all_groups,
                   "To the end of the topic they were sent to, where every group gets them");
  resend->add_option("--to-topic", arguments->to_topic, "To the end of this topic")
      ->type_name("TOPIC")
      ->excludes("--all-groups");
  resend->add_option("--rate", arguments->rate, "At most so many a second; 0 is no limit")
      ->check(CLI::Range(0, 1000000).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddDuration(*resend, "--delay", &arguments->delay, "Deliver them after this time");
  resend->add_flag("--force", arguments->force,
                   "Also those that were resent as often as dead-letters.max-resends allows");
  resend->add_flag("--dry-run", arguments->dry_run, "Change nothing, say what would happen");
  resend->add_flag("--yes", arguments->yes, "Do not ask");
  resend->footer(
      "Each letter is resent and removed in one step: a command that was interrupted is given\n"
      "again and goes on with the rest.\n"
      "Examples:\n"
      "  mansio dlq resend billing --all --rate 500\n"
      "  mansio dlq resend billing --since 2h --sql \"amount > 100\" --dry-run");
  resend->fallthrough();
  resend->callback([&context, arguments] {
    context.action = [&context, arguments] { return Resend(context, *arguments); };
  });

  auto purged = std::make_shared<PurgeArguments>();
  CLI::App* purge = dlq.add_subcommand("purge", "Delete dead letters");
  AddLetterOptions(*purge, &purged->letters);
  AddAll(*purge, &purged->letters);
  purge->add_flag("--dry-run", purged->dry_run, "Change nothing, say what would happen");
  purge->add_flag("--yes", purged->yes, "Do not ask");
  purge->footer("Example:\n  mansio dlq purge billing --until 2026-01-31 --dry-run");
  purge->fallthrough();
  purge->callback([&context, purged] {
    context.action = [&context, purged] { return Purge(context, *purged); };
  });
}

}  // namespace mansio::command
