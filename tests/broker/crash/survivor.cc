#include "tests/broker/crash/survivor.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "broker/message/provenance.h"
#include "broker/message/stored_message.h"
#include "common/clock/clock.h"
#include "tests/broker/crash/broker_core.h"

namespace mansio::broker {
namespace {

constexpr char kDeadLetters[] = "%DLQ%workers";
constexpr char kRetries[] = "%RETRY%workers";

// A message where it stands; below its queue's minimum, where it stood.
struct Standing {
  store::QueueKey queue;
  store::QueueOffset offset = 0;
  bool readable = false;
  Stored stored;
};

// What is to become of a message.
enum class Fate { kUnknown, kVisible, kGone };

class Survivor {
 public:
  Survivor(const CrashScenario& scenario, const Facts& facts, store::Image& image,
           CrashFindings& findings)
      : scenario_(scenario),
        facts_(facts),
        image_(image),
        findings_(findings),
        random_(image.seed),
        must_survive_(scenario.claimed == store::Durability::kSync),
        clock_(WallAt(facts, image.moments)) {
    checkpoint_.SetContent(image.checkpoint);
  }

  void Run() {
    ++findings_.points;
    if (image_.seed % 4 == 0) CrashDuringRecovery();
    if (image_.seed % 8 == 1) LoseCheckpoint();
    const size_t problems = findings_.problems.size();
    if (image_.seed / 16 % 2 == 0 && !FinishRetention()) return;
    if (!Open(/*retention=*/false)) return;
    if (core_->store->recovered().report.first > 0) ++findings_.trimmed;
    CheckQueues();
    CheckPosition();
    if (!core_->CreateTopicsAndGroups().ok()) return Problem("topics and groups cannot be made");
    CheckTransactions();
    CheckTimers();
    FireAll();
    CheckFates();
    Consume();
    if (findings_.problems.size() == problems) CheckSecondStart();
  }

 private:
  static absl::Time WallAt(const Facts& facts, Moment moment) {
    absl::Time wall = FakeClock().WallNow();
    for (const auto& [at, time] : facts.wall) {
      if (at <= moment) wall = time;
    }
    return wall;
  }

  bool Known(Moment moment) const { return moment <= image_.moments; }
  uint64_t Pick(uint64_t n) { return random_() % n; }

  void Problem(const std::string& what) {
    findings_.problems.push_back(
        fmt::format("crash {} (seed {}): {}", image_.description, image_.seed, what));
  }

  // --- Recovery

  // Retention only where it is asked for: what is checked later must stay where it is.
  bool Open(bool retention) {
    core_ = std::make_unique<BrokerCore>(&clock_, scenario_.breakage);
    const absl::Status opened =
        core_->Open(SmallStore(scenario_.durability, retention), image_.files.get(), &checkpoint_);
    if (opened.ok()) return true;
    Problem("the broker does not start: " + std::string(opened.message()));
    return false;
  }

  void CrashDuringRecovery() {
    ++findings_.recovery_crashes;
    image_.files->PowerOffAt(image_.files->operations() + image_.seed / 4 % 20);
    core_ = std::make_unique<BrokerCore>(&clock_, scenario_.breakage);
    // It may come up before the power goes; then the log stops a little later.
    (void)core_->Open(SmallStore(scenario_.durability, true), image_.files.get(), &checkpoint_);
    core_.reset();
    image_.files->Crash(scenario_.mode, image_.seed);
  }

  // The log alone must do, also when retention has taken its beginning.
  void LoseCheckpoint() {
    ++findings_.lost_checkpoints;
    checkpoint_.SetContent(std::make_shared<store::MemoryStore::Content>());
  }

  // A trim that the crash has stopped anywhere goes on.
  bool FinishRetention() {
    if (!Open(/*retention=*/true)) return false;
    if (absl::Status enforced = core_->store->EnforceRetention(); !enforced.ok()) {
      Problem("retention fails: " + std::string(enforced.message()));
    }
    return core_->End(/*in_order=*/Pick(2) == 0).ok();
  }

