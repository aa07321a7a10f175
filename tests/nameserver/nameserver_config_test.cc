#include "nameserver/nameserver_config.h"

#include <gtest/gtest.h>

#include "common/config/describe.h"
#include "common/files/posix_file_system.h"

namespace mansio::nameserver {
namespace {

TEST(NameserverConfigTest, TheReadyFileExplainsEveryKeyWithItsDefault) {
  PosixFileSystem files;
  const std::string path = std::string(MANSIO_SOURCE_DIR) + "/conf/nameserver.yaml";
  const auto content = config::ReadConfigFile(files, path);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(*content, config::RenderDefault(NameserverSchema().keys()))
      << "write what --explain-config and the schema say into conf/nameserver.yaml";
}

TEST(NameserverConfigTest, Defaults) {
  const NameserverConfig config = NameserverSchema().Defaults();
  EXPECT_EQ(config.listen.ToString(), "0.0.0.0:9876");
  EXPECT_EQ(config.broker_expiry, absl::Seconds(5));
  EXPECT_EQ(config.network.connections, 10'000);
}

TEST(NameserverConfigTest, CombinationsThatCannotWorkAreRefused) {
  const auto error = [](const std::vector<std::string>& overrides) {
    return std::string(
        config::ParseConfig(NameserverSchema(), "", "", overrides).status().message());
  };
  EXPECT_NE(error({"tls.certificate=x.pem"}).find("tls.key"), std::string::npos);
  EXPECT_NE(error({"advertise=0.0.0.0:9876"}).find("wildcard"), std::string::npos);
  EXPECT_EQ(error({"tls.certificate=x.pem", "tls.key=y.pem"}), "");
}

}  // namespace
}  // namespace mansio::nameserver
