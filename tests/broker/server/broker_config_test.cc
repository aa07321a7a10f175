#include "broker/server/broker_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/config/describe.h"
#include "common/files/posix_file_system.h"

namespace mansio::broker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(const std::vector<std::string>& overrides) {
  const auto config = config::ParseConfig(BrokerSchema(), "broker.yaml", "", overrides);
  return std::string(config.status().message());
}

TEST(BrokerConfigTest, TheReadyFileExplainsEveryKeyWithItsDefault) {
  PosixFileSystem files;
  const auto content =
      config::ReadConfigFile(files, std::string(MANSIO_SOURCE_DIR) + "/conf/broker.yaml");
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(*content, config::RenderDefault(BrokerSchema().keys()))
      << "conf/broker.yaml must be what the schema renders";
}

TEST(BrokerConfigTest, Defaults) {
  const BrokerConfig config = BrokerSchema().Defaults();
  EXPECT_EQ(config.listen.ToString(), "0.0.0.0:8081");
  EXPECT_TRUE(config.advertise.empty());
  EXPECT_TRUE(config.nameservers.empty());
  EXPECT_EQ(config.store.path, "./mansio-data/broker");
  EXPECT_EQ(config.store.durability, store::Durability::kSync);
  EXPECT_EQ(config.store.retention_age, absl::Hours(72));
  EXPECT_EQ(config.store.retention_bytes, 0u);
  EXPECT_EQ(config.store.tail_cache_bytes, 128u << 20);
  EXPECT_EQ(config.store.max_uncommitted_bytes, 256u << 20);
  EXPECT_FALSE(config.auto_create_topics);
  EXPECT_EQ(config.default_queues, 8u);
  EXPECT_EQ(config.body_bytes, 4u << 20);
  EXPECT_EQ(config.properties, 128u);
  EXPECT_EQ(config.properties_bytes, 16u << 10);
  EXPECT_EQ(config.messages_per_request, 1024u);
  EXPECT_EQ(config.network.request_bytes, 32 << 20);
  EXPECT_EQ(config.receive_batch, 32);
  EXPECT_EQ(config.network.connections, 10'000);
  EXPECT_EQ(config.network.streams_per_connection, 1024);
  EXPECT_EQ(config.network.request_header_bytes, 16 << 10);
  EXPECT_EQ(config.network.silent_connection, absl::Seconds(10));
  EXPECT_EQ(config.topics, 100'000u);
  EXPECT_EQ(config.queues_per_topic, 1024u);
  EXPECT_EQ(config.network.clients, 50'000);
  EXPECT_EQ(config.parked_receives, 200'000u);
  EXPECT_EQ(config.leases, 1'000'000u);
}

TEST(BrokerConfigTest, EveryKeyCanBeSetOnTheCommandLine) {
  const auto config = config::ParseConfig(
      BrokerSchema(), "", "",
      {"listen=127.0.0.1:9000", "advertise=broker.example:9001", "store.path=/data",
       "durability=async", "nameservers=a:1,b:2", "cluster=c1", "broker.name=b1"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.ToString(), "127.0.0.1:9000");
  EXPECT_EQ(config->advertise.ToString(), "broker.example:9001");
  EXPECT_EQ(config->store.path, "/data");
  EXPECT_EQ(config->store.durability, store::Durability::kAsync);
  ASSERT_EQ(config->nameservers.size(), 2u);
  EXPECT_EQ(config->nameservers[1].ToString(), "b:2");
  EXPECT_EQ(config->cluster, "c1");
  EXPECT_EQ(config->name, "b1");

  const auto none =
      config::ParseConfig(BrokerSchema(), "broker.yaml", "nameservers: [a:1]", {"nameservers="});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->nameservers.empty());
}

TEST(BrokerConfigTest, MembersOfAGroupNeedNumbersAndSlavesAMaster) {
  EXPECT_THAT(ErrorOf({"durability=fast"}), HasSubstr("replica-sync"));
  EXPECT_THAT(ErrorOf({"durability=replica"}), HasSubstr("broker.id"));
  EXPECT_EQ(ErrorOf({"durability=replica-sync", "broker.id=1"}), "");
  EXPECT_THAT(ErrorOf({"replication.min-in-sync=2"}), HasSubstr("broker.id"));
  EXPECT_EQ(ErrorOf({"replication.min-in-sync=2", "broker.id=1"}), "");
  EXPECT_THAT(ErrorOf({"role=slave", "broker.id=2"}), HasSubstr("replication.master"));
  EXPECT_THAT(ErrorOf({"role=slave", "replication.master=a:1"}), HasSubstr("broker.id"));
  EXPECT_EQ(ErrorOf({"role=slave", "broker.id=2", "replication.master=a:1"}), "");
}

TEST(BrokerConfigTest, WhereAMasterIsElectedRolesAreNotConfigured) {
  EXPECT_THAT(ErrorOf({"election.etcd=a:1"}), HasSubstr("broker.id"));
  EXPECT_EQ(ErrorOf({"election.etcd=a:1,b:1", "broker.id=1", "election.founds=true"}), "");
  EXPECT_THAT(ErrorOf({"election.etcd=a:1", "broker.id=1", "replication.master=a:1"}),
              HasSubstr("replication.master"));
  EXPECT_THAT(ErrorOf({"election.etcd=a:1", "broker.id=1", "role=slave"}), HasSubstr("role"));
  EXPECT_THAT(ErrorOf({"election.etcd=a:1", "broker.id=1", "election.lease=2500ms"}),
              HasSubstr("whole seconds"));
  EXPECT_THAT(ErrorOf({"election.etcd=a:1", "broker.id=1", "role=master"}),
              HasSubstr("elects its master"));
  EXPECT_EQ(ErrorOf({"role=master"}), "");
}

TEST(BrokerConfigTest, WhatElectionsNeedIsSaidWithItsLine) {
  const auto errors_of = [](std::string_view content) {
    const auto config = config::ParseConfig(BrokerSchema(), "broker.yaml", content, {});
    return std::string(config.status().message());
  };
  EXPECT_THAT(errors_of("election:\n  etcd: [a:1]\n"),
              StartsWith("broker.yaml:2: election.etcd is for the members of a group"));
  EXPECT_THAT(errors_of("election:\n  etcd: [a]\n"), StartsWith("broker.yaml:2: election.etcd: "));
  EXPECT_THAT(errors_of("broker.id: 1\nelection:\n  etcd: [a:1]\n  lease: 2500ms\n"),
              StartsWith("broker.yaml:4: election.lease must be whole seconds"));
  EXPECT_THAT(errors_of("election:\n  lease: 1s\n"), StartsWith("broker.yaml:2: election.lease: "));
  EXPECT_THAT(errors_of("election:\n  leases: 3s\n"),
              StartsWith("broker.yaml:2: unknown key 'election.leases'"));
  EXPECT_THAT(errors_of("broker.id: 1\nrole: master\nelection.etcd: [a:1]\n"),
              StartsWith("broker.yaml:2: role says nothing"));
  EXPECT_THAT(errors_of("broker.id: 1\nelection.etcd: [a:1]\nreplication:\n  master: b:1\n"),
              StartsWith("broker.yaml:4: replication.master says nothing"));
}

TEST(BrokerConfigTest, AGroupWhoseMasterWaitsForNoSlaveIsNoticed) {
  const auto notice = [](const std::vector<std::string>& settings) {
    const auto config = config::ParseConfig(BrokerSchema(), "broker.yaml", "", settings);
    return config.ok() ? DurabilityNotice(*config) : std::string(config.status().message());
  };
  for (const std::string word : {"async", "sync"}) {
    EXPECT_THAT(notice({"broker.id=1", "durability=" + word}),
                AllOf(HasSubstr("durability is " + word), HasSubstr("replica-sync"),
                      HasSubstr("replication.min-in-sync")));
    EXPECT_EQ(notice({"durability=" + word}), "") << "alone";
  }
  EXPECT_EQ(notice({"broker.id=1", "durability=replica"}), "");
  EXPECT_EQ(notice({"broker.id=1", "durability=replica-sync"}), "");
}

TEST(BrokerConfigTest, TheReadyFileGoesWithAnElection) {
  const auto config = config::ParseConfig(BrokerSchema(), "broker.yaml",
                                          config::RenderDefault(BrokerSchema().keys()),
                                          {"election.etcd=a:1", "broker.id=1"});
  EXPECT_TRUE(config.ok()) << config.status();
}

TEST(BrokerConfigTest, CombinationsThatCannotWorkAreRefused) {
  EXPECT_THAT(ErrorOf({"tls.certificate=x.pem"}), HasSubstr("tls.key"));
  EXPECT_EQ(ErrorOf({"tls.certificate=x.pem", "tls.key=y.pem"}), "");
  EXPECT_THAT(ErrorOf({"listen=127.0.0.1:0"}), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(ErrorOf({"advertise=0.0.0.0:8081"}), HasSubstr("wildcard"));
  EXPECT_THAT(ErrorOf({"advertise=[::]:8081"}), HasSubstr("wildcard"));
  EXPECT_THAT(ErrorOf({"receive.min-long-polling=30s"}), HasSubstr("receive.max-long-polling"));
  EXPECT_THAT(ErrorOf({"limits.queues-per-topic=4"}), HasSubstr("topics.default-queues"));
  EXPECT_THAT(ErrorOf({"broker.name=no spaces"}), HasSubstr("broker.name"));
  EXPECT_THAT(ErrorOf({"broker.name="}), HasSubstr("broker.name"));
}

TEST(BrokerConfigTest, ABadFileNamesTheLine) {
  const auto config = config::ParseConfig(
      BrokerSchema(), "broker.yaml", "listen: 127.0.0.1:8081\nlimits:\n  body-bytes: huge\n", {});
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("broker.yaml:3"));
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("limits.body-bytes"));
}

}  // namespace
}  // namespace mansio::broker
