#ifndef MANSIO_CLIENT_COMMAND_CHECK_GROUPS_H_
#define MANSIO_CLIENT_COMMAND_CHECK_GROUPS_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/command/finding.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

// Groups that are stuck, and those that wait for a consumer; but for those of `ignored`. Asks for
// each group. An error when the access point does not answer.
absl::Status CheckGroups(client::AdminClient& admin, const Sight& sight,
                         const std::set<std::string>& ignored, Findings* findings);

// Groups with dead letters: a notice where the newest came before `since`, else a problem.
void CheckDeadLetters(const Sight& sight, const std::set<std::string>& ignored, absl::Time since,
                      Findings* findings);

// Topics with transactions that nobody decides: no producer is connected that could be asked.
void CheckTransactions(const Sight& sight, Findings* findings);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CHECK_GROUPS_H_
