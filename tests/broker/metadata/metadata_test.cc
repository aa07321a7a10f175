#include "broker/metadata/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/feature_set.h"
#include "common/clock/broker_time.h"
#include "common/status/wire_status.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using store::FakeStore;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Pairs : public store::StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs[std::string(key)] = std::string(value);
  }
  void Delete(std::string_view key) override { deleted.push_back(std::string(key)); }
  std::map<std::string, std::string> pairs;
  std::vector<std::string> deleted;
};

// A metadata feature with a store below it.
struct Node {
  explicit Node(BrokerTime* time, Metadata::Limits limits = {}) : metadata(limits, time) {
    features.Add(&metadata);
  }
  FeatureSet features;
  Metadata metadata;
};

class MetadataTest : public testing::Test {
 protected:
  using TopicAnswer = std::optional<absl::StatusOr<TopicPtr>>;
  using GroupAnswer = std::optional<absl::StatusOr<GroupPtr>>;

  void Create(std::string name, TopicAnswer* answer, MessageType type = MessageType::kNormal,
              uint32_t queues = 8) {
    node_.metadata.CreateTopic(std::move(name), type, queues,
                               [answer](absl::StatusOr<TopicPtr> t) { *answer = std::move(t); });
  }
  void Delete(std::string_view name, TopicAnswer* answer) {
    node_.metadata.DeleteTopic(name,
                               [answer](absl::StatusOr<TopicPtr> t) { *answer = std::move(t); });
  }
  void Ensure(std::string_view name, GroupAnswer* answer) {
    node_.metadata.EnsureGroup(name,
                               [answer](absl::StatusOr<GroupPtr> g) { *answer = std::move(g); });
  }
  TopicPtr Created(std::string name) {
    TopicAnswer answer;
    Create(std::move(name), &answer);
    EXPECT_TRUE(answer.has_value() && answer->ok());
    return **answer;
  }
  static v2::Code CodeIn(const TopicAnswer& answer) { return CodeOf(answer->status()); }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  Node node_{&time_, {.topics = 5, .queues_per_topic = 16, .groups = 3}};
  FakeStore store_{&node_.features};
};

TEST_F(MetadataTest, ATopicIsThereOnceItsRecordIsApplied) {
  store_.SetMode(FakeStore::Mode::kHeld);
  TopicAnswer answer;
  Create("orders", &answer, MessageType::kFifo, 4);
  store_.StepAppend();
  EXPECT_EQ(node_.metadata.FindTopic("orders"), nullptr);
  EXPECT_FALSE(answer.has_value());

  store_.StepCommit();
  ASSERT_TRUE(answer.has_value());
  const TopicPtr topic = node_.metadata.FindTopic("orders");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(answer->value(), topic);
  EXPECT_EQ(node_.metadata.FindTopic(topic->id), topic);
  EXPECT_EQ(topic->type, MessageType::kFifo);
  EXPECT_EQ(topic->queues, 4u);
  EXPECT_EQ(topic->created_ms, time_.NowMillis());
}

TEST_F(MetadataTest, CreatingTheSameTopicAgainIsOkAndLogsNothing) {
  const TopicPtr first = Created("orders");
  const size_t logged = store_.submitted();
  EXPECT_EQ(Created("orders"), first);
  EXPECT_EQ(store_.submitted(), logged);
}

TEST_F(MetadataTest, CreatingItWithOtherSettingsIsRefused) {
  Created("orders");
  TopicAnswer answer;
  Create("orders", &answer, MessageType::kFifo, 8);
  EXPECT_EQ(CodeIn(answer), v2::PRECONDITION_FAILED);
  EXPECT_THAT(std::string(answer->status().message()), HasSubstr("type NORMAL, not FIFO"));
  Create("orders", &answer, MessageType::kNormal, 9);
  EXPECT_EQ(CodeIn(answer), v2::PRECONDITION_FAILED);
}

TEST_F(MetadataTest, ASecondChangeWaitsForTheFirstAndIsJudgedAnew) {
  store_.SetMode(FakeStore::Mode::kHeld);
  TopicAnswer first, same, other, gone;
  Create("orders", &first);
  Create("orders", &same);
  Create("orders", &other, MessageType::kFifo);
  Delete("orders", &gone);
  EXPECT_EQ(store_.pending(), 1u);

  store_.Run();
  ASSERT_TRUE(first && same && other && gone);
  EXPECT_TRUE(first->ok());
  EXPECT_EQ(same->value(), first->value());
  EXPECT_EQ(CodeIn(other), v2::PRECONDITION_FAILED);
  EXPECT_TRUE(gone->ok());
  EXPECT_EQ(node_.metadata.FindTopic("orders"), nullptr);
}

