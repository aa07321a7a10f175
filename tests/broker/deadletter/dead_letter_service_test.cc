// Looking at dead letters, and purging, exporting and importing them.

#include "broker/deadletter/dead_letter_service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/deadletter/dead_letter_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DeadLetterServiceTest : public DeadLetterTest {
 protected:
  v1::PurgeDeadLettersResponse Purge(const std::vector<std::string>& ids, bool dry_run = false) {
    v1::PurgeDeadLettersRequest request;
    request.set_group(kGroup);
    request.set_dry_run(dry_run);
    for (const std::string& id : ids) request.mutable_selection()->add_message_ids(id);
    return h_.Admin<v1::PurgeDeadLettersResponse>("PurgeDeadLetters", request);
  }
  v1::ExportDeadLettersResponse Export(bool ids_only = false) {
    v1::ExportDeadLettersRequest request;
    request.set_group(kGroup);
    request.set_ids_only(ids_only);
    return h_.Admin<v1::ExportDeadLettersResponse>("ExportDeadLetters", request);
  }
  v1::DeadLetterStatsResponse Stats(const std::string& group = "") {
    v1::DeadLetterStatsRequest request;
    request.set_group(group);
    return h_.Admin<v1::DeadLetterStatsResponse>("DeadLetterStats", request);
  }
  v1::DescribeDeadLetterResponse Show(const std::string& id) {
    v1::DescribeDeadLetterRequest request;
    request.set_group(kGroup);
    request.set_message_id(id);
    return h_.Admin<v1::DescribeDeadLetterResponse>("DescribeDeadLetter", request);
  }
};

TEST_F(DeadLetterServiceTest, TheyAreListedAndShown) {
  EXPECT_EQ(h_.ListDeadLetters(10, "nobody").status().code(), v2::CONSUMER_GROUP_NOT_FOUND);
  EXPECT_EQ(h_.ListDeadLetters().status().code(), v2::OK);
  EXPECT_EQ(h_.ListDeadLetters().total(), 0);
  h_.Send("first");
  h_.Send("second");
  for (const v2::Message& m : Get({.batch = 1})) h_.Forward(m.system_properties().receipt_handle());
  Fail();
  const auto letters = h_.ListDeadLetters();
  ASSERT_EQ(letters.dead_letters_size(), 2);
  EXPECT_EQ(letters.total(), 2);
  const v1::DeadLetter& newest = letters.dead_letters(0);
  EXPECT_EQ(newest.message_id(), "second");
  EXPECT_EQ(newest.topic(), kTopic);
  EXPECT_EQ(newest.queue_offset(), 1);
  EXPECT_EQ(newest.attempts(), 1);
  EXPECT_EQ(newest.reason(), "attempts");
  EXPECT_EQ(newest.broker(), "broker-a");
  EXPECT_EQ(letters.dead_letters(1).reason(), "forwarded");
  EXPECT_EQ(h_.ListDeadLetters(1).dead_letters_size(), 1);
  const auto shown = Show("first");
  EXPECT_EQ(shown.status().code(), v2::OK);
  EXPECT_EQ(shown.dead_letter().reason(), "forwarded");
  EXPECT_EQ(shown.message().body(), "first");
  EXPECT_EQ(shown.message().topic().name(), kTopic);
  EXPECT_EQ(Show("third").status().code(), v2::MESSAGE_NOT_FOUND);
}

