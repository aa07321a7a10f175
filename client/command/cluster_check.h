#ifndef MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_
#define MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/command/context.h"

namespace mansio::command {

struct CheckArguments {
  std::vector<std::string> ignored_groups;
  // Dead letters of a group are only a notice when none has come in this time; zero: never.
  absl::Duration letters_within;
  bool strict = false;  // notices count, too
};

// One look at a whole cluster: brokers that are lost or do not answer at the address that clients
// get, clocks, disks, versions, groups that are stuck or wait for a consumer, dead letters,
// transactions that nobody decides. Prints what is wrong, each with its cure. Returns kCheckFailed
// when there is a problem (strict: or a notice), kOk when there is none, kUnreachable when no
// broker is or was registered.
int CheckCluster(const Context& context, const CheckArguments& arguments);

// The same counts in one line each, without a judgement: kOk whenever a broker is there.
int ShowClusterStatus(const Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_
