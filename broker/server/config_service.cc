#include "broker/server/config_service.h"

#include <utility>

#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

void ConfigService::Register(rpc::MethodTable& methods) {
  methods.unary.push_back({"/mansio.v1.Admin/GetConfig",
                           rpc::ParsedUnary<v1::GetConfigRequest>(
                               [this](rpc::UnaryCall& call, const v1::GetConfigRequest& request) {
                                 Get(call, request);
                               })});
  methods.unary.push_back({"/mansio.v1.Admin/SetConfig",
                           rpc::ParsedUnary<v1::SetConfigRequest>(
                               [this](rpc::UnaryCall& call, const v1::SetConfigRequest& request) {
                                 Set(call, request);
                               })});
}

BrokerConfig ConfigService::Shown(BrokerConfig config) const {
  config.store.role = role_;
  config.master = master_;
  return config;
}

v1::ConfigSetting ConfigService::SettingAt(size_t index, const BrokerConfig& config) const {
  const config::Key& key = BrokerSchema().keys()[index];
  v1::ConfigSetting setting;
  setting.set_key(key.name);
  const auto valued = [&](const BrokerConfig& of) {
    return config::FormatValue(key, BrokerSchema().ValuesOf(Shown(of))[index]);
  };
  setting.set_value(valued(config));
  setting.set_default_value(config::FormatValue(key, key.default_value));
  setting.set_changeable(key.run_time);
  setting.set_started_with(valued(process_->started_with()));
  return setting;
}

void ConfigService::Get(rpc::UnaryCall& call, const v1::GetConfigRequest& request) const {
  v1::GetConfigResponse response;
  response.set_broker(process_->started_with().name);
  const BrokerConfig current = process_->Current();
  const auto keys = BrokerSchema().keys();
  absl::Status status;
  if (request.key().empty()) {
    for (size_t i = 0; i < keys.size(); ++i) *response.add_settings() = SettingAt(i, current);
  } else if (const auto index = config::FindKey(keys, request.key()); index.ok()) {
    *response.add_settings() = SettingAt(*index, current);
  } else {
    status = index.status();
  }
  ToWire(status, response.mutable_status());
  rpc::Reply(call, response);
}

void ConfigService::Set(rpc::UnaryCall& call, const v1::SetConfigRequest& request) {
  v1::SetConfigResponse response;
  response.set_broker(process_->started_with().name);
  BrokerConfig now;
  const absl::StatusOr<BrokerConfig> before =
      process_->Set(request.key(), request.value(), [&](const BrokerConfig& changed) {
        apply_(changed);
        now = changed;
      });
  if (before.ok()) {
    const size_t index = *config::FindKey(BrokerSchema().keys(), request.key());
    response.set_previous(SettingAt(index, *before).value());
    *response.mutable_setting() = SettingAt(index, now);
  }
  ToWire(before.status(), response.mutable_status());
  rpc::Reply(call, response);
}

}  // namespace mansio::broker