  // What the survivor is must not depend on how often it starts.
  void CheckSecondStart() {
    (void)core_->End(/*in_order=*/Pick(2) == 0);
    const auto before = core_->State();
    if (!Open(/*retention=*/false)) return;
    (void)core_->End(/*in_order=*/false);
    const auto after = core_->State();
    if (before == after) return;
    const auto [one, other] =
        std::mismatch(before.begin(), before.end(), after.begin(), after.end());
    const auto& first = one != before.end() ? *one : *other;
    Problem("a second start has another state, from key " + absl::CHexEscape(first.first));
  }

  // --- What stands where

  std::vector<Standing> List(std::string_view topic_name) {
    std::vector<Standing> listed;
    const TopicPtr topic = core_->metadata.FindTopic(topic_name);
    if (topic == nullptr) return listed;
    for (uint32_t index = 0; index < topic->queues; ++index) ListQueue({topic->id, index}, listed);
    return listed;
  }

  void ListQueue(store::QueueKey queue, std::vector<Standing>& listed) {
    const store::QueueRange range = core_->store->Range(queue);
    const auto known = facts_.queues.find(queue);
    for (store::QueueOffset offset = 0; offset < range.min; ++offset) {
      if (known == facts_.queues.end() || offset >= known->second.size()) break;
      listed.push_back({queue, offset, false, known->second[offset]});
    }
    const auto entries = core_->store->ReadEntries(queue, range.min, range.next - range.min);
    if (!entries.ok())
      return Problem("a queue is unreadable: " + std::string(entries.status().message()));
    for (size_t i = 0; i < entries->size(); ++i) {
      const auto message = core_->store->ReadMessage(queue, range.min + i, (*entries)[i]);
      const auto content = message.ok() ? DecodeContent(message->view.content) : message.status();
      if (!content.ok()) {
        return Problem("a message is unreadable: " + std::string(content.status().message()));
      }
      Stored stored{.id = std::string(MessageIdOf(*content)),
                    .stored_ms = message->view.store_time};
      if (const auto p = Provenance::Decode(content->provenance); p.ok()) {
        stored.attempts = p->attempts;
      }
      listed.push_back({queue, range.min + i, true, std::move(stored)});
    }
  }

  // How often each message stands in a topic. Never more than once; a retry once for each attempt.
  std::map<std::string, int> Count(std::string_view topic) {
    std::map<std::string, int> count;
    std::set<std::pair<std::string, uint32_t>> copies;
    for (const Standing& standing : List(topic)) {
      const uint32_t attempts = topic == kRetries ? standing.stored.attempts : 0;
      if (!copies.emplace(standing.stored.id, attempts).second) {
        Problem(fmt::format("{} stands twice in {}", standing.stored.id, topic));
      }
      ++count[standing.stored.id];
      const auto timer = facts_.timers.find(standing.stored.id);
      if (timer != facts_.timers.end() && topic == timer->second.topic &&
          standing.stored.stored_ms < timer->second.due_ms) {
        Problem(fmt::format("{} is {} ms early", standing.stored.id,
                            timer->second.due_ms - standing.stored.stored_ms));
      }
    }
    return count;
  }

  // What had been applied, so that somebody may have read it, stands where it stood.
  void CheckQueues() {
    for (const auto& [queue, standing] : facts_.queues) {
      const store::QueueRange range = core_->store->Range(queue);
      std::vector<Standing> now;
      ListQueue(queue, now);
      for (store::QueueOffset offset = 0; offset < standing.size() && must_survive_; ++offset) {
        if (!Known(standing[offset].applied)) break;
        if (offset >= range.next) {
          return Problem(fmt::format("{} is lost: queue {} of topic {} ends at {}",
                                     standing[offset].id, queue.queue, queue.topic, range.next));
        }
        if (offset >= now.size() || now[offset].stored.id != standing[offset].id) {
          return Problem(fmt::format("{} was overwritten", standing[offset].id));
        }
      }
    }
    for (const char* topic : {kRetries, kDeadLetters}) (void)Count(topic);
  }

