#ifndef MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_
#define MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_

#include <functional>

#include "broker/server/broker_config.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The configuration of a running broker, shown and changed (GetConfig and SetConfig of
// mansio.v1.Admin): the keys that the schema marks as changeable. A change holds until the next
// start. What the broker starts with is its file, which belongs to the operator; there is no
// second place that could say otherwise. Thread-safe.
class ConfigService {
 public:
  // Puts the changeable keys of a configuration into force. Called for one change at a time; must
  // not block.
  using Apply = std::function<void(const BrokerConfig&)>;
  ConfigService(BrokerConfig started_with, Apply apply);

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

  // As it is now.
  BrokerConfig Current() const;

 private:
  v1::ConfigSetting SettingAt(size_t index, const BrokerConfig& config) const;
  void Get(rpc::UnaryCall& call, const v1::GetConfigRequest& request) const;
  void Set(rpc::UnaryCall& call, const v1::SetConfigRequest& request);

  const BrokerConfig started_with_;
  const Apply apply_;
  mutable Mutex mutex_;
  BrokerConfig current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_