TEST_F(DeadLetterServiceTest, EveryGroupWithDeadLettersIsCounted) {
  EXPECT_EQ(Stats().groups_size(), 0);
  EXPECT_EQ(Stats("nobody").status().code(), v2::CONSUMER_GROUP_NOT_FOUND);
  const int64_t before = h_.life().time.NowMillis() / 1000;
  Kill({"a", "b"});
  h_.Advance(absl::Seconds(100));
  Kill({"c"});
  const auto stats = Stats();
  ASSERT_EQ(stats.groups_size(), 1);
  const v1::GroupDeadLetters& group = stats.groups(0);
  EXPECT_EQ(group.group(), kGroup);
  EXPECT_EQ(group.broker(), "broker-a");
  EXPECT_EQ(group.count(), 3);
  EXPECT_EQ(group.oldest().seconds(), before + 31);
  EXPECT_EQ(group.newest().seconds(), before + 31 + 100 + 31);
  EXPECT_EQ(group.newest_reason(), "attempts");
  EXPECT_EQ(stats.answered().seconds(), before + 162);
  EXPECT_EQ(group.end_offset(), 3);
  Purge({"a", "c"});
  ASSERT_EQ(Stats(kGroup).groups_size(), 1);
  EXPECT_EQ(Stats(kGroup).groups(0).count(), 1);
  EXPECT_EQ(Stats(kGroup).groups(0).begin_offset(), 1);
  EXPECT_EQ(Stats(kGroup).groups(0).newest().seconds(), before + 31);
  EXPECT_EQ(Stats("others").groups_size(), 0);
}

TEST_F(DeadLetterServiceTest, WhatIsPurgedIsGoneForEverybody) {
  Kill({"a", "b", "c"});
  EXPECT_EQ(Purge({}, /*dry_run=*/true).purged(), 3);
  EXPECT_THAT(Letters(), SizeIs(3));
  EXPECT_EQ(Purge({"b"}).purged(), 1);
  EXPECT_EQ(Purge({"b"}).purged(), 0);
  EXPECT_THAT(Letters(), ElementsAre("c", "a"));
  EXPECT_EQ(Show("b").status().code(), v2::MESSAGE_NOT_FOUND);
  EXPECT_THAT(Bodies({.group = "others", .topic = "%DLQ%workers"}), ElementsAre("a", "c"));
  for (const bool from_checkpoint : {true, false}) {
    h_.Restart(from_checkpoint);
    EXPECT_THAT(Letters(), ElementsAre("c", "a"));
  }
  EXPECT_EQ(Purge({}).purged(), 2);
  EXPECT_THAT(Letters(), IsEmpty());
  EXPECT_EQ(Stats().groups_size(), 0);
}

TEST_F(DeadLetterServiceTest, OnesThatWereCarriedForwardCanBePurged) {
  Kill({"a", "b", "c"});
  const TopicPtr topic = h_.life().metadata.FindTopic("%DLQ%workers");
  Purge({"a"});
  h_.store().CarryAndTrimQueue({topic->id, 0}, 3);
  EXPECT_THAT(Letters(), ElementsAre("c", "b")) << "what was purged is not carried";
  EXPECT_EQ(h_.store().CarriedEntries({topic->id, 0}, 0, 10).size(), 2u);
  EXPECT_EQ(Stats().groups(0).begin_offset(), 1);
  EXPECT_EQ(Purge({"b"}).purged(), 1);
  EXPECT_EQ(h_.store().CarriedEntries({topic->id, 0}, 0, 10).size(), 1u);
  EXPECT_THAT(Letters(), ElementsAre("c"));
  EXPECT_EQ(Resend(ResendRequest()).resent(), 1);
  EXPECT_THAT(Bodies(), ElementsAre("c"));
}

TEST_F(DeadLetterServiceTest, ADamagedOneDoesNotHideTheOthers) {
  Kill({"a", "b", "c"});
  const TopicPtr topic = h_.life().metadata.FindTopic("%DLQ%workers");
  h_.store().FailReads({topic->id, 0}, 1, absl::DataLossError("the bytes are damaged"));
  EXPECT_EQ(h_.ListDeadLetters().dead_letters_size(), 2);
  EXPECT_EQ(Resend(ResendRequest()).resent(), 2);
  EXPECT_EQ(h_.ListDeadLetters().total(), 1);
}

