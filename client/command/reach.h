#ifndef MANSIO_CLIENT_COMMAND_REACH_H_
#define MANSIO_CLIENT_COMMAND_REACH_H_

#include "absl/status/status.h"
#include "client/command/context.h"

namespace mansio::command {

// Completes `context->client` from the saved context: the one that --context names, or, where no
// endpoint was given, the one in use. What was given on the command line or in the environment
// wins. Reads the cluster's secret. kInvalidArgument or kNotFound when the saved contexts or the
// secret cannot be used.
absl::Status ResolveReach(bool endpoint_given, bool tls_given, Context* context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_REACH_H_
