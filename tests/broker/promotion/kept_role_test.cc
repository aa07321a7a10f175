#include "broker/promotion/kept_role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/file_system.h"
#include "common/files/recording_file_system.h"

namespace mansio::broker {
namespace {

using ::testing::HasSubstr;

const HostPort kOne{"10.0.0.1", 8081};
const HostPort kTwo{"10.0.0.2", 8081};

BrokerConfig Configured(const HostPort& master) {
  BrokerConfig config;
  config.store.path = "data";
  config.id = 2;
  config.store.role = master.empty() ? store::Role::kMaster : store::Role::kSlave;
  config.master = master;
  return config;
}

class KeptRoleTest : public ::testing::Test {
 protected:
  KeptRoleTest() { EXPECT_EQ(MakeDurableDirectory(disk_, "data"), absl::OkStatus()); }

  // As the next start with this configuration has it: "master" or "slave of ...".
  std::string AtStart(const BrokerConfig& config) {
    const auto applied = KeptRole(&disk_, config).Apply(config);
    if (!applied.ok()) return std::string(applied.status().message());
    return RoleSetting{applied->store.role, applied->master}.ToString();
  }
  void Command(const BrokerConfig& config, const RoleSetting& role) {
    EXPECT_EQ(KeptRole(&disk_, config).Keep(role), absl::OkStatus());
  }
  std::string Content() {
    const auto content = ReadWholeFile(disk_, "data/ROLE", 10'000);
    return content.ok() ? *content : "";
  }
  void Write(const std::string& content) {
    EXPECT_EQ(ReplaceFile(disk_, "data/ROLE", content), absl::OkStatus());
  }

  RecordingFileSystem disk_;
};

TEST_F(KeptRoleTest, WithoutACommandTheConfigurationApplies) {
  EXPECT_EQ(AtStart(Configured(kOne)), "slave of 10.0.0.1:8081");
  EXPECT_EQ(AtStart(Configured({})), "master");
}

TEST_F(KeptRoleTest, ACommandAppliesAtEveryStart) {
  Command(Configured(kOne), {.role = store::Role::kMaster});
  EXPECT_EQ(AtStart(Configured(kOne)), "master");
  EXPECT_EQ(AtStart(Configured(kOne)), "master");
  Command(Configured(kOne), {store::Role::kSlave, kTwo});
  EXPECT_EQ(AtStart(Configured(kOne)), "slave of 10.0.0.2:8081");
}

TEST_F(KeptRoleTest, ACommandIsOnTheDiskWhenItIsTaken) {
  Command(Configured({}), {store::Role::kSlave, kTwo});
  disk_.Crash(RecordingFileSystem::CrashMode::kDropAll, 1);
  EXPECT_EQ(AtStart(Configured({})), "slave of 10.0.0.2:8081");
}

TEST_F(KeptRoleTest, AChangeOfTheConfigurationWinsForGood) {
  Command(Configured(kOne), {.role = store::Role::kMaster});
  EXPECT_EQ(AtStart(Configured(kTwo)), "slave of 10.0.0.2:8081");
  // Also when it is taken back: the command belongs to the past.
  EXPECT_EQ(AtStart(Configured(kOne)), "slave of 10.0.0.1:8081");
}

TEST_F(KeptRoleTest, ACommandForWhatTheConfigurationSaysLeavesNothingBehind) {
  Command(Configured(kOne), {.role = store::Role::kMaster});
  Command(Configured(kOne), {store::Role::kSlave, kOne});
  EXPECT_EQ(Content(), "");
  EXPECT_EQ(AtStart(Configured(kOne)), "slave of 10.0.0.1:8081");
}

TEST_F(KeptRoleTest, TheFileIsAsItsPageSays) {
  constexpr char kFile[] =
      "mansio role 1\n"
      "role slave 10.0.0.2:8081\n"
      "configured master\n"
      "crc a0dad44b\n";
  Command(Configured({}), {store::Role::kSlave, kTwo});
  EXPECT_EQ(Content(), kFile);
  Write(kFile);
  EXPECT_EQ(AtStart(Configured({})), "slave of 10.0.0.2:8081");
}

TEST_F(KeptRoleTest, ADamagedFileStopsTheStart) {
  Command(Configured(kOne), {store::Role::kSlave, kTwo});
  const std::string good = Content();
  EXPECT_EQ(good,
            "mansio role 1\n"
            "role slave 10.0.0.2:8081\n"
            "configured slave 10.0.0.1:8081\n" +
                good.substr(good.rfind("crc ")));
  for (size_t size = 0; size < good.size(); ++size) {
    Write(good.substr(0, size));
    EXPECT_THAT(AtStart(Configured(kOne)), HasSubstr("data/ROLE is ")) << size;
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= 1;
    Write(bad);
    EXPECT_THAT(AtStart(Configured(kOne)), HasSubstr("data/ROLE is ")) << at;
  }
  Write(good + "x");
  EXPECT_THAT(AtStart(Configured(kOne)), HasSubstr("data/ROLE is damaged"));
}

TEST_F(KeptRoleTest, AFileOfANewerVersionStopsTheStart) {
  Write("mansio role 2\nsomething else\n");
  EXPECT_THAT(AtStart(Configured(kOne)), HasSubstr("data/ROLE is of version 2"));
}

}  // namespace
}  // namespace mansio::broker
