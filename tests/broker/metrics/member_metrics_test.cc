// How a broker shows its place in its group.
#include "broker/metrics/member_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mansio::broker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Page(const MemberView& view) {
  metrics::Exposition page({}, 100);
  AddMember(view, page);
  return page.Text();
}

TEST(MemberMetricsTest, ABrokerThatIsAloneIsItsOwnMasterAndHasNothingElse) {
  const std::string page = Page({.is_master = true, .epoch = 3});
  EXPECT_THAT(page, AllOf(HasSubstr("\nmansio_broker_is_master 1\n"),
                          HasSubstr("\nmansio_broker_epoch 3\n")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("in_sync")), Not(HasSubstr("mansio_slave")),
                          Not(HasSubstr("election"))));
}

TEST(MemberMetricsTest, AMasterShowsWhatEachSlaveLacks) {
  MemberView view{.is_master = true,
                  .epoch = 3,
                  .in_sync = true,
                  .in_sync_members = 2,
                  .min_in_sync = 2,
                  .log_end = 1000};
  view.slaves = {{.id = 2, .connected = true, .in_sync = true, .held = 900, .synced = 700},
                 {.id = 3},
                 {.id = 4, .connected = true, .copying = true, .held = 1001, .synced = 1000}};
  const std::string page = Page(view);
  EXPECT_THAT(page, AllOf(HasSubstr("\nmansio_broker_in_sync 1\n"),
                          HasSubstr("\nmansio_group_in_sync_members 2\n"),
                          HasSubstr("\nmansio_group_min_in_sync 2\n")));
  EXPECT_THAT(page, AllOf(HasSubstr("\nmansio_slave_connected{slave=\"2\"} 1\n"),
                          HasSubstr("\nmansio_slave_in_sync{slave=\"2\"} 1\n"),
                          HasSubstr("\nmansio_slave_lag_bytes{slave=\"2\"} 100\n"),
                          HasSubstr("\nmansio_slave_unsynced_bytes{slave=\"2\"} 300\n"),
                          HasSubstr("\nmansio_slave_copying{slave=\"2\"} 0\n")));
  EXPECT_THAT(page, AllOf(HasSubstr("\nmansio_slave_connected{slave=\"3\"} 0\n"),
                          HasSubstr("\nmansio_slave_in_sync{slave=\"3\"} 0\n"),
                          Not(HasSubstr("mansio_slave_lag_bytes{slave=\"3\"}"))))
      << "nobody knows what a slave has that is not there";
  EXPECT_THAT(page, AllOf(HasSubstr("\nmansio_slave_copying{slave=\"4\"} 1\n"),
                          HasSubstr("\nmansio_slave_lag_bytes{slave=\"4\"} 0\n")))
      << "the two were read one after the other";
}

TEST(MemberMetricsTest, WithoutAnInSyncSetNoSlaveIsOutOfIt) {
  MemberView view{.is_master = true, .epoch = 1};
  view.slaves = {{.id = 2, .connected = true}};
  EXPECT_THAT(Page(view), Not(HasSubstr("in_sync")));
}

TEST(MemberMetricsTest, AnElectedMasterShowsHowTheElectionStands) {
  MemberView view{.epoch = 7, .in_sync = true};
  view.election = {.has_trouble = true, .acknowledges = absl::Milliseconds(1500), .won = 2};
  EXPECT_THAT(Page(view), AllOf(HasSubstr("\nmansio_broker_is_master 0\n"),
                                HasSubstr("\nmansio_election_trouble 1\n"),
                                HasSubstr("\nmansio_elections_won_total 2\n"),
                                HasSubstr("\nmansio_master_lease_seconds 1.5\n")));
}

}  // namespace
}  // namespace mansio::broker
