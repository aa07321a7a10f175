#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

// What becomes of messages that cannot be read: for now, or for ever.
namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ReadErrorsTest : public testing::Test {
 protected:
  void Begin(bool fifo = false, uint32_t max_attempts = 17) {
    h_.CreateTopic();
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, max_attempts, fifo);
    h_.store().SetHot(true, false);
  }
  void Fail(store::QueueOffset offset, absl::Status status = absl::InternalError("EIO")) {
    h_.store().FailReads({h_.life().metadata.FindTopic(kTopic)->id, 0}, offset, std::move(status));
  }
  void Heal(store::QueueOffset offset) { Fail(offset, absl::OkStatus()); }
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_.Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  std::vector<std::string> Bodies(const ReceiveArguments& a = {}) {
    std::vector<std::string> bodies;
    for (const v2::Message& message : Get(a)) bodies.push_back(message.body());
    return bodies;
  }
  QueueConsumption Progress() {
    const auto queues = h_.life().consumption->Describe(*h_.life().metadata.FindGroup(kGroup));
    return queues.empty() ? QueueConsumption() : queues[0];
  }
  Harness h_;
};

TEST_F(ReadErrorsTest, AMessageThatCannotBeReadNowComesLaterUncounted) {
  Begin();
  for (const char* body : {"a", "b", "c"}) h_.Send(body);
  Fail(1);
  EXPECT_THAT(Bodies(), ElementsAre("a", "c"));
  EXPECT_EQ(Progress().oldest, 0u);
  Heal(1);
  h_.Advance(absl::Seconds(1));
  const auto later = Get();
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_EQ(later[0].body(), "b");
  EXPECT_EQ(later[0].system_properties().delivery_attempt(), 1);
}

TEST_F(ReadErrorsTest, AReceiveThatCanReadNothingSaysSo) {
  Begin();
  h_.Send("a");
  Fail(0);
  EXPECT_EQ(Harness::StatusOf(h_.Receive()), v2::INTERNAL_SERVER_ERROR);
  h_.Advance(absl::Seconds(1));
  EXPECT_EQ(Harness::StatusOf(h_.Receive()), v2::INTERNAL_SERVER_ERROR);
  Heal(0);
  h_.Advance(absl::Seconds(2));  // twice as long
  EXPECT_THAT(Bodies(), ElementsAre("a"));
}

TEST_F(ReadErrorsTest, NothingOfItsMessageGroupOvertakesIt) {
  Begin(true);
  for (const char* body : {"r0", "r1", "r2"}) h_.Send(body, 0, "", {}, "red");
  h_.Send("b0", 0, "", {}, "blue");
  Fail(1);
  EXPECT_THAT(Bodies(), ElementsAre("b0"));
  Heal(1);
  h_.Advance(absl::Seconds(1));
  const auto later = Get();
  ASSERT_THAT(later, SizeIs(3));
  for (size_t i = 0; i < later.size(); ++i) {
    EXPECT_EQ(later[i].body(), "r" + std::to_string(i));
    EXPECT_EQ(later[i].system_properties().delivery_attempt(), 1);
  }
}

TEST_F(ReadErrorsTest, WhatRetentionTookIsAcknowledged) {
  Begin();
  h_.Send("a");
  Fail(0, absl::NotFoundError("deleted"));
  EXPECT_THAT(Bodies(), IsEmpty());
  EXPECT_EQ(Progress().oldest, 1u);
}

TEST_F(ReadErrorsTest, WhatCannotBeDecodedIsNotAcknowledged) {
  class Raw : public store::Append {
   public:
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  };
  Begin();
  auto raw = std::make_unique<Raw>();
  raw->AddMessage({h_.life().metadata.FindTopic(kTopic)->id, 0}, 0, h_.life().time.NowMillis(),
                  "no content of a message");
  ASSERT_TRUE(h_.store().Submit(std::move(raw)).ok());
  h_.store().Run();
  EXPECT_THAT(Bodies(), IsEmpty());
  EXPECT_EQ(Progress().leased, 1u);
}

