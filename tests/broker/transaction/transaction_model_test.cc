#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "broker/transaction/transaction_id.h"
#include "tests/broker/transaction/transaction_harness.h"

// Random halves, ends, checks, producers that come and go, passing time, retention and restarts,
// against a model of what each transaction may become: decided once, by the first end that was
// answered OK, and then for good; and of when its producers are asked: at the times that were
// configured, counted over restarts, and never again once it has ended.
namespace mansio::broker {
namespace {

enum class Fate { kPending, kCommitted, kRolledBack };

constexpr absl::Duration kFirstCheck = absl::Seconds(6);
constexpr absl::Duration kInterval = absl::Seconds(30);
constexpr int kMaxChecks = 3;

struct Modelled {
  std::string message_id;
  Fate fate = Fate::kPending;
  absl::Time next_check;  // not asked before
  int checks = 0;
};

class TransactionScenario {
 public:
  explicit TransactionScenario(uint32_t seed)
      : random_(seed),
        h_({.check_back = {.first_check_ms = absl::ToInt64Milliseconds(kFirstCheck),
                           .interval_ms = absl::ToInt64Milliseconds(kInterval),
                           .max_checks = kMaxChecks}}) {
    producer_ = h_.AddProducer("p1");
  }

  void Step() {
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2:
        Begin();
        break;
      case 3:
      case 4:
      case 5:
        EndOne(Pick(2) == 0);
        break;
      case 6:
        Pass(absl::Milliseconds(Pick(20000)));
        break;
      case 7:
        AnswerChecks();
        break;
      case 8:
        h_.store().SetHot(Pick(2) == 0, Pick(2) == 0);
        break;
      case 9:
        if (Pick(4) == 0) Restart();
        break;
      case 10:
        ComeOrGo();
        break;
      case 11:
        Trim();
        break;
    }
  }

  // Every transaction stands where its fate says, once, and nowhere else.
  void Finish() {
    if (producer_ == nullptr) ComeOrGo();
    Pass(absl::Minutes(5));
    h_.store().SetHot(true, true);
    std::map<std::string, int> visible;
    for (const std::string& id : h_.Ids(kTopic)) ++visible[id];
    for (const std::string& id : h_.Ids(kExpiredTopic)) EXPECT_EQ(++expired_twice_[id], 1) << id;
    for (const auto& [id, transaction] : transactions_) {
      EXPECT_NE(transaction.fate, Fate::kPending) << transaction.message_id;
      EXPECT_EQ(visible[transaction.message_id], transaction.fate == Fate::kCommitted ? 1 : 0)
          << transaction.message_id;
      EXPECT_EQ(h_.End(id, v2::COMMIT).code() == v2::OK, transaction.fate == Fate::kCommitted);
      EXPECT_EQ(h_.End(id, v2::ROLLBACK).code() == v2::OK, transaction.fate == Fate::kRolledBack);
    }
  }

 private:
  int Pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void Begin() {
    const std::string message = std::to_string(transactions_.size());
    const std::string id = h_.SendHalf(message);
    const Modelled begun{.message_id = message, .next_check = h_.clock.WallNow() + kFirstCheck};
    ASSERT_TRUE(transactions_.try_emplace(id, begun).second);
    ids_.push_back(id);
  }

  void EndOne(bool commit) {
    if (!ids_.empty()) End(ids_[static_cast<size_t>(Pick(static_cast<int>(ids_.size())))], commit);
  }

  void End(const std::string& id, bool commit) {
    Modelled& transaction = transactions_.at(id);
    const Fate wanted = commit ? Fate::kCommitted : Fate::kRolledBack;
    const auto code = h_.End(id, commit ? v2::COMMIT : v2::ROLLBACK).code();
    if (transaction.fate == Fate::kPending) {
      EXPECT_EQ(code, v2::OK);
      transaction.fate = wanted;
    } else {
      EXPECT_EQ(code, transaction.fate == wanted ? v2::OK : v2::INVALID_TRANSACTION_ID);
    }
  }

