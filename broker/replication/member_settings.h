#ifndef MANSIO_BROKER_REPLICATION_MEMBER_SETTINGS_H_
#define MANSIO_BROKER_REPLICATION_MEMBER_SETTINGS_H_

#include <string>

#include "mansio/v1/registration.pb.h"

namespace mansio::broker {

// In what a slave is configured otherwise than its master, of that which must be the same in all
// members as each may become the master: a sentence with the cure, for people. Empty: in nothing,
// as far as both say it (an older version does not).
std::string SettingsDifference(const v1::BrokerIdentity& master, const v1::BrokerIdentity& slave);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_MEMBER_SETTINGS_H_
