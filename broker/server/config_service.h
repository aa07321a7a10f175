#ifndef MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_
#define MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_

#include <functional>
#include <utility>

#include "broker/server/broker_config.h"
#include "broker/server/process_config.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The configuration of a running broker, shown and changed (GetConfig and SetConfig of
// mansio.v1.Admin): the keys that the schema marks as changeable. A change holds until the process
// ends. What the broker starts with is its file, which belongs to the operator; there is no
// second place that could say otherwise. Thread-safe.
class ConfigService {
 public:
  // Puts the changeable keys of a configuration into force. Called for one change at a time; must
  // not block.
  using Apply = std::function<void(const BrokerConfig&)>;
  // `role`: in which the Broker was opened, and is shown; from its configuration. `process` is
  // borrowed.
  ConfigService(const BrokerConfig& role, ProcessConfig* process, Apply apply)
      : role_(role.store.role), master_(role.master), process_(process), apply_(std::move(apply)) {}

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  // With the role that it has.
  BrokerConfig Shown(BrokerConfig config) const;
  v1::ConfigSetting SettingAt(size_t index, const BrokerConfig& config) const;
  void Get(rpc::UnaryCall& call, const v1::GetConfigRequest& request) const;
  void Set(rpc::UnaryCall& call, const v1::SetConfigRequest& request);

  const store::Role role_;
  const HostPort master_;
  ProcessConfig* const process_;
  const Apply apply_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_CONFIG_SERVICE_H_
