#ifndef MANSIO_CLIENT_COMMAND_FINDING_H_
#define MANSIO_CLIENT_COMMAND_FINDING_H_

#include <string>
#include <vector>

#include "mansio/v1/admin.pb.h"

namespace mansio::command {

// What `mansio cluster check` has to say. A problem needs somebody; a notice is how things may well
// be meant (a group that nobody consumes at the moment).
struct Finding {
  enum class Severity { kProblem, kNotice };
  Severity severity = Severity::kProblem;
  std::string kind;     // "broker-lost", a stable word for scripts
  std::string subject;  // what it is about
  std::string text;
  std::string cure;
};
using Findings = std::vector<Finding>;

// What the access point says of the cluster.
struct Sight {
  v1::ListBrokersResponse brokers;
  v1::ListTopicsResponse topics;
  v1::ListGroupsResponse groups;
  v1::DeadLetterStatsResponse letters;
  v1::ListClientsResponse clients;
  v1::TransactionStatsResponse transactions;
};

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_FINDING_H_