  void CheckPosition() {
    if (!must_survive_) return;
    std::set<store::QueueOffset> possible;
    for (const SeekFacts& seek : facts_.seeks) {
      if (Known(seek.told)) possible.clear();
      if (Known(seek.tried)) possible.insert(seek.offset);
    }
    const bool was_told = std::any_of(facts_.seeks.begin(), facts_.seeks.end(),
                                      [&](const SeekFacts& seek) { return Known(seek.told); });
    if (!was_told) return;
    v2::GetOffsetRequest request;
    request.mutable_group()->set_name(kSeeker);
    request.mutable_message_queue()->mutable_topic()->set_name(kPlain);
    const auto response = core_->Call<v2::GetOffsetResponse>("GetOffset", request);
    if (response.status().code() != v2::OK ||
        !possible.contains(static_cast<uint64_t>(response.offset()))) {
      Problem(fmt::format("the position that was set is lost: it is {} {}", response.offset(),
                          response.status().message()));
    }
  }

  // --- Transactions

  bool End(const TransactionFacts& transaction, bool commit) {
    v2::EndTransactionRequest request;
    request.mutable_topic()->set_name(kOrders);
    request.set_transaction_id(transaction.id);
    request.set_resolution(commit ? v2::COMMIT : v2::ROLLBACK);
    const auto code =
        core_->Call<v2::EndTransactionResponse>("EndTransaction", request).status().code();
    if (code != v2::OK && code != v2::INVALID_TRANSACTION_ID) {
      Problem(fmt::format("an end is answered with {}", v2::Code_Name(code)));
    }
    return code == v2::OK;
  }

  void CheckTransactions() {
    auto visible = Count(kOrders);
    auto expired = Count(kExpiredTopic);
    for (const auto& [id, transaction] : facts_.transactions) {
      if (visible[id] + expired[id] > 1) Problem(id + " was committed, and has expired");
      if (visible[id] > 0 && !Known(transaction.commit_tried)) Problem(id + " was never committed");
      if (!Known(transaction.told)) continue;
      const Fate fate = visible[id] > 0                  ? Fate::kVisible
                        : expired[id] > 0                ? Fate::kGone
                        : !must_survive_                 ? Fate::kUnknown
                        : Known(transaction.committed)   ? Fate::kVisible
                        : Known(transaction.rolled_back) ? Fate::kGone
                                                         : Fate::kUnknown;
      fates_[id] = fate == Fate::kUnknown ? Decide(id, transaction) : fate;
      if (fate != Fate::kUnknown) CheckDecided(id, transaction, fate, visible[id] > 0);
    }
  }

  void CheckDecided(const std::string& id, const TransactionFacts& transaction, Fate fate,
                    bool visible) {
    ++findings_.ended_transactions;
    if (visible != (fate == Fate::kVisible)) return Problem("the end of " + id + " is lost");
    if (must_survive_ && visible && Known(transaction.rolled_back)) {
      Problem(id + " was rolled back, and is visible");
    }
    if (End(transaction, fate != Fate::kVisible)) Problem(id + " can be ended the other way");
    if (!End(transaction, fate == Fate::kVisible)) Problem("the end of " + id + " is forgotten");
  }

  // One that may be pending: ends it.
  Fate Decide(const std::string& id, const TransactionFacts& transaction) {
    const bool commit = Pick(2) == 0;
    const bool other_tried = Known(commit ? transaction.rollback_tried : transaction.commit_tried);
    if (End(transaction, commit)) {
      ++findings_.pending_transactions;
      return commit ? Fate::kVisible : Fate::kGone;
    }
    if (!must_survive_) return Fate::kUnknown;
    if (!other_tried || !End(transaction, !commit)) {
      Problem("the half " + id + " is lost");
      return Fate::kUnknown;
    }
    return commit ? Fate::kGone : Fate::kVisible;
  }

