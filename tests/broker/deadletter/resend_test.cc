// Resending dead letters, and what may go wrong on the way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/deadletter/dead_letter_harness.h"

namespace mansio::broker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class ResendTest : public DeadLetterTest {};

TEST_F(ResendTest, OnlyTheGroupThatGaveThemUpGetsThemAgain) {
  Kill({"a", "b"});
  EXPECT_THAT(Bodies({.group = "others"}), ElementsAre("a", "b"));
  const auto response = Resend(ResendRequest());
  EXPECT_EQ(response.status().code(), v2::OK) << response.status().message();
  EXPECT_EQ(response.resent(), 2);
  EXPECT_EQ(response.progress().examined(), 2);
  EXPECT_TRUE(response.progress().done());
  EXPECT_THAT(Letters(), IsEmpty());
  const auto again = Get();
  ASSERT_THAT(again, SizeIs(2));
  EXPECT_THAT(Bodies({.group = "others"}), IsEmpty());
  const v2::Message& a = again[0];
  EXPECT_EQ(a.topic().name(), kTopic);
  EXPECT_EQ(a.body(), "a");
  EXPECT_EQ(a.system_properties().message_id(), "a");
  EXPECT_EQ(a.system_properties().delivery_attempt(), 1) << "its attempts begin anew";
  const auto& properties = a.user_properties();
  EXPECT_EQ(properties.at("colour"), "a");
  EXPECT_EQ(properties.at("mansio-dlq-group"), kGroup);
  EXPECT_EQ(properties.at("mansio-dlq-reason"), "attempts");
  EXPECT_EQ(properties.at("mansio-dlq-origin"), "orders/0/0");
  EXPECT_EQ(properties.at("mansio-dlq-attempts"), "1");
  EXPECT_EQ(properties.at("mansio-dlq-resends"), "1");
  EXPECT_THAT(properties.at("mansio-dlq-time"), testing::MatchesRegex("....-..-..T.*Z"));
}

TEST_F(ResendTest, AWaitingReceiveGetsThemAtOnce) {
  Kill({"a"});
  const ReceiveCall waiting = h_.Receive();
  ASSERT_FALSE(waiting->finished());
  ASSERT_EQ(Resend(ResendRequest()).resent(), 1);
  ASSERT_TRUE(waiting->finished());
  EXPECT_THAT(Harness::Bodies(waiting), ElementsAre("a"));
}

TEST_F(ResendTest, ToTheirTopicTheyComeForAllGroups) {
  Kill({"a"});
  EXPECT_THAT(Bodies({.group = "others"}), ElementsAre("a"));
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_all_groups(true);
  EXPECT_EQ(Resend(request).resent(), 1);
  EXPECT_THAT(Bodies(), ElementsAre("a"));
  EXPECT_THAT(Bodies({.group = "others"}), ElementsAre("a"));
}

TEST_F(ResendTest, ToAnotherTopic) {
  Kill({"a"});
  h_.CreateTopic(1, "repaired");
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_to_topic("nowhere");
  EXPECT_EQ(Resend(request).status().code(), v2::TOPIC_NOT_FOUND);
  request.set_to_topic("%DLQ%workers");
  EXPECT_EQ(Resend(request).status().code(), v2::ILLEGAL_TOPIC);
  request.set_to_topic("repaired");
  EXPECT_EQ(Resend(request).resent(), 1);
  EXPECT_THAT(Bodies(), IsEmpty());
  const auto messages = Get({.topic = "repaired"});
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].user_properties().at("mansio-dlq-origin"), "orders/0/0");
}

TEST_F(ResendTest, WhatFailsOnItsWayIntoTheLogStaysADeadLetter) {
  Kill({"a", "b"});
  ASSERT_EQ(Resend(ResendRequest()).resent(), 2);  // makes the retry queue
  Fail();
  h_.FailNext(absl::ResourceExhaustedError("the disk is full"));
  const auto refused = Resend(ResendRequest());
  EXPECT_EQ(refused.status().code(), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused.status().message(), HasSubstr("the disk is full"));
  EXPECT_THAT(Letters(), ElementsAre("b", "a"));
  EXPECT_THAT(Bodies(), IsEmpty());
  h_.store().RefuseSubmits(absl::UnavailableError("no more"));
  EXPECT_EQ(Resend(ResendRequest()).status().code(), v2::INTERNAL_SERVER_ERROR);
  h_.store().RefuseSubmits(absl::OkStatus());
  EXPECT_EQ(Resend(ResendRequest()).resent(), 2);
  EXPECT_THAT(Letters(), IsEmpty());
  EXPECT_THAT(Bodies(), ElementsAre("a", "b"));
}

