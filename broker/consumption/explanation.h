#ifndef MANSIO_BROKER_CONSUMPTION_EXPLANATION_H_
#define MANSIO_BROKER_CONSUMPTION_EXPLANATION_H_

#include <vector>

#include "broker/consumption/situation.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// Says why a group does not get messages, or that it does: what says most first. Never empty. A
// cause is one function of the situation; a new one is added to the lists in explanation.cc.
// Pure.
std::vector<v1::GroupExplanation> Explain(const GroupSituation& situation);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_EXPLANATION_H_