TEST_F(MetadataTest, AFailedChangeFreesTheNameAndTellsEveryone) {
  store_.SetMode(FakeStore::Mode::kHeld);
  TopicAnswer first, second;
  Create("orders", &first);
  Create("orders", &second);
  store_.StepFail(absl::UnavailableError("the disk is full"));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->status().message(), "the disk is full");
  EXPECT_FALSE(second.has_value());  // it tries for itself
  store_.Run();
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(second->ok());
}

TEST_F(MetadataTest, AStoreThatAcceptsNothingRefusesAllWaitingToo) {
  store_.SetMode(FakeStore::Mode::kHeld);
  TopicAnswer first, second, third;
  Create("orders", &first);
  Create("orders", &second);
  Create("orders", &third);
  store_.RefuseSubmits(absl::UnavailableError("read-only"));
  store_.StepFail(absl::UnavailableError("read-only"));
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(second->status().message(), "read-only");
  EXPECT_EQ(third->status().message(), "read-only");
}

TEST_F(MetadataTest, AnAnswerMayAskAgain) {
  TopicPtr seen;
  Created("orders");
  node_.metadata.CreateTopic("orders", MessageType::kNormal, 8, [&](absl::StatusOr<TopicPtr>) {
    seen = node_.metadata.FindTopic("orders");  // would hang if a lock were held
  });
  EXPECT_NE(seen, nullptr);
}

TEST_F(MetadataTest, BadNamesAndNumbersAreRefused) {
  TopicAnswer answer;
  Create("no spaces", &answer);
  EXPECT_EQ(CodeIn(answer), v2::ILLEGAL_TOPIC);
  Create("orders", &answer, MessageType::kNormal, 0);
  EXPECT_EQ(CodeIn(answer), v2::BAD_REQUEST);
  Create("orders", &answer, MessageType::kNormal, 17);
  EXPECT_EQ(CodeIn(answer), v2::BAD_REQUEST);
  EXPECT_THAT(std::string(answer->status().message()), HasSubstr("limits.queues-per-topic"));
  Create("orders", &answer, MessageType::kNormal, 16);
  EXPECT_TRUE(answer->ok());
  GroupAnswer group;
  Ensure("no spaces", &group);
  EXPECT_EQ(CodeOf(group->status()), v2::ILLEGAL_CONSUMER_GROUP);
  EXPECT_EQ(store_.submitted(), 1u);
}