  // --- Timers

  bool Recall(const TimerFacts& timer) {
    v2::RecallMessageRequest request;
    request.mutable_topic()->set_name(timer.topic);
    request.set_recall_handle(timer.handle);
    const auto code =
        core_->Call<v2::RecallMessageResponse>("RecallMessage", request).status().code();
    // With `async` the key of the handles may be lost as well.
    if (code != v2::OK && code != v2::NOT_FOUND && must_survive_) {
      Problem(fmt::format("a recall is answered with {}", v2::Code_Name(code)));
    }
    return code == v2::OK;
  }

  void CheckTimers() {
    auto visible = Count(kLater);
    visible.merge(Count(kPlain));
    for (const auto& [id, timer] : facts_.timers) {
      if (!Known(timer.told)) continue;
      const bool can_recall = !timer.handle.empty();
      if (must_survive_ && Known(timer.recalled)) {
        ++findings_.recalled_timers;
        fates_[id] = Fate::kGone;
        if (visible.contains(id)) Problem(id + " was recalled, and is delivered");
        if (!Recall(timer)) Problem("the recall of " + id + " is lost");
      } else if (visible.contains(id)) {
        fates_[id] = Fate::kVisible;
        if (can_recall && Recall(timer)) Problem(id + " is delivered, and can be recalled");
      } else if (can_recall && (Known(timer.recall_tried) || Pick(2) == 0)) {
        if (Recall(timer)) {
          fates_[id] = Fate::kGone;
        } else if (must_survive_) {
          Problem("the timer of " + id + " is lost");
        }
      } else if (must_survive_) {
        ++findings_.pending_timers;
        fates_[id] = Fate::kVisible;
      }
    }
  }

  // Lets everything become due.
  void FireAll() {
    for (int second = 0; core_->delay.state().pending() > 0; ++second) {
      if (second == 60) return Problem("timers stay pending");
      clock_.Advance(absl::Seconds(1));
      core_->Settle();
    }
  }

  void CheckFates() {
    auto visible = Count(kOrders);
    for (const char* topic : {kLater, kPlain}) visible.merge(Count(topic));
    (void)Count(kExpiredTopic);
    for (const auto& [id, fate] : fates_) {
      if (fate == Fate::kVisible && !visible.contains(id)) Problem(id + " is lost");
      if (fate == Fate::kGone && visible.contains(id)) Problem(id + " should not be visible");
    }
  }

  // --- Consumption

  // Everything that nobody has acknowledged comes, or is a dead letter; what was acknowledged does
  // not come again.
  void Consume() {
    std::set<std::string> wanted;
    for (const char* topic : kUserTopics) {
      for (const Standing& standing : List(topic)) {
        if (standing.readable && !IsGoing(standing)) wanted.insert(standing.stored.id);
      }
    }
    for (const auto& [id, delivery] : facts_.deliveries) {
      if (!Known(delivery.told) || !Known(delivery.leased)) continue;
      const bool open = !Known(delivery.ack_tried) && !Known(delivery.forward_tried);
      if (open && must_survive_ && wanted.insert(id).second) ++findings_.open_leases;
    }
    // What was on its way to its end, or waited for its redelivery when its segment went.
    std::set<std::string> excused;
    for (const auto& [id, delivery] : facts_.deliveries) {
      if (Known(delivery.ack_tried) || Known(delivery.forward_tried)) excused.insert(id);
    }
    for (const Standing& standing : List(kRetries)) {
      if (!standing.readable || IsGoing(standing)) excused.insert(standing.stored.id);
    }
    for (const std::string& id : excused) wanted.erase(id);

    const std::set<std::string> consumed = Drain(wanted);
    for (const auto& [id, delivery] : facts_.deliveries) {
      if (!must_survive_ || !Known(delivery.acked)) continue;
      ++findings_.acked;
      if (consumed.contains(id)) Problem(id + " comes again although its ack was answered");
    }
    const auto letters = Count(kDeadLetters);
    for (const std::string& id : wanted) {
      if (!consumed.contains(id) && !letters.contains(id)) {
        Problem(fmt::format("{} never comes; {}", id, Whereabouts(id)));
      }
    }
  }

