#include "broker/server/config_service.h"

#include <utility>

#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

ConfigService::ConfigService(BrokerConfig started_with, Apply apply)
    : started_with_(started_with), apply_(std::move(apply)), current_(std::move(started_with)) {}

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

BrokerConfig ConfigService::Current() const {
  MutexLock lock(&mutex_);
  return current_;
}

v1::ConfigSetting ConfigService::SettingAt(size_t index, const BrokerConfig& config) const {
  const config::Key& key = BrokerSchema().keys()[index];
  v1::ConfigSetting setting;
  setting.set_key(key.name);
  setting.set_value(config::FormatValue(key, BrokerSchema().ValuesOf(config)[index]));
  setting.set_default_value(config::FormatValue(key, key.default_value));
  setting.set_changeable(key.run_time);
  setting.set_started_with(config::FormatValue(key, BrokerSchema().ValuesOf(started_with_)[index]));
  return setting;
}

void ConfigService::Get(rpc::UnaryCall& call, const v1::GetConfigRequest& request) const {
  v1::GetConfigResponse response;
  response.set_broker(started_with_.name);
  const BrokerConfig current = Current();
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
  response.set_broker(started_with_.name);
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    auto changed = BrokerSchema().With(current_, request.key(), request.value());
    status = changed.status();
    if (changed.ok()) {
      const size_t index = *config::FindKey(BrokerSchema().keys(), request.key());
      response.set_previous(SettingAt(index, current_).value());
      current_ = *std::move(changed);
      apply_(current_);
      *response.mutable_setting() = SettingAt(index, current_);
    }
  }
  ToWire(status, response.mutable_status());
  rpc::Reply(call, response);
}

}  // namespace mansio::broker