TEST_F(MetadataTest, LimitsOfTopicsAndGroups) {
  for (int i = 0; i < 5; ++i) Created("t" + std::to_string(i));
  TopicAnswer topic;
  Create("t5", &topic);
  EXPECT_EQ(CodeIn(topic), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(std::string(topic->status().message()), HasSubstr("limits.topics"));

  GroupAnswer group;
  for (int i = 0; i < 3; ++i) Ensure("g" + std::to_string(i), &group);
  EXPECT_TRUE(group->ok());
  Ensure("g3", &group);
  EXPECT_EQ(CodeOf(group->status()), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(std::string(group->status().message()), HasSubstr("limits.groups"));

  TopicAnswer gone;
  Delete("t0", &gone);
  Create("t5", &topic);
  EXPECT_TRUE(topic->ok());
}

TEST_F(MetadataTest, DeletingWhatIsNotThere) {
  TopicAnswer topic;
  Delete("orders", &topic);
  EXPECT_EQ(CodeIn(topic), v2::TOPIC_NOT_FOUND);
  GroupAnswer group;
  node_.metadata.DeleteGroup("billing", [&](absl::StatusOr<GroupPtr> g) { group = std::move(g); });
  EXPECT_EQ(CodeOf(group->status()), v2::CONSUMER_GROUP_NOT_FOUND);
}

TEST_F(MetadataTest, ATopicCreatedAgainIsANewTopic) {
  const uint32_t first = Created("orders")->id;
  TopicAnswer gone;
  Delete("orders", &gone);
  EXPECT_NE(Created("orders")->id, first);
}

TEST_F(MetadataTest, EnsureGroupTakesAGroupAsItIs) {
  GroupRecord wanted;
  wanted.name = "billing";
  wanted.start = StartPolicy::kEarliest;
  GroupAnswer created, ensured, conflicting;
  node_.metadata.CreateGroup(wanted, [&](absl::StatusOr<GroupPtr> g) { created = std::move(g); });
  Ensure("billing", &ensured);
  ASSERT_TRUE(created->ok() && ensured->ok());
  EXPECT_EQ(created->value(), ensured->value());

  wanted.start = StartPolicy::kLatest;
  node_.metadata.CreateGroup(wanted,
                             [&](absl::StatusOr<GroupPtr> g) { conflicting = std::move(g); });
  EXPECT_EQ(CodeOf(conflicting->status()), v2::PRECONDITION_FAILED);
}

TEST_F(MetadataTest, AGroupEnsuredWhileItIsBeingCreatedWithOtherSettingsIsThatOne) {
  store_.SetMode(FakeStore::Mode::kHeld);
  GroupRecord wanted;
  wanted.name = "billing";
  wanted.start = StartPolicy::kEarliest;
  GroupAnswer created, ensured;
  node_.metadata.CreateGroup(wanted, [&](absl::StatusOr<GroupPtr> g) { created = std::move(g); });
  Ensure("billing", &ensured);
  store_.Run();
  ASSERT_TRUE(created && ensured && ensured->ok());
  EXPECT_EQ(ensured->value()->start, StartPolicy::kEarliest);
}

TEST_F(MetadataTest, ListenersHearOfEachChange) {
  std::vector<std::string> heard;
  node_.metadata.AddListener({
      .topic_changed = [&](const TopicPtr& t) { heard.push_back("+" + t->name); },
      .topic_deleted = [&](const TopicPtr& t) { heard.push_back("-" + t->name); },
      .group_changed = [&](const GroupPtr& g) { heard.push_back("+" + g->name); },
      .group_resumed = nullptr,
      .group_deleted = [&](const GroupPtr& g) { heard.push_back("-" + g->name); },
  });
  Created("orders");
  GroupAnswer group;
  Ensure("billing", &group);
  node_.metadata.DeleteGroup("billing", [](absl::StatusOr<GroupPtr>) {});
  TopicAnswer gone;
  Delete("orders", &gone);
  EXPECT_THAT(heard, ElementsAre("+orders", "+billing", "-billing", "-orders"));
}

TEST_F(MetadataTest, AGroupsTopicsAreMadeWhenNeededAndGoWithIt) {
  const TopicPtr orders = Created("orders");
  const TopicPtr bills = Created("bills");
  GroupAnswer group;
  Ensure("workers", &group);
  const GroupPtr workers = **group;
  EXPECT_FALSE(node_.metadata.FindRetryQueue(*workers, orders->id).has_value());
  std::vector<store::QueueKey> queues;
  const auto keep = [&queues](absl::StatusOr<store::QueueKey> queue) { queues.push_back(*queue); };
  store_.SetMode(FakeStore::Mode::kHeld);
  node_.metadata.EnsureRetryQueue(workers, orders->id, keep);
  node_.metadata.EnsureRetryQueue(workers, bills->id, keep);
  node_.metadata.EnsureRetryQueue(workers, orders->id, keep);
  store_.Run();
  const TopicPtr retry = node_.metadata.FindTopic("%RETRY%workers");
  ASSERT_NE(retry, nullptr);
  EXPECT_THAT(queues,
              testing::ElementsAre(store::QueueKey{retry->id, 0}, store::QueueKey{retry->id, 1},
                                   store::QueueKey{retry->id, 0}));
  EXPECT_EQ(retry->queues, 2u);
  EXPECT_EQ(retry->kind, TopicKind::kRetry);
  node_.metadata.EnsureDeadLetters(workers, [](absl::StatusOr<TopicPtr>) {});
  store_.Run();
  EXPECT_EQ(node_.metadata.FindDeadLetters(*workers)->queues, 1u);

  TopicAnswer refused;
  Create("%DLQ%other", &refused);
  EXPECT_EQ(CodeIn(refused), v2::ILLEGAL_TOPIC);
  Delete("%DLQ%workers", &refused);
  EXPECT_EQ(CodeIn(refused), v2::ILLEGAL_TOPIC);

  Node replayed(&time_, {});
  const auto again = store_.Restart(&replayed.features);
  EXPECT_EQ(replayed.metadata.FindRetryQueue(*workers, bills->id), queues[1]);

  // An ensure that comes behind the deletion makes nothing.
  absl::Status late;
  node_.metadata.DeleteGroup("workers", [](absl::StatusOr<GroupPtr>) {});
  node_.metadata.EnsureDeadLetters(workers, [](absl::StatusOr<TopicPtr>) {});
  store_.Run();
  node_.metadata.EnsureRetryQueue(
      workers, orders->id, [&late](absl::StatusOr<store::QueueKey> q) { late = q.status(); });
  store_.Run();
  EXPECT_TRUE(absl::IsNotFound(late));
  EXPECT_EQ(node_.metadata.FindTopic("%RETRY%workers"), nullptr);
  EXPECT_EQ(node_.metadata.FindTopic("%DLQ%workers"), nullptr);
}

TEST_F(MetadataTest, TheHandleKeyIsMadeOnceAndKept) {
  ASSERT_TRUE(node_.metadata.EnsureHandleKey().ok());
  const auto key = node_.metadata.handle_key();
  EXPECT_NE(key[0] | key[1], 0u);
  ASSERT_TRUE(node_.metadata.EnsureHandleKey().ok());
  EXPECT_EQ(node_.metadata.handle_key(), key);

  Node restarted(&time_);
  const auto store = store_.Restart(&restarted.features);
  EXPECT_EQ(restarted.metadata.handle_key(), key);
}

TEST_F(MetadataTest, TheHandleKeyNeedsAStoreThatAccepts) {
  store_.RefuseSubmits(absl::UnavailableError("read-only"));
  EXPECT_EQ(node_.metadata.EnsureHandleKey().message(), "read-only");
}

// Replaying the log and loading a checkpoint give the same tables, ids included.
TEST_F(MetadataTest, ReplayAndCheckpointAgree) {
  ASSERT_TRUE(node_.metadata.EnsureHandleKey().ok());
  Created("orders");
  Created("payments");
  GroupAnswer group;
  Ensure("billing", &group);
  TopicAnswer gone;
  Delete("payments", &gone);  // the newest topic: its id must not come again

  Node replayed(&time_), loaded(&time_);
  const auto replayed_store = store_.Restart(&replayed.features);
  const auto loaded_store = store_.RestartFromCheckpoint(node_.features, &loaded.features);
  ASSERT_NE(loaded_store, nullptr);

  Pairs original, after_replay, after_load;
  node_.features.CaptureAll(original);
  replayed.features.CaptureAll(after_replay);
  loaded.features.CaptureAll(after_load);
  EXPECT_EQ(after_replay.pairs, original.pairs);
  EXPECT_EQ(after_load.pairs, original.pairs);

  uint32_t next_id = 0;
  loaded.metadata.CreateTopic("again", MessageType::kNormal, 1,
                              [&](absl::StatusOr<TopicPtr> t) { next_id = (*t)->id; });
  EXPECT_EQ(next_id, 3u);
}

TEST_F(MetadataTest, OnlyChangesAreCapturedAsDirty) {
  Created("orders");
  Pairs first;
  node_.features.CaptureDirty(first);
  EXPECT_EQ(first.pairs.size(), 2u);  // the topic and the next ids
  Pairs second;
  node_.features.CaptureDirty(second);
  EXPECT_THAT(second.pairs, IsEmpty());

  TopicAnswer gone;
  Delete("orders", &gone);
  Pairs third;
  node_.features.CaptureDirty(third);
  EXPECT_THAT(third.deleted, ElementsAre(StartsWith("Mt")));

  Node loaded(&time_);
  const auto store = store_.RestartFromCheckpoint(node_.features, &loaded.features);
  Pairs after_restore;
  loaded.features.CaptureDirty(after_restore);
  EXPECT_THAT(after_restore.pairs, IsEmpty());
}

TEST_F(MetadataTest, ATopicIsAltered) {
  const TopicPtr created = Created("orders");
  const auto alter = [this](const char* name, const TopicChange& change) {
    TopicAnswer answer;
    node_.metadata.AlterTopic(name, change,
                              [&answer](absl::StatusOr<TopicPtr> t) { answer = std::move(t); });
    return *answer;
  };
  const auto altered = alter("orders", {.ttl_ms = 60'000, .expired_to_dead_letters = true});
  ASSERT_TRUE(altered.ok());
  EXPECT_EQ((*altered)->expiry, (ExpiryPolicy{60'000, true}));
  EXPECT_EQ((*altered)->id, created->id);
  EXPECT_EQ((*altered)->queues, 8u);
  EXPECT_EQ((*alter("orders", {.ttl_ms = 0}))->expiry, (ExpiryPolicy{0, true}));
  EXPECT_EQ(node_.metadata.FindTopic("orders")->expiry, (ExpiryPolicy{0, true}));

  EXPECT_EQ(CodeOf(alter("orders", {.ttl_ms = -1}).status()), v2::BAD_REQUEST);
  EXPECT_EQ(CodeOf(alter("orders", {.priority_guard = true}).status()), v2::BAD_REQUEST);
  EXPECT_EQ(CodeOf(alter("nowhere", {.ttl_ms = 1}).status()), v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(CodeOf(alter("%DLQ%workers", {.ttl_ms = 1}).status()), v2::ILLEGAL_TOPIC);
  TopicAnswer gone;
  Delete("orders", &gone);
  EXPECT_TRUE(gone->ok()) << "a refused change has freed the name";
}

TEST_F(MetadataTest, AChangeOfATopicWaitsForItsCreation) {
  store_.SetMode(FakeStore::Mode::kHeld);
  TopicAnswer created, altered;
  Create("orders", &created, MessageType::kPriority);
  node_.metadata.AlterTopic("orders", {.priority_guard = true},
                            [&altered](absl::StatusOr<TopicPtr> t) { altered = std::move(t); });
  store_.Run();
  ASSERT_TRUE(altered.has_value() && altered->ok());
  EXPECT_TRUE((**altered)->priority_guard);
}

TEST(TopicRecordTest, SettingsComeBackExactly) {
  TopicRecord topic{.id = 7, .name = "orders", .type = MessageType::kMixed, .queues = 3};
  const auto decoded = [&topic] { return *TopicRecord::Decode(topic.Encode()); };
  EXPECT_EQ(decoded().type, MessageType::kMixed);
  EXPECT_EQ(decoded().expiry, ExpiryPolicy{});
  topic.expiry = {1'000, true};
  EXPECT_EQ(decoded().expiry, topic.expiry);
  EXPECT_EQ(decoded().check_back, CheckBackPolicy{});
  EXPECT_FALSE(decoded().priority_guard);
  topic.check_back = {1, 2, 3};
  topic.priority_guard = true;
  EXPECT_EQ(decoded().expiry, topic.expiry);
  EXPECT_EQ(decoded().check_back, topic.check_back);
  EXPECT_TRUE(decoded().priority_guard);
  topic.brokers = {"a", "b"};
  topic.draining = true;
  EXPECT_EQ(decoded().brokers, topic.brokers);
  EXPECT_TRUE(decoded().draining && decoded().priority_guard);
  topic = TopicRecord{.id = 7, .name = "orders", .queues = 3, .draining = true};
  EXPECT_TRUE(decoded().draining);
  EXPECT_TRUE(decoded().brokers.empty());
  EXPECT_FALSE(decoded().added);
  topic.added = true;
  EXPECT_TRUE(decoded().added);
}

// A FIFO group that a broker does not know must not become another kind of group there.
TEST_F(MetadataTest, AGroupBeginsWithTheSettingsThatItHasElsewhere) {
  node_.metadata.SetGroupElsewhere([](std::string_view name, auto done) {
    if (name != "known") return done(std::nullopt);
    done(GroupRecord{
        .id = 99, .name = "known", .fifo = true, .max_attempts = 3, .created_ms = 1234});
  });
  const auto begin = [this](const char* name) {
    std::optional<absl::StatusOr<GroupPtr>> group;
    node_.metadata.EnsureGroup(name,
                               [&group](absl::StatusOr<GroupPtr> g) { group = std::move(g); });
    return **group;
  };
  EXPECT_TRUE(begin("known")->fifo);
  EXPECT_EQ(begin("known")->max_attempts, 3u);
  EXPECT_EQ(begin("known")->created_ms, 1234) << "or it would count as new";
  EXPECT_FALSE(begin("new")->fifo);
}

TEST_F(MetadataTest, NothingIsMadeBeforeTheOthersHaveBeenAsked) {
  std::vector<Metadata::Done<std::optional<GroupRecord>>> asked;
  node_.metadata.SetGroupElsewhere(
      [&asked](std::string_view, auto done) { asked.push_back(std::move(done)); });
  GroupAnswer first;
  GroupAnswer second;
  Ensure("known", &first);
  Ensure("known", &second);
  EXPECT_EQ(store_.submitted(), 0u);
  ASSERT_EQ(asked.size(), 2u);
  asked[0](GroupRecord{.fifo = true});
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(first->value()->fifo);
  asked[1](std::nullopt);
  EXPECT_EQ(second->value(), first->value()) << "it was made meanwhile";
  GroupAnswer refused;
  Ensure("late", &refused);
  asked[2](absl::UnavailableError("stopped"));
  EXPECT_TRUE(absl::IsUnavailable(refused->status()));
  EXPECT_EQ(node_.metadata.FindGroup("late"), nullptr);
}

TEST(GroupRecordTest, ABackOffComesBackExactly) {
  GroupRecord group{.id = 1, .name = "billing"};
  group.backoff = {.exponential = Backoff::Exponential{absl::Seconds(1), absl::Hours(1), 1.1f}};
  EXPECT_EQ(GroupRecord::Decode(group.Encode())->backoff, group.backoff);
}

TEST_F(MetadataTest, DamagedPairsAreDataLoss) {
  EXPECT_EQ(node_.features.Restore("Mt....", "x").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(node_.features.Restore("Mz", "").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(node_.features.Restore("M", "").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(node_.features.Restore("?", "").code(), absl::StatusCode::kDataLoss);
}

TEST_F(MetadataTest, ClearForgetsEverything) {
  Created("orders");
  ASSERT_TRUE(node_.metadata.EnsureHandleKey().ok());
  node_.features.Clear();
  EXPECT_THAT(node_.metadata.Topics(), IsEmpty());
  EXPECT_EQ(node_.metadata.handle_key()[0], 0u);
  Pairs dirty;
  node_.features.CaptureDirty(dirty);
  EXPECT_THAT(dirty.pairs, IsEmpty());
}

TEST_F(MetadataTest, ASystemTopicIsMadeOnceAndGrows) {
  const auto made = node_.metadata.EnsureSystemTopic("SCHEDULE_TOPIC_XXXX", 18);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto same = node_.metadata.EnsureSystemTopic("SCHEDULE_TOPIC_XXXX", 3);
  EXPECT_EQ(*same, *made);
  const auto grown = node_.metadata.EnsureSystemTopic("SCHEDULE_TOPIC_XXXX", 20);
  EXPECT_EQ((*grown)->queues, 20u);
  EXPECT_EQ((*grown)->id, (*made)->id);
  EXPECT_EQ(store_.submitted(), 2u);
}

TEST_F(MetadataTest, ASystemTopicIsNeitherCountedNorDeletedAndOutlivesARestart) {
  ASSERT_TRUE(node_.metadata.EnsureSystemTopic("SCHEDULE_TOPIC_XXXX", 18).ok());
  for (int i = 0; i < 5; ++i) Created("t" + std::to_string(i));  // the limit
  TopicAnswer answer;
  Delete("SCHEDULE_TOPIC_XXXX", &answer);
  EXPECT_EQ(CodeIn(answer), v2::ILLEGAL_TOPIC);
  Node next(&time_);
  const auto restarted = store_.RestartFromCheckpoint(node_.features, &next.features);
  const TopicPtr topic = next.metadata.FindTopic("SCHEDULE_TOPIC_XXXX");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->kind, TopicKind::kSystem);
}

TEST_F(MetadataTest, ATopicIsAlteredAndKeepsItsId) {
  const TopicPtr before = Created("orders");
  TopicAnswer answer;
  const auto alter = [this, &answer](std::string_view name, const TopicChange& change) {
    answer.reset();
    node_.metadata.AlterTopic(name, change,
                              [&answer](absl::StatusOr<TopicPtr> t) { answer = std::move(t); });
  };
  alter("orders", {.max_backlog = 7});
  ASSERT_TRUE(answer.has_value() && answer->ok());
  alter("orders", {.overflow = Overflow::kDeadLetter});
  ASSERT_TRUE(answer.has_value() && answer->ok());
  EXPECT_EQ((**answer)->id, before->id);
  EXPECT_EQ((**answer)->queues, before->queues);
  EXPECT_EQ((**answer)->backlog, (BacklogPolicy{7, Overflow::kDeadLetter}));
  const auto decoded = TopicRecord::Decode((**answer)->Encode());
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->backlog, (**answer)->backlog);
  EXPECT_EQ(decoded->check_back, CheckBackPolicy{});
  alter("nowhere", {.max_backlog = 7});
  EXPECT_EQ(CodeIn(answer), v2::TOPIC_NOT_FOUND);
  alter("%DLQ%workers", {.max_backlog = 7});
  EXPECT_EQ(CodeIn(answer), v2::ILLEGAL_TOPIC);
  Create("orders", &answer);
  EXPECT_EQ(CodeIn(answer), v2::PRECONDITION_FAILED) << "with other settings";
}

}  // namespace
}  // namespace mansio::broker
