#include "broker/server/config_service.h"

#include <optional>

#include "common/rpc/testing/fake_call.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::HasSubstr;

class ConfigServiceTest : public ::testing::Test {
 protected:
  ConfigServiceTest() { service_.Register(methods_); }

  v1::GetConfigResponse Get(const std::string& key) {
    v1::GetConfigRequest request;
    request.set_key(key);
    return Call<v1::GetConfigResponse>(0, request);
  }
  v1::SetConfigResponse Set(const std::string& key, const std::string& value) {
    v1::SetConfigRequest request;
    request.set_key(key);
    request.set_value(value);
    return Call<v1::SetConfigResponse>(1, request);
  }

  std::optional<BrokerConfig> applied_;
  ProcessConfig process_{BrokerSchema().Defaults()};
  ConfigService service_{BrokerSchema().Defaults(), &process_,
                         [this](const BrokerConfig& config) { applied_ = config; }};

 private:
  template <typename Response, typename Request>
  Response Call(size_t method, const Request& request) {
    rpc::testing::FakeUnaryCall call(request.SerializeAsString());
    methods_.unary[method].handler(call);
    return call.template Response<Response>();
  }
  rpc::MethodTable methods_;
};

TEST_F(ConfigServiceTest, ShowsEveryKeyAndOne) {
  const auto all = Get("");
  EXPECT_EQ(all.status().code(), v2::OK);
  EXPECT_EQ(all.broker(), "broker-a");
  EXPECT_EQ(static_cast<size_t>(all.settings_size()), BrokerSchema().keys().size());
  const auto one = Get("retention.age");
  ASSERT_EQ(one.settings_size(), 1);
  EXPECT_EQ(one.settings(0).value(), "3d");
  EXPECT_EQ(one.settings(0).default_value(), "3d");
  EXPECT_TRUE(one.settings(0).changeable());
  EXPECT_FALSE(Get("listen").settings(0).changeable());
  EXPECT_EQ(Get("retntion.age").status().code(), v2::NOT_FOUND);
  EXPECT_THAT(Get("retntion.age").status().message(), HasSubstr("did you mean retention.age?"));
}

TEST_F(ConfigServiceTest, AChangeIsInForceAtOnce) {
  const auto changed = Set("retention.age", "1d");
  EXPECT_EQ(changed.status().code(), v2::OK);
  EXPECT_EQ(changed.setting().value(), "1d");
  EXPECT_EQ(changed.setting().started_with(), "3d");
  EXPECT_EQ(changed.previous(), "3d");
  ASSERT_TRUE(applied_.has_value());
  EXPECT_EQ(applied_->store.retention_age, absl::Hours(24));
  EXPECT_EQ(Set("log.level", "warning").status().code(), v2::OK);
  EXPECT_EQ(applied_->store.retention_age, absl::Hours(24)) << "the first change stays";
  EXPECT_EQ(process_.Current().log.level, logging::Level::kWarning);
  EXPECT_EQ(Get("retention.age").settings(0).value(), "1d");
}

TEST_F(ConfigServiceTest, AChangeOutlivesTheBrokerAndIsInForceInTheNext) {
  EXPECT_EQ(Set("retention.age", "1d").status().code(), v2::OK);
  EXPECT_EQ(Set("retention.age", "2d").status().code(), v2::OK);
  EXPECT_EQ(Set("log.level", "warning").status().code(), v2::OK);
  EXPECT_EQ(process_.Current().store.retention_age, absl::Hours(48));
  EXPECT_EQ(process_.Current().log.level, logging::Level::kWarning);
  EXPECT_EQ(process_.started_with().store.retention_age, absl::Hours(72));
}

// An election, which makes a slave of it, does not go with the role in a configuration.
TEST(ConfigServiceRoleTest, AnElectedSlaveShowsItsRoleAndTakesChanges) {
  BrokerConfig config = BrokerSchema().Defaults();
  config.id = 1;
  config.etcd = {{"127.0.0.1", 2379}};
  ProcessConfig process(config);
  BrokerConfig slave = config;
  slave.store.role = store::Role::kSlave;
  ConfigService service(slave, &process, [](const BrokerConfig&) {});
  rpc::MethodTable methods;
  service.Register(methods);
  v1::SetConfigRequest set;
  set.set_key("retention.age");
  set.set_value("1d");
  rpc::testing::FakeUnaryCall setting(set.SerializeAsString());
  methods.unary[1].handler(setting);
  const auto changed = setting.Response<v1::SetConfigResponse>();
  EXPECT_EQ(changed.status().code(), v2::OK) << changed.status().message();
  EXPECT_EQ(process.Current().store.retention_age, absl::Hours(24));
  v1::GetConfigRequest get;
  get.set_key("role");
  rpc::testing::FakeUnaryCall getting(get.SerializeAsString());
  methods.unary[0].handler(getting);
  const auto shown = getting.Response<v1::GetConfigResponse>();
  ASSERT_EQ(shown.settings_size(), 1);
  EXPECT_EQ(shown.settings(0).value(), "slave");
}

TEST_F(ConfigServiceTest, WhatCannotBeChangedIsRefused) {
  const auto fixed = Set("store.path", "/elsewhere");
  EXPECT_NE(fixed.status().code(), v2::OK);
  EXPECT_THAT(fixed.status().message(), HasSubstr("at the next start only"));
  EXPECT_THAT(Set("retention.age", "soon").status().message(), HasSubstr("'soon' is not"));
  EXPECT_NE(Set("retention.age", "0s").status().code(), v2::OK);
  EXPECT_EQ(Set("nonsense", "1").status().code(), v2::NOT_FOUND);
  EXPECT_FALSE(applied_.has_value());
}

}  // namespace
}  // namespace mansio::broker