TEST_F(DeadLetterServiceTest, ExportAndImportLoseNothing) {
  Kill({"a", "b"}, "red");
  auto exported = Export();
  ASSERT_EQ(exported.letters_size(), 2);
  EXPECT_TRUE(exported.progress().done());
  EXPECT_EQ(exported.letters(0).dead_letter().message_id(), "a") << "oldest first";
  EXPECT_EQ(exported.letters(0).message().body(), "a");
  EXPECT_FALSE(Export(/*ids_only=*/true).letters(0).has_message());
  Purge({});
  h_.Advance(absl::Hours(1));
  v1::ImportDeadLettersRequest import;
  import.set_group(kGroup);
  *import.mutable_letters() = exported.letters();
  const auto imported = h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", import);
  EXPECT_EQ(imported.status().code(), v2::OK) << imported.status().message();
  EXPECT_EQ(imported.imported(), 2);
  const auto again = Export();
  ASSERT_EQ(again.letters_size(), 2);
  for (int i = 0; i < 2; ++i) {
    v1::ExportedDeadLetter now = again.letters(i);
    now.mutable_dead_letter()->set_offset(i);
    EXPECT_EQ(now.SerializeAsString(), exported.letters(i).SerializeAsString())
        << now.DebugString() << exported.letters(i).DebugString();
  }
  EXPECT_EQ(Resend(ResendRequest()).resent(), 2);
  EXPECT_THAT(Bodies(), ElementsAre("a", "b"));
}

