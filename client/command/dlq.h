#ifndef MANSIO_CLIENT_COMMAND_DLQ_H_
#define MANSIO_CLIENT_COMMAND_DLQ_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

// What the verbs of `mansio dlq` share.
namespace mansio::command {

// How the user says which dead letters of a group are meant.
struct LetterArguments {
  std::string group;
  std::vector<std::string> ids;
  std::string tag;
  std::string sql;
  std::string since;
  std::string until;
  bool all = false;
};

// Adds GROUP and the options --id, --tag, --sql, --since, --until and --all.
void AddLetterOptions(CLI::App& verb, LetterArguments* arguments);

// InvalidArgument with a sentence, for FailUsage.
absl::StatusOr<v1::DeadLetterSelection> SelectionOf(const LetterArguments& arguments,
                                                    absl::Time now);

// Where the dead letters of a group stand at one moment.
struct GroupLetters {
  std::vector<v1::GroupDeadLetters> stretches;  // of each broker that has some
  BrokerResults silent;                         // of brokers that did not say what they have
};

// Asks all brokers. An error when none of them answered.
absl::StatusOr<GroupLetters> LettersOf(client::AdminClient& admin, const std::string& group);

// Ok, or an error that names a silent broker: for what must not be done by halves.
absl::Status AllAnswered(const GroupLetters& letters);

// Goes through dead letters, broker by broker, oldest first.
struct LetterWalk {
  std::string what;  // for the progress line: "resending"
  int rate = 0;      // letters a second; 0: no limit
  // Deals with one page and says how far it came. A call that the broker refused because it is busy
  // is made again for a while.
  std::function<absl::StatusOr<v1::DeadLetterProgress>(const v1::DeadLetterPage&)> page;
};
absl::Status WalkLetters(const Context& context, const GroupLetters& letters,
                         const LetterWalk& walk);

// The verbs in files of their own.
void AddDlqMoves(CLI::App& dlq, Context& context);  // resend, purge
void AddDlqFiles(CLI::App& dlq, Context& context);  // export, import

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_DLQ_H_
