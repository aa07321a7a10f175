#include "common/access/cluster_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/clock/clock.h"
#include "common/files/recording_file_system.h"

namespace mansio::access {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kShared = "0123456789abcdef";
constexpr std::string_view kMethod = "/mansio.v1.Admin/DeleteTopic";

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class ProofTest : public testing::Test {
 protected:
  std::string Proof(std::string_view method = kMethod) {
    return MakeProof(kShared, method, clock_.WallNow());
  }
  FakeClock clock_;
  ProofJudge judge_{std::string(kShared), &clock_};
};

TEST_F(ProofTest, IsGoodOnce) {
  const std::string proof = Proof();
  EXPECT_EQ(judge_.Judge(kMethod, proof), absl::OkStatus());
  EXPECT_THAT(Text(judge_.Judge(kMethod, proof)), HasSubstr("used before"));
  EXPECT_EQ(judge_.Judge(kMethod, Proof()), absl::OkStatus());
}

TEST_F(ProofTest, IsGoodForItsMethodAndSecretOnly) {
  EXPECT_THAT(Text(judge_.Judge("/mansio.v1.Admin/CreateTopic", Proof())),
              HasSubstr("another cluster secret"));
  EXPECT_THAT(Text(judge_.Judge(kMethod, MakeProof("0123456789abcdeX", kMethod, clock_.WallNow()))),
              HasSubstr("another cluster secret"));
}

TEST_F(ProofTest, IsGoodForAMinute) {
  const std::string old = Proof();
  clock_.Advance(kProofLife + absl::Seconds(1));
  EXPECT_THAT(Text(judge_.Judge(kMethod, old)), HasSubstr("clocks"));
  const std::string early = MakeProof(kShared, kMethod, clock_.WallNow() + absl::Seconds(59));
  EXPECT_EQ(judge_.Judge(kMethod, early), absl::OkStatus());
  // A proof from ahead is remembered until it has expired by its own time.
  clock_.Advance(absl::Seconds(100));
  EXPECT_THAT(Text(judge_.Judge(kMethod, early)), HasSubstr("used before"));
  const std::string late = MakeProof(kShared, kMethod, clock_.WallNow() + absl::Seconds(61));
  EXPECT_THAT(Text(judge_.Judge(kMethod, late)), HasSubstr("clocks"));
}

TEST_F(ProofTest, ATimeOrNonceThatWasChangedIsNoProof) {
  const std::string proof = Proof();
  for (size_t i = 0; i < proof.size(); ++i) {
    std::string changed = proof;
    changed[i] = changed[i] == '1' ? '2' : '1';
    EXPECT_FALSE(judge_.Judge(kMethod, changed).ok()) << i;
  }
  for (const char* text : {"", "v1", "v1 1 2", "v1  a b", "v1 x y z w", " "}) {
    EXPECT_FALSE(judge_.Judge(kMethod, text).ok()) << text;
  }
  EXPECT_EQ(judge_.Judge(kMethod, proof), absl::OkStatus());
}

class SecretFileTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Read(std::string_view content) {
    EXPECT_TRUE(ReplaceFile(files_, "/secret", content).ok());
    return ReadSecret(files_, "/secret");
  }
  RecordingFileSystem files_;
};

TEST_F(SecretFileTest, IsTheFirstLineWithoutBlanks) {
  EXPECT_EQ(*Read("  0123456789abcdef \nand more\n"), kShared);
  EXPECT_EQ(*Read("0123456789abcdef"), kShared);
  EXPECT_EQ(*ReadSecret(files_, ""), "");
}

TEST_F(SecretFileTest, ShortAndMissingOnesAreRefused) {
  EXPECT_THAT(Text(Read("short\n").status()), HasSubstr("the first line of /secret must be"));
  EXPECT_FALSE(Read("\n0123456789abcdef").ok());
  EXPECT_THAT(Text(ReadSecret(files_, "/missing").status()), HasSubstr("/missing"));
  EXPECT_THAT(Text(ReadSecret(files_, "/missing").status()),
              HasSubstr("admin.cluster-secret-file"));
}

}  // namespace
}  // namespace mansio::access
