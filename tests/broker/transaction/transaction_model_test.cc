#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "broker/transaction/transaction_id.h"
#include "tests/broker/transaction/transaction_harness.h"

// Random halves, ends, checks, passing time and restarts, against a model of what each transaction
// may become: decided once, by the first end that was answered OK, and then for good.
namespace mansio::broker {
namespace {

enum class Fate { kPending, kCommitted, kRolledBack };

struct Modelled {
  std::string message_id;
  Fate fate = Fate::kPending;
};

class TransactionScenario {
 public:
  explicit TransactionScenario(uint32_t seed)
      : random_(seed),
        h_({.check_back = {.first_check_ms = 6000, .interval_ms = 30000, .max_checks = 3}}) {
    producer_ = h_.AddProducer("p1");
  }

  void Step() {
    switch (Pick(10)) {
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
        h_.Advance(absl::Milliseconds(Pick(20000)));
        SeeExpired();
        break;
      case 7:
        AnswerChecks();
        break;
      case 8:
        h_.store().SetHot(Pick(2) == 0, Pick(2) == 0);
        break;
      case 9:
        if (Pick(4) != 0) break;
        h_.Restart(Pick(2) == 0);
        producer_ = h_.AddProducer("p1");
        seen_checks_ = 0;
        break;
    }
  }

  // Every transaction stands where its fate says, once, and nowhere else.
  void Finish() {
    h_.Advance(absl::Minutes(5));
    SeeExpired();
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
    ASSERT_TRUE(transactions_.try_emplace(id, Modelled{message}).second);
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
      EXPECT_EQ(info.checks(), 3);
      transaction.fate = Fate::kRolledBack;
    }
  }

  void AnswerChecks() {
    const auto checks = h_.Checks(producer_);
    for (; seen_checks_ < checks.size(); ++seen_checks_) {
      const auto& check = checks[seen_checks_];
      ASSERT_TRUE(transactions_.contains(check.transaction_id()));
      EXPECT_EQ(check.message().system_properties().message_id(),
                transactions_.at(check.transaction_id()).message_id);
      if (Pick(3) == 0) End(check.transaction_id(), Pick(2) == 0);
    }
  }

  std::mt19937 random_;
  TransactionHarness h_;
  TransactionHarness::Stream producer_;
  size_t seen_checks_ = 0;
  std::map<std::string, Modelled> transactions_;  // by transaction id
  std::vector<std::string> ids_;
  std::map<std::string, int> expired_twice_;
};

TEST(TransactionModelTest, EachTransactionIsDecidedOnceAndForGood) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    TransactionScenario scenario(seed);
    for (int step = 0; step < 400; ++step) scenario.Step();
    scenario.Finish();
  }
}

}  // namespace
}  // namespace mansio::broker
