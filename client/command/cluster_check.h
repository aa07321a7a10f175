#ifndef MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_
#define MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_

#include "client/command/context.h"

namespace mansio::command {

// One look at a whole cluster: brokers that are lost or do not answer at the address that clients
// get, clocks that differ, versions, groups that are stuck, dead letters. Prints what is wrong,
// each with its cure. Returns kCheckFailed when there is something, kOk when there is nothing.
int CheckCluster(const Context& context);

// The same counts in one line each, without a judgement: kOk whenever the cluster answers.
int ShowClusterStatus(const Context& context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CLUSTER_CHECK_H_