TEST_F(ResendTest, CallsSideBySideMoveEachLetterOnce) {
  Kill({"a", "b", "c"});
  ASSERT_EQ(Resend(ResendRequest()).resent(), 3);
  Fail();
  // The second finds them all claimed by the first, whose record is on its way.
  const auto first = h_.BeginAdmin("ResendDeadLetters", ResendRequest());
  const auto second = h_.BeginAdmin("ResendDeadLetters", ResendRequest());
  h_.Settle();
  EXPECT_EQ(first->Response<v1::ResendDeadLettersResponse>().resent(), 3);
  EXPECT_EQ(second->Response<v1::ResendDeadLettersResponse>().resent(), 0);
  EXPECT_EQ(second->Response<v1::ResendDeadLettersResponse>().status().code(), v2::OK);
  EXPECT_EQ(Resend(ResendRequest()).resent(), 0);
  EXPECT_THAT(Bodies(), ElementsAre("a", "b", "c"));
}

TEST_F(ResendTest, AKilledBrokerHasResentALetterOrStillHasIt) {
  for (const bool from_checkpoint : {false, true}) {
    Kill({"a", "b", "c"});
    v1::ResendDeadLettersRequest two = ResendRequest();
    two.mutable_page()->set_limit(2);
    EXPECT_EQ(Resend(two).resent(), 2);
    h_.Restart(from_checkpoint);
    EXPECT_THAT(Letters(), ElementsAre("c"));
    EXPECT_THAT(Bodies(), ElementsAre("a", "b"));
    // This one's record is lost.
    (void)h_.BeginAdmin("ResendDeadLetters", ResendRequest());
    h_.Restart(from_checkpoint);
    EXPECT_THAT(Letters(), ElementsAre("c"));
    EXPECT_EQ(Resend(ResendRequest()).resent(), 1);
    EXPECT_THAT(Bodies(), ElementsAre("c"));
    h_.Advance(absl::Seconds(31));
    ASSERT_THAT(Letters(), SizeIs(3)) << "none of them was acknowledged";
    v1::PurgeDeadLettersRequest purge;
    purge.set_group(kGroup);
    EXPECT_EQ(h_.Admin<v1::PurgeDeadLettersResponse>("PurgeDeadLetters", purge).purged(), 3);
  }
}

TEST_F(ResendTest, PagesFollowEachOther) {
  Kill({"a", "b", "c", "d", "e"});
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.mutable_page()->set_limit(2);
  request.mutable_page()->set_until(4);
  request.set_dry_run(true);
  auto response = Resend(request);
  EXPECT_EQ(response.resent(), 2);
  EXPECT_EQ(response.progress().next(), 2);
  EXPECT_FALSE(response.progress().done());
  request.mutable_page()->set_from(2);
  response = Resend(request);
  EXPECT_EQ(response.resent(), 2);
  request.mutable_page()->set_from(response.progress().next());
  response = Resend(request);
  EXPECT_TRUE(response.progress().done());
  EXPECT_EQ(response.resent(), 0);
  EXPECT_THAT(Letters(), SizeIs(5)) << "nothing of this was for real";
  request.mutable_page()->set_from(-1);
  EXPECT_EQ(Resend(request).status().code(), v2::BAD_REQUEST);
  request.mutable_page()->set_from(0);
  request.mutable_page()->set_broker("broker-b");
  EXPECT_EQ(Resend(request).status().code(), v2::NOT_FOUND);
}

