#ifndef MANSIO_BROKER_SERVER_LOCAL_REGISTRATION_H_
#define MANSIO_BROKER_SERVER_LOCAL_REGISTRATION_H_

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/metadata/metadata.h"
#include "broker/registration/registration_source.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// What this broker registers: its identity and the tables of its metadata. Thread-safe.
class LocalRegistration final : public RegistrationSource {
 public:
  // `metadata` is borrowed and must outlive this object, which listens to it from now on: before
  // the store is opened.
  explicit LocalRegistration(Metadata* metadata);

  // Before the registration starts. Asked when the broker registers, on any thread.
  void SetIdentity(std::function<v1::BrokerIdentity()> identity) {
    identity_ = std::move(identity);
  }

  v1::BrokerIdentity Identity() const override { return identity_(); }
  std::vector<v1::TopicInfo> Topics() const override;
  std::vector<v1::GroupInfo> Groups() const override;
  std::optional<v1::TopicInfo> FindTopic(std::string_view name) const override;
  std::optional<v1::GroupInfo> FindGroup(std::string_view name) const override;
  void SetListener(RegistrationListener* listener) override;

  // Registers a topic again, whose use has changed.
  void TellTopic(const TopicPtr& topic);

 private:
  void TellGroup(const GroupPtr& group);

  Metadata* const metadata_;
  std::function<v1::BrokerIdentity()> identity_;
  Mutex mutex_;  // held while the listener is called, so that SetListener waits for that
  RegistrationListener* listener_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_LOCAL_REGISTRATION_H_