TEST_F(DeadLetterServiceTest, AGroupWithoutDeadLettersCanGetSome) {
  Kill({"a"});
  v1::ImportDeadLettersRequest import;
  import.set_group("others");
  *import.mutable_letters() = Export().letters();
  EXPECT_EQ(h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", import).imported(), 1);
  EXPECT_THAT(Letters("others"), ElementsAre("a"));
  EXPECT_THAT(Letters(), ElementsAre("a"));
}

TEST_F(DeadLetterServiceTest, WhatNoSendWouldTakeIsNotImported) {
  Kill({"a"});
  const auto code = [this](const v1::ImportDeadLettersRequest& request) {
    return h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", request).status().code();
  };
  v1::ImportDeadLettersRequest import;
  import.set_group(kGroup);
  EXPECT_EQ(code(import), v2::BAD_REQUEST) << "nothing to import";
  *import.add_letters() = Export().letters(0);
  import.mutable_letters(0)->mutable_message()->mutable_topic()->set_name("no spaces");
  EXPECT_EQ(code(import), v2::ILLEGAL_TOPIC);
  import.mutable_letters(0)->mutable_message()->mutable_topic()->set_name("%RETRY%others");
  EXPECT_EQ(code(import), v2::ILLEGAL_TOPIC);
  *import.mutable_letters(0) = Export().letters(0);
  import.mutable_letters(0)->mutable_message()->mutable_system_properties()->clear_message_id();
  EXPECT_EQ(code(import), v2::ILLEGAL_MESSAGE_ID);
  for (const auto spoil : std::initializer_list<void (*)(v1::DeadLetter&)>{
           [](v1::DeadLetter& letter) { letter.mutable_time()->set_seconds(INT64_MAX / 10); },
           [](v1::DeadLetter& letter) { letter.mutable_first_delivery()->set_seconds(-1); },
           [](v1::DeadLetter& letter) { letter.mutable_last_delivery()->set_nanos(-1); },
           [](v1::DeadLetter& letter) { letter.set_queue_id(-1); },
           [](v1::DeadLetter& letter) { letter.set_queue_offset(-1); },
           [](v1::DeadLetter& letter) { letter.set_attempts(-1); }}) {
    *import.mutable_letters(0) = Export().letters(0);
    spoil(*import.mutable_letters(0)->mutable_dead_letter());
    EXPECT_EQ(code(import), v2::BAD_REQUEST);
  }
  import.set_broker("broker-b");
  EXPECT_EQ(code(import), v2::NOT_FOUND);
  import.set_group("nobody");
  EXPECT_EQ(code(import), v2::CONSUMER_GROUP_NOT_FOUND);
  EXPECT_THAT(Letters(), SizeIs(1));
}

TEST_F(DeadLetterServiceTest, AFullColdPoolIsToldSo) {
  Kill({"a"});
  h_.store().RefuseColdJobs(true);
  EXPECT_EQ(h_.ListDeadLetters().status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(Resend(ResendRequest()).status().code(), v2::TOO_MANY_REQUESTS);
  h_.store().RefuseColdJobs(false);
  EXPECT_THAT(Letters(), ElementsAre("a"));
}

TEST_F(DeadLetterServiceTest, WhatWasRemovedCostsALookNothing) {
  constexpr int kRemoved = 3000;
  Kill({"a"});
  v1::ImportDeadLettersRequest import;
  import.set_group(kGroup);
  for (int i = 0; i < 250; ++i) *import.add_letters() = Export().letters(0);
  for (int i = 0; i < kRemoved; i += 250) {
    ASSERT_EQ(h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", import).imported(), 250);
  }
  v1::PurgeDeadLettersRequest purge;
  purge.set_group(kGroup);
  purge.mutable_page()->set_from(1);
  for (bool done = false; !done;) {
    const auto purged = h_.Admin<v1::PurgeDeadLettersResponse>("PurgeDeadLetters", purge);
    ASSERT_EQ(purged.status().code(), v2::OK);
    done = purged.progress().done();
  }
  const size_t before = h_.store().entries_read();
  EXPECT_THAT(Letters(), ElementsAre("a"));
  EXPECT_EQ(Stats(kGroup).groups(0).count(), 1);
  EXPECT_LT(h_.store().entries_read() - before, 1000u);
}

TEST_F(DeadLetterServiceTest, NoGroupIsLeftOutHoweverManyThereAre) {
  constexpr int kGroups = 1001;
  Kill({"a"});
  v1::ImportDeadLettersRequest import;
  *import.add_letters() = Export().letters(0);
  for (int i = 0; i < kGroups; ++i) {
    import.set_group(fmt::format("g{}", i));
    h_.CreateGroup(StartPolicy::kLatest, import.group(), 1);
    ASSERT_EQ(h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", import).imported(), 1);
  }
  EXPECT_EQ(Stats().groups_size(), kGroups + 1);
}

TEST_F(DeadLetterServiceTest, ALongSearchIsManyShortJobs) {
  Kill({"a"});
  v1::ImportDeadLettersRequest import;
  import.set_group(kGroup);
  *import.add_letters() = Export().letters(0);
  import.mutable_letters(0)->mutable_message()->set_body(std::string(3u << 20, 'x'));
  import.mutable_letters(0)->mutable_message()->mutable_system_properties()->clear_body_digest();
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(h_.Admin<v1::ImportDeadLettersResponse>("ImportDeadLetters", import).imported(), 1);
  }
  h_.store().HoldColdJobs(true);
  v1::DescribeDeadLetterRequest request;
  request.set_group(kGroup);
  request.set_message_id("b");
  const auto call = h_.BeginAdmin("DescribeDeadLetter", request);
  size_t jobs = 0;
  while (!call->finished()) {
    const size_t reads = h_.store().reads();
    ASSERT_EQ(h_.store().RunColdJobs(), 1u);
    EXPECT_LE(h_.store().reads() - reads, 2u);
    ++jobs;
  }
  EXPECT_GE(jobs, 4u);
  EXPECT_EQ(call->Response<v1::DescribeDeadLetterResponse>().status().code(),
            v2::MESSAGE_NOT_FOUND);
  h_.store().HoldColdJobs(false);
  EXPECT_EQ(Show("a").status().code(), v2::OK);
}

TEST_F(DeadLetterServiceTest, WhatIsForgottenWithItsGroupDoesNotComeBack) {
  Kill({"a", "b"});
  Purge({"a"});
  h_.life().metadata.DeleteGroup(kGroup, [](absl::StatusOr<GroupPtr>) {});
  h_.Settle();
  h_.CreateGroup(StartPolicy::kLatest, kGroup, 1);
  EXPECT_THAT(Letters(), IsEmpty());
  h_.Restart(true);
  EXPECT_THAT(Letters(), IsEmpty());
  h_.Send("c");
  EXPECT_THAT(Bodies(), IsEmpty());
}

}  // namespace
}  // namespace mansio::broker