TEST_F(ResendTest, SomeCanBeSelected) {
  Kill({"a", "b"}, "red");
  h_.Advance(absl::Hours(1));
  const int64_t between = h_.life().time.NowMillis() / 1000;
  h_.Advance(absl::Hours(1));
  Kill({"c", "d"}, "blue");
  const auto resend = [this](auto select) {
    v1::ResendDeadLettersRequest request = ResendRequest();
    select(request.mutable_selection());
    request.set_dry_run(true);
    const auto response = Resend(request);
    EXPECT_EQ(response.status().code(), v2::OK) << response.status().message();
    return response.resent();
  };
  const auto filter = [](v2::FilterType type, const char* text) {
    return [type, text](v1::DeadLetterSelection* selection) {
      selection->mutable_filter()->set_type(type);
      selection->mutable_filter()->set_expression(text);
    };
  };
  EXPECT_EQ(resend(filter(v2::TAG, "red")), 2);
  EXPECT_EQ(resend(filter(v2::TAG, "red || blue")), 4);
  EXPECT_EQ(resend(filter(v2::SQL, "colour = 'a' OR colour = 'c'")), 2);
  EXPECT_EQ(resend([](v1::DeadLetterSelection* s) {
              s->add_message_ids("b");
              s->add_message_ids("none");
            }),
            1);
  const auto set = [between](google::protobuf::Timestamp* time) { time->set_seconds(between); };
  EXPECT_EQ(resend([&](v1::DeadLetterSelection* s) { set(s->mutable_from()); }), 2);
  EXPECT_EQ(resend([&](v1::DeadLetterSelection* s) { set(s->mutable_until()); }), 2);
  v1::ResendDeadLettersRequest request = ResendRequest();
  filter(v2::SQL, "colour =")(request.mutable_selection());
  EXPECT_EQ(Resend(request).status().code(), v2::ILLEGAL_FILTER_EXPRESSION);
  request = ResendRequest();
  set(request.mutable_selection()->mutable_from());
  request.mutable_selection()->mutable_from()->set_seconds(-1);
  EXPECT_EQ(Resend(request).status().code(), v2::BAD_REQUEST);
  EXPECT_THAT(Letters(), SizeIs(4));
}

TEST_F(ResendTest, WhatWasResentTooOftenStaysUnlessForced) {
  Kill({"poison"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Resend(ResendRequest()).resent(), 1);
    Fail();
    const auto list = h_.ListDeadLetters();
    ASSERT_EQ(list.dead_letters_size(), 1);
    EXPECT_EQ(list.dead_letters(0).resends(), i + 1);
  }
  const auto refused = Resend(ResendRequest());
  EXPECT_EQ(refused.resent(), 0);
  EXPECT_EQ(refused.refused(), 1);
  ASSERT_EQ(refused.refusals_size(), 1);
  EXPECT_EQ(refused.refusals(0).message_id(), "poison");
  EXPECT_THAT(refused.refusals(0).reason(), HasSubstr("resent 3 times"));
  EXPECT_THAT(Letters(), ElementsAre("poison"));
  v1::ResendDeadLettersRequest forced = ResendRequest();
  forced.set_force(true);
  EXPECT_EQ(Resend(forced).resent(), 1);
  const auto again = Get();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].user_properties().at("mansio-dlq-resends"), "4");
}

TEST_F(ResendTest, AResentMessageIsRetriedLikeAnyOther) {
  h_.CreateGroup(StartPolicy::kEarliest, "patient", 2);
  h_.Send("m");
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Bodies({.group = "patient"}), ElementsAre("m"));
    h_.Advance(absl::Seconds(31));
  }
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_group("patient");
  EXPECT_EQ(Resend(request).resent(), 1);
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const auto messages = Get({.group = "patient"});
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages[0].system_properties().delivery_attempt(), attempt);
    h_.Advance(absl::Seconds(31));
  }
  const auto list = h_.ListDeadLetters(10, "patient");
  ASSERT_EQ(list.dead_letters_size(), 1);
  EXPECT_EQ(list.dead_letters(0).attempts(), 2);
  EXPECT_EQ(list.dead_letters(0).topic(), kTopic);
  EXPECT_EQ(list.dead_letters(0).queue_offset(), 0);
}

TEST_F(ResendTest, AFifoGroupHasNoRetriesOfItsOwn) {
  h_.CreateGroup(StartPolicy::kEarliest, "ordered", 1, /*fifo=*/true);
  h_.Send("m", 0, "", {}, "customer");
  EXPECT_THAT(Bodies({.group = "ordered"}), ElementsAre("m"));
  h_.Advance(absl::Seconds(31));
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_group("ordered");
  const auto refused = Resend(request);
  EXPECT_EQ(refused.status().code(), v2::BAD_REQUEST);
  EXPECT_THAT(refused.status().message(), HasSubstr("--all-groups"));
  request.set_all_groups(true);
  EXPECT_EQ(Resend(request).resent(), 1);
  EXPECT_THAT(Bodies({.group = "ordered"}), ElementsAre("m"));
}

