#ifndef MANSIO_BROKER_REGISTRATION_REGISTRATION_SOURCE_H_
#define MANSIO_BROKER_REGISTRATION_REGISTRATION_SOURCE_H_

#include <optional>
#include <string_view>
#include <vector>

#include "mansio/v1/registration.pb.h"

// What a broker tells the registration of itself.
namespace mansio::broker {

// Told that a topic or group has appeared, changed or gone, after that can be seen in the source.
// Short and never blocks: the log thread may call it. Thread-safe.
class RegistrationListener {
 public:
  virtual ~RegistrationListener() = default;
  virtual void TopicChanged(std::string_view name) = 0;
  virtual void GroupChanged(std::string_view name) = 0;
};

// All functions are thread-safe; they are called on the registration's threads and may take a lock
// for a moment. Only names are pushed and what they stand for is looked up when it is sent, so that
// many changes of one name cost one, and none can overtake another.
class RegistrationSource {
 public:
  virtual ~RegistrationSource() = default;
  virtual v1::BrokerIdentity Identity() const = 0;
  // Everything that routes and settings should know of; internal topics are left out.
  virtual std::vector<v1::TopicInfo> Topics() const = 0;
  virtual std::vector<v1::GroupInfo> Groups() const = 0;
  // nullopt when there is none (any more).
  virtual std::optional<v1::TopicInfo> FindTopic(std::string_view name) const = 0;
  virtual std::optional<v1::GroupInfo> FindGroup(std::string_view name) const = 0;
  // From now on tells `listener`; null: nobody. Returns when no call to the former one is running.
  virtual void SetListener(RegistrationListener* listener) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_REGISTRATION_SOURCE_H_