  // What the broker gave up counts as rolled back.
  void SeeExpired() {
    v1::ListTransactionsRequest request;
    request.set_state(v1::TRANSACTION_STATE_EXPIRED);
    request.set_limit(1000);
    const auto response = h_.Call<v1::ListTransactionsResponse>("ListTransactions", request);
    for (const auto& info : response.transactions()) {
      Modelled& transaction = transactions_.at(info.transaction_id());
      EXPECT_NE(transaction.fate, Fate::kCommitted) << transaction.message_id;
      EXPECT_EQ(info.checks(), kMaxChecks);
      EXPECT_EQ(transaction.checks, kMaxChecks) << transaction.message_id;
      EXPECT_GE(h_.clock.WallNow(), transaction.next_check) << transaction.message_id;
      transaction.fate = Fate::kRolledBack;
    }
  }

  // In steps, so that each check is seen at its time.
  void Pass(absl::Duration time) {
    for (; time > absl::ZeroDuration(); time -= absl::Seconds(1)) {
      h_.Advance(std::min(time, absl::Seconds(1)));
      SeeChecks();
      SeeExpired();
    }
  }

  void Restart() {
    h_.Restart(Pick(2) == 0);
    if (producer_ != nullptr) producer_ = h_.AddProducer("p1");
    seen_checks_ = 0;
  }

  // Without a producer nobody is asked.
  void ComeOrGo() {
    if (producer_ == nullptr) {
      producer_ = h_.AddProducer("p1");
      seen_checks_ = 0;
    } else if (Pick(3) == 0) {
      h_.life().clients.Terminate("p1");
      producer_ = nullptr;
    }
  }

  // Retention reaches the halves: what is pending is carried.
  void Trim() {
    const store::QueueKey queue{h_.life().metadata.FindTopic(kHalfTopic)->id, 0};
    const store::QueueRange range = h_.store().Range(queue);
    const auto steps = static_cast<int>(range.next - range.min) / 2 + 1;
    h_.store().CarryAndTrimQueue(queue, range.min + static_cast<uint64_t>(Pick(steps)));
  }

  void SeeChecks() {
    if (producer_ == nullptr) return;
    const auto checks = h_.Checks(producer_);
    for (; seen_checks_ < checks.size(); ++seen_checks_) {
      const auto& check = checks[seen_checks_];
      ASSERT_TRUE(transactions_.contains(check.transaction_id()));
      Modelled& transaction = transactions_.at(check.transaction_id());
      EXPECT_EQ(check.message().system_properties().message_id(), transaction.message_id);
      EXPECT_EQ(transaction.fate, Fate::kPending) << transaction.message_id;
      EXPECT_GE(h_.clock.WallNow(), transaction.next_check) << transaction.message_id;
      EXPECT_LE(++transaction.checks, kMaxChecks) << transaction.message_id;
      transaction.next_check = h_.clock.WallNow() + kInterval;
      unanswered_.push_back(check.transaction_id());
    }
  }

  // Of some; the others are unknown to their producer.
  void AnswerChecks() {
    for (const std::string& id : unanswered_) {
      if (Pick(3) == 0) End(id, Pick(2) == 0);
    }
    unanswered_.clear();
  }

  std::mt19937 random_;
  TransactionHarness h_;
  TransactionHarness::Stream producer_;
  size_t seen_checks_ = 0;
  std::vector<std::string> unanswered_;           // the checks, by transaction id
  std::map<std::string, Modelled> transactions_;  // by transaction id
  std::vector<std::string> ids_;
  std::map<std::string, int> expired_twice_;
};

TEST(TransactionModelTest, EachTransactionIsDecidedOnceAndForGood) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    TransactionScenario scenario(seed);
    for (int step = 0; step < 400; ++step) scenario.Step();
    scenario.Finish();
  }
}

}  // namespace
}  // namespace mansio::broker