TEST_F(ResendTest, ALetterWhoseTopicHasGoneCanGoElsewhere) {
  Kill({"a"});
  h_.CreateTopic(1, "repaired");
  h_.life().metadata.DeleteTopic(kTopic, [](absl::StatusOr<TopicPtr>) {});
  h_.Settle();
  const auto refused = Resend(ResendRequest());
  EXPECT_EQ(refused.refused(), 1);
  EXPECT_THAT(refused.refusals(0).reason(), HasSubstr("'orders' is not on this broker any more"));
  EXPECT_THAT(Letters(), ElementsAre("a"));
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_to_topic("repaired");
  EXPECT_EQ(Resend(request).resent(), 1);
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(ResendTest, AForeignGroupsDeadLetterIsNotMadeAnew) {
  h_.CreateGroup(StartPolicy::kEarliest, "auditors", 1);
  Kill({"a"});
  EXPECT_THAT(Bodies({.group = "auditors", .topic = "%DLQ%workers"}), ElementsAre("a"));
  h_.Advance(absl::Seconds(31));
  EXPECT_THAT(Letters("auditors"), ElementsAre("a"));
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.set_group("auditors");
  request.set_all_groups(true);
  const auto refused = Resend(request);
  EXPECT_EQ(refused.resent(), 0);
  ASSERT_EQ(refused.refusals_size(), 1);
  EXPECT_THAT(refused.refusals(0).reason(),
              AllOf(HasSubstr("'%DLQ%workers' belongs to a group"), HasSubstr("--to-topic")));
  EXPECT_THAT(Letters(), ElementsAre("a"));
  EXPECT_THAT(Letters("auditors"), ElementsAre("a"));
  request.set_all_groups(false);
  EXPECT_EQ(Resend(request).resent(), 1);
  const auto again = Get({.group = "auditors", .topic = "%DLQ%workers"});
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].topic().name(), "%DLQ%workers");
}

TEST_F(ResendTest, ALetterThatFailsAgainSaysSinceWhen) {
  Kill({"a"});
  ASSERT_EQ(Resend(ResendRequest()).resent(), 1);
  h_.Advance(absl::Hours(1));
  const int64_t delivered = h_.life().time.NowMillis() / 1000;
  Kill({"b"});
  const auto list = h_.ListDeadLetters();
  ASSERT_EQ(list.dead_letters_size(), 2);
  for (const v1::DeadLetter& letter : list.dead_letters()) {
    EXPECT_EQ(letter.first_delivery().seconds(), delivered) << letter.message_id();
    EXPECT_EQ(letter.last_delivery().seconds(), delivered) << letter.message_id();
  }
}

TEST_F(ResendTest, ADelayedOneComesWhenItIsDue) {
  h_.store().SetMode(store::FakeStore::Mode::kAutomatic);
  ASSERT_TRUE(h_.life().delay.Start().ok());
  h_.store().SetMode(store::FakeStore::Mode::kHeld);
  Kill({"a"});
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.mutable_delay()->set_seconds(60);
  EXPECT_EQ(Resend(request).resent(), 1);
  EXPECT_THAT(Letters(), IsEmpty());
  h_.Advance(absl::Seconds(59));
  EXPECT_THAT(Bodies(), IsEmpty());
  h_.Advance(absl::Seconds(1));
  const auto messages = Get();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].topic().name(), kTopic);
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 1);
  EXPECT_EQ(messages[0].user_properties().at("mansio-dlq-resends"), "1");
  EXPECT_THAT(Bodies({.group = "others"}), ElementsAre("a")) << "as it was sent, and not again";
  request.mutable_delay()->set_seconds(-1);
  EXPECT_EQ(Resend(request).status().code(), v2::BAD_REQUEST);
  h_.life().delay.Stop();
}

TEST_F(ResendTest, ADelayLongerThanTheTimeToLiveDoesNotLoseTheLetter) {
  h_.store().SetMode(store::FakeStore::Mode::kAutomatic);
  ASSERT_TRUE(h_.life().delay.Start().ok());
  h_.store().SetMode(store::FakeStore::Mode::kHeld);
  h_.Send("a", 0, "", {{"mansio-ttl-ms", "60000"}});
  Fail();
  ASSERT_THAT(Letters(), SizeIs(1));
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.mutable_delay()->set_seconds(120);
  ASSERT_EQ(Resend(request).resent(), 1);
  h_.Advance(absl::Seconds(121));
  EXPECT_THAT(Bodies(), ElementsAre("a"));
  EXPECT_THAT(Letters(), IsEmpty());
  h_.life().delay.Stop();
}

TEST_F(ResendTest, TheAgeIsThatOfALetterThatIsThere) {
  Kill({"a", "b"});
  v1::ResendDeadLettersRequest request = ResendRequest();
  request.mutable_selection()->add_message_ids("a");
  ASSERT_EQ(Resend(request).resent(), 1);
  EXPECT_EQ(h_.life().dead_letters.SkipRemoved(h_.life().metadata.FindTopic("%DLQ%workers")->id, 0),
            1u);
}

}  // namespace
}  // namespace mansio::broker