TEST_F(ReadErrorsTest, AHeadThatHasUsedUpItsAttemptsIsADeadLetterOnceItCanBeRead) {
  Begin(true, 1);
  h_.CreateGroup(StartPolicy::kEarliest, "undertaker");
  for (const char* body : {"r0", "r1"}) h_.Send(body, 0, "", {}, "red");
  EXPECT_THAT(Bodies({.batch = 1}), ElementsAre("r0"));
  Fail(0);
  h_.Advance(absl::Seconds(31));
  EXPECT_THAT(Bodies(), IsEmpty());
  Heal(0);
  h_.Advance(absl::Seconds(2));
  EXPECT_THAT(Bodies({.group = "undertaker", .topic = "%DLQ%workers"}), ElementsAre("r0"));
  EXPECT_THAT(Bodies(), ElementsAre("r1"));
}

TEST_F(ReadErrorsTest, WhatStaysUnreadableDoesNotHoldUpWhatIsBehindIt) {
  Begin();
  for (int i = 0; i < 50; ++i) h_.Send("m" + std::to_string(i));
  for (int i = 0; i < 40; ++i) Fail(i);
  std::vector<std::string> got;
  for (int i = 0; i < 3; ++i) {
    for (std::string& body : Bodies()) got.push_back(std::move(body));
    h_.Advance(absl::Milliseconds(1100));
  }
  EXPECT_THAT(got, SizeIs(10));
}

TEST_F(ReadErrorsTest, WhatStaysUnreadableIsTriedLessAndLess) {
  Begin();
  h_.Send("a");
  Fail(0);
  const size_t before = h_.store().reads();
  for (int i = 0; i < 600; ++i) {
    const ReceiveCall call = h_.Receive({.auto_renew = true});
    if (!call->finished()) call->Cancel();
    h_.Advance(absl::Seconds(1));
  }
  EXPECT_LE(h_.store().reads() - before, 20u);
  EXPECT_GE(h_.store().reads() - before, 10u);
}

TEST_F(ReadErrorsTest, WhatCannotBeReadForLongerThanItsLeaseIsStillNotCounted) {
  Begin();
  h_.Send("a");
  Fail(0);
  for (int i = 0; i < 300; ++i) {
    const ReceiveCall call = h_.Receive({.invisible = absl::Seconds(10)});
    if (!call->finished()) call->Cancel();
    h_.Advance(absl::Seconds(1));
  }
  Heal(0);
  h_.Advance(absl::Seconds(10));
  const auto later = Get();
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_EQ(later[0].system_properties().delivery_attempt(), 1);
}

TEST_F(ReadErrorsTest, HeadsThatCannotBeReadDoNotKeepOthersFromTheDeadLetters) {
  Begin(true, 1);
  h_.CreateGroup(StartPolicy::kEarliest, "undertaker");
  for (int i = 0; i < 65; ++i) {
    h_.Send("m" + std::to_string(i), 0, "", {}, "group" + std::to_string(i));
  }
  for (int i = 0; i < 3; ++i) Get();
  for (int i = 0; i < 64; ++i) Fail(i);
  h_.Advance(absl::Seconds(32));
  EXPECT_THAT(Bodies({.group = "undertaker", .topic = "%DLQ%workers"}), ElementsAre("m64"));
  const size_t before = h_.store().reads();
  for (int i = 0; i < 60; ++i) h_.Advance(absl::Seconds(1));
  EXPECT_LE(h_.store().reads() - before, 64u * 8) << "it is tried less and less";
  for (int i = 0; i < 64; ++i) Heal(i);
  h_.Advance(absl::Seconds(60));
  EXPECT_THAT(Bodies({.group = "undertaker", .topic = "%DLQ%workers"}), SizeIs(32));
}

}  // namespace
}  // namespace mansio::broker
