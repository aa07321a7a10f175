#include "broker/promotion/promotion_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

MemberState Slave(BrokerId id, store::LogOffset end, store::Epoch epoch = 5) {
  return {.id = id, .address = "host:" + std::to_string(id), .epoch = epoch, .end = end};
}
MemberState Master(BrokerId id, store::LogOffset end) {
  MemberState master = Slave(id, end);
  master.role = store::Role::kMaster;
  return master;
}

// Member 2 of three, whose master, member 1, is gone.
Candidacy Two() {
  return {.candidate = Slave(2, 900),
          .durability = store::Durability::kReplica,
          .min_in_sync = 2,
          .in_sync = {1, 2, 3},
          .members = {1, 2, 3},
          .answers = {Slave(3, 900)}};
}

TEST(PromotionRulesTest, ASlaveOfTheSetThatHasAllThatTheOtherHasLosesNothing) {
  EXPECT_THAT(LossesOf(Two()), IsEmpty());
  Candidacy ahead = Two();
  ahead.answers = {Slave(3, 100)};
  EXPECT_THAT(LossesOf(ahead), IsEmpty());
}

TEST(PromotionRulesTest, TheOneThatHasMoreIsToBeTheMaster) {
  Candidacy longer = Two();
  longer.answers = {Slave(3, 901)};
  EXPECT_THAT(LossesOf(longer), ElementsAre(HasSubstr("member 3 at host:3 has more")));
  Candidacy newer = Two();
  newer.answers = {Slave(3, 100, /*epoch=*/6)};
  EXPECT_THAT(LossesOf(newer), ElementsAre(HasSubstr("member 3 at host:3 has more")));
}

TEST(PromotionRulesTest, AMasterThatAnswersHasToGoFirst) {
  Candidacy candidacy = Two();
  candidacy.answers.push_back(Master(1, 900));
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("member 1 at host:1 is the master")));
  candidacy.handed_over = true;
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
}

TEST(PromotionRulesTest, ASlaveThatWasNotInSyncIsNotTheOne) {
  Candidacy candidacy = Two();
  candidacy.in_sync = {1, 3};
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("member 2 was not in sync")));
  candidacy.in_sync = {};
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("member 2 was not in sync")));
}

TEST(PromotionRulesTest, WhoDoesNotAnswerMustBeTooFewToHaveAcknowledgedAnything) {
  Candidacy candidacy = Two();
  candidacy.answers.clear();
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("{1, 3}, who do not")));
  // With three of three to acknowledge, the silent two cannot have done so.
  candidacy.min_in_sync = 3;
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
  // A master that goes on alone may have acknowledged what nobody else has.
  candidacy = Two();
  candidacy.min_in_sync = 1;
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("{1}, who do not")));
  // A pair that needs both always has both.
  candidacy = Two();
  candidacy.in_sync = candidacy.members = {1, 2};
  candidacy.answers.clear();
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
}

TEST(PromotionRulesTest, AMemberThatJoinedTheGroupSinceTheSetCounts) {
  Candidacy candidacy = Two();
  candidacy.answers.clear();
  candidacy.in_sync = {1, 2};
  candidacy.members = {1, 2, 4};
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("{1, 4}, who do not")));
}

TEST(PromotionRulesTest, WhoMayHaveLostSomethingCountsWithTheSilent) {
  Candidacy candidacy = Two();
  candidacy.answers.front().whole = false;
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("the members {3} may have lost")));
  candidacy = Two();
  candidacy.candidate.whole = false;
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("together with {1}, who do not answer")));
  candidacy.min_in_sync = 3;
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
  // Nobody is left who could have it.
  candidacy.min_in_sync = 2;
  candidacy.answers.push_back(Slave(1, 900));
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
}

TEST(PromotionRulesTest, WithoutReplicaDurabilityNobodyKnows) {
  Candidacy candidacy = Two();
  candidacy.durability = store::Durability::kSync;
  candidacy.in_sync = {};
  EXPECT_THAT(LossesOf(candidacy), ElementsAre(HasSubstr("with durability sync")));
  candidacy.handed_over = true;
  EXPECT_THAT(LossesOf(candidacy), IsEmpty());
}

}  // namespace
}  // namespace mansio::broker