  // Retention was about to take it: then groups go on behind it, also when the power went before
  // that was durable.
  bool IsGoing(const Standing& standing) const {
    store::QueueOffset min = 0;
    for (const auto& [at, minima] : facts_.minima) {
      const auto found = minima.find(standing.queue);
      if (found != minima.end()) min = found->second;
      if (!Known(at)) break;
    }
    return standing.offset < min;
  }

  // Where a message stands, and how far its group is there.
  std::string Whereabouts(const std::string& id) {
    std::string text;
    for (const char* topic : {kOrders, kLater, kPlain, kRetries, kDeadLetters}) {
      for (const Standing& standing : List(topic)) {
        if (standing.stored.id != id) continue;
        text += fmt::format("it stands at {} of queue {} of {} [{}, {})", standing.offset,
                            standing.queue.queue, topic, core_->store->Range(standing.queue).min,
                            core_->store->Range(standing.queue).next);
        for (const QueueConsumption& queue :
             core_->consumption->Describe(*core_->metadata.FindGroup(kWorkers))) {
          if (queue.topic != topic || queue.queue != standing.queue.queue) continue;
          text += fmt::format(" (cursor {}, leased {}, ready {})", queue.cursor, queue.leased,
                              queue.ready);
        }
        text += "; ";
      }
    }
    const auto delivery = facts_.deliveries.find(id);
    if (delivery != facts_.deliveries.end() && Known(delivery->second.told)) text += "handed out";
    return text;
  }

  std::set<std::string> Drain(const std::set<std::string>& wanted) {
    std::set<std::string> consumed;
    const auto complete = [&] {
      return std::includes(consumed.begin(), consumed.end(), wanted.begin(), wanted.end());
    };
    for (int round = 0; round < 12; ++round) {
      for (const char* topic : kUserTopics) {
        for (auto batch = core_->Receive(topic, 32); !batch.empty();
             batch = core_->Receive(topic, 32)) {
          Acknowledge(topic, batch, consumed);
        }
      }
      if (round >= 3 && complete()) break;
      clock_.Advance(absl::Seconds(31));  // leases lapse
      core_->Settle();
    }
    return consumed;
  }

  void Acknowledge(const char* topic, const std::vector<v2::Message>& batch,
                   std::set<std::string>& consumed) {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(kWorkers);
    request.mutable_topic()->set_name(topic);
    for (const v2::Message& message : batch) {
      const std::string& id = message.system_properties().message_id();
      if (!consumed.insert(id).second) Problem(id + " comes twice");
      request.add_entries()->set_receipt_handle(message.system_properties().receipt_handle());
    }
    const auto response = core_->Call<v2::AckMessageResponse>("AckMessage", request);
    if (response.status().code() != v2::OK) {
      Problem("an ack fails: " + response.status().message());
    }
  }

  const CrashScenario& scenario_;
  const Facts& facts_;
  store::Image& image_;
  CrashFindings& findings_;
  std::mt19937_64 random_;
  const bool must_survive_;
  store::MemoryStore checkpoint_;
  FakeClock clock_;
  std::map<std::string, Fate> fates_;
  std::unique_ptr<BrokerCore> core_;
};

}  // namespace

void CheckSurvivor(const CrashScenario& scenario, const Facts& facts, store::Image& image,
                   CrashFindings& findings) {
  Survivor(scenario, facts, image, findings).Run();
}

}  // namespace mansio::broker
