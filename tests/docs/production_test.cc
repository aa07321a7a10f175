// The configuration that docs/deployment.md tells people to begin with.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/server/broker_config.h"
#include "common/config/loader.h"
#include "common/files/posix_file_system.h"
#include "nameserver/nameserver_config.h"

namespace mansio {
namespace {

std::string ContentOf(const std::filesystem::path& path) {
  PosixFileSystem files;
  const auto content = config::ReadConfigFile(files, path.string());
  EXPECT_TRUE(content.ok()) << content.status();
  return content.value_or("");
}

// What the members of a group must have in common.
struct Agreement {
  std::set<int64_t> ids;
  std::set<std::string> addresses;
  std::set<size_t> etcd_servers;
  int founders = 0;
  std::set<store::Durability> durabilities;
  std::set<size_t> minimums;
};

TEST(ProductionConfigurationTest, EachFileIsGoodAndTheMembersOfAGroupAgree) {
  std::map<std::string, Agreement> groups;
  std::set<std::string> nameservers;
  std::set<std::string> named_nameservers;
  const std::filesystem::path root = std::string(MANSIO_SOURCE_DIR) + "/conf/production";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    if (entry.path().filename() == "nameserver.yaml") {
      const auto config =
          config::ParseConfig(nameserver::NameserverSchema(), path, ContentOf(path), {});
      ASSERT_TRUE(config.ok()) << config.status();
      nameservers.insert(config->listen.ToString());
      continue;
    }
    const auto config = config::ParseConfig(broker::BrokerSchema(), path, ContentOf(path), {});
    ASSERT_TRUE(config.ok()) << config.status();
    Agreement& group = groups[config->name];
    EXPECT_TRUE(group.ids.insert(config->id).second) << path;
    EXPECT_TRUE(group.addresses.insert(config->listen.ToString()).second) << path;
    group.etcd_servers.insert(config->etcd.size());
    group.founders += config->founds ? 1 : 0;
    group.durabilities.insert(config->store.durability);
    group.minimums.insert(config->min_in_sync);
    for (const auto& address : config->nameservers) named_nameservers.insert(address.ToString());
  }
  EXPECT_EQ(nameservers.size(), 3u);
  EXPECT_EQ(named_nameservers, nameservers);
  EXPECT_EQ(groups.size(), 2u);
  for (const auto& [name, group] : groups) {
    EXPECT_EQ(group.ids, (std::set<int64_t>{1, 2, 3})) << name;
    EXPECT_EQ(group.etcd_servers, std::set<size_t>{3}) << name;
    EXPECT_EQ(group.founders, 1) << name;
    EXPECT_EQ(group.durabilities, std::set<store::Durability>{store::Durability::kReplicaSync});
    EXPECT_EQ(group.minimums, std::set<size_t>{2}) << name;
  }
}

}  // namespace
}  // namespace mansio
