// docs/configuration.md is what the schemas of the servers say.
#include "broker/server/broker_config.h"
#include "common/config/describe.h"
#include "gtest/gtest.h"
#include "nameserver/nameserver_config.h"
#include "tests/golden.h"

namespace mansio {
namespace {

constexpr char kIntroduction[] = R"(# Configuration

Every key of the two servers with its default. This page is generated from the servers' schemas
(`mansio-broker --explain-config` prints the same), so do not edit it.

A server reads the YAML file that `--config` names; [conf/broker.yaml](../conf/broker.yaml) and
[conf/nameserver.yaml](../conf/nameserver.yaml) set every key to its default. `--set key=value`
overrides the file. `--check-config` says what is wrong with a configuration, with file and line.

)";

TEST(ConfigurationPageTest, IsUpToDate) {
  testing::ExpectGolden("docs/configuration.md",
                        std::string(kIntroduction) + "## mansio-broker\n\n" +
                            config::Explain(broker::BrokerSchema().keys()) +
                            "\n## mansio-nameserver\n\n" +
                            config::Explain(nameserver::NameserverSchema().keys()));
}

}  // namespace
}  // namespace mansio
