#include "tests/broker/crash/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "broker/consumption/records.h"
#include "broker/message/provenance.h"
#include "broker/message/stored_message.h"
#include "common/clock/clock.h"
#include "tests/broker/crash/broker_core.h"
#include "tests/store/crash/in_flight.h"

namespace mansio::broker {
namespace {

using rpc::testing::FakeBidiCall;
using rpc::testing::FakeServerStreamCall;
using rpc::testing::FakeUnaryCall;

constexpr int kSteps = 700;
constexpr int64_t kLongestDelayMs = 15000;

class Load {
 public:
  Load(store::World& world, const CrashScenario& scenario, uint64_t seed, History& history)
      : world_(world),
        scenario_(scenario),
        history_(history),
        random_(seed),
        files_(WorldFiles(&world)) {}

  absl::Status Run() {
    const int lives = 1 + static_cast<int>(Pick(3));
    for (int life = 0; life < lives; ++life) {
      if (absl::Status opened = Begin(); !opened.ok()) return opened;
      for (int step = 0; step < kSteps / lives; ++step) {
        if (absl::Status done = Step(); !done.ok()) return done;
      }
      if (absl::Status ended = core_->End(/*in_order=*/Pick(2) == 0); !ended.ok()) return ended;
    }
    return absl::OkStatus();
  }

 private:
  uint64_t Pick(uint64_t n) { return random_() % n; }

  absl::Status Begin() {
    core_ = std::make_unique<BrokerCore>(&clock_, scenario_.breakage);
    in_flight_.emplace();
    seeking_ = false;
    core_->state.on_applied = [this](const store::RecordView& record) { See(record); };
    absl::Status opened = core_->Open(SmallStore(scenario_.durability, /*retention=*/true),
                                      files_.get(), &checkpoint_, scenario_.checkpoint_before_sync);
    if (!opened.ok()) return opened;
    if (absl::Status made = core_->CreateTopicsAndGroups(); !made.ok()) return made;
    producer_ =
        std::make_shared<FakeBidiCall>(rpc::testing::Headers{{"x-mq-client-id", "producer"}});
    answered_checks_ = 0;
    absl::Status opened_stream = core_->clients.StreamOpened("producer", producer_);
    opened_stream.Update(core_->clients.Describe("producer", gateway::ClientRole::kProducer, "",
                                                 {kOrders}, "", "", ""));
    return opened_stream;
  }

  void SeeLeases(const store::RecordView& record) {
    const absl::StatusOr<LeaseRecord> lease = LeaseRecord::Decode(record.body);
    if (!lease.ok()) return;
    history_.With([&](Facts& facts) {
      for (const QueueOffsets& queue : lease->queues) {
        for (const store::QueueOffset offset : queue.offsets) {
          const std::string& id = facts.queues.at({lease->topic, queue.queue}).at(offset).id;
          facts.deliveries[id].leased = std::min(facts.deliveries[id].leased, world_.Happened());
        }
      }
    });
  }

  // Every message that has come to stand in a queue, once.
  void See(const store::RecordView& record) {
    if (record.kind == kLeaseRecord) return SeeLeases(record);
    if (record.message == nullptr) return;
    const auto content = DecodeContent(record.message->content);
    if (!content.ok()) return;
    Stored stored{.id = std::string(MessageIdOf(*content)),
                  .stored_ms = record.message->store_time,
                  .applied = world_.Happened()};
    if (const auto p = Provenance::Decode(content->provenance); p.ok()) {
      stored.attempts = p->attempts;
    }
    const store::QueueKey queue = record.message->queue;
    const store::QueueOffset offset = record.message->queue_offset;
    history_.With([&](Facts& facts) {
      std::vector<Stored>& standing = facts.queues[queue];
      if (offset == standing.size()) {
        standing.push_back(std::move(stored));
      } else if (offset > standing.size() || standing[offset].id != stored.id) {
        facts.problems.push_back(fmt::format("offset {} of queue {} of topic {} is {} after {}",
                                             offset, queue.queue, queue.topic, stored.id,
                                             standing.size()));
      }
    });
  }

  absl::Status Step() {
    const uint64_t dice = Pick(100);
    if (dice < 2) return core_->store->Checkpoint();
    if (dice < 4) return core_->store->EnforceRetention();
    world_.Synced(core_->store->cursors().synced);
    if (absl::Status followed = Follow(); !followed.ok()) return followed;
    NoteMinima();
    if (dice < 16)
      SendHalf();
    else if (dice < 28)
      EndSome();
    else if (dice < 42)
      SendDelayed();
    else if (dice < 49)
      Recall();
    else if (dice < 58)
      SendPlain();
    else if (dice < 67)
      Receive();
    else if (dice < 79)
      AckOrForward();
    else if (dice < 82)
      Change();
    else if (dice < 85)
      Seek();
    else if (dice < 90)
      AnswerChecks();
    else
      Pass(absl::Milliseconds(dice == 99 ? Pick(15000) : Pick(1200)));
    return absl::OkStatus();
  }

  void NoteMinima() {
    history_.With([&](Facts& facts) {
      auto& [at, minima] = facts.minima.emplace_back();
      for (const auto& [queue, standing] : facts.queues) {
        minima[queue] = core_->store->Range(queue).min;
      }
      at = world_.Happened();
    });
  }

  // Waits until few calls are under way; some need a timer to go on.
  absl::Status Follow() {
    core_->timers.RunDue();
    const auto most = static_cast<int>(Pick(12));
    for (int turn = 0; in_flight_->count() > most; ++turn) {
      if (turn == 1000) return absl::DeadlineExceededError("a call is not answered");
      core_->Settle();
    }
    return absl::OkStatus();
  }

  void Pass(absl::Duration time) {
    clock_.Advance(time);
    history_.With(
        [&](Facts& facts) { facts.wall.emplace_back(world_.Happened(), clock_.WallNow()); });
    (void)core_->clients.Touch("producer");
    core_->timers.RunDue();
  }

  // --- Calls. Each is noted before it is made, and when it is answered.

  template <typename Response>
  void Call(std::string_view method, const google::protobuf::MessageLite& request,
            std::function<void(Facts&, const Response&, Moment)> told,
            const std::string& client = "client") {
    in_flight_->Enter();
    core_->Start(method, request, client,
                 [this, told = std::move(told)](const FakeUnaryCall& call) {
                   const auto response = call.Response<Response>();
                   history_.With([&](Facts& facts) { told(facts, response, world_.Happened()); });
                   in_flight_->Leave();
                 });
  }

  v2::Message NewMessage(const char* topic, v2::MessageType type) {
    v2::Message message;
    message.mutable_topic()->set_name(topic);
    message.set_body(std::string(Pick(8) == 0 ? Pick(9000) : Pick(1500), '.'));
    message.mutable_system_properties()->set_message_id(fmt::format("{}-{}", topic, sent_++));
    message.mutable_system_properties()->set_message_type(type);
    return message;
  }

  void Send(const v2::Message& message,
            std::function<void(Facts&, const v2::SendResultEntry&, Moment)> told,
            const std::string& client = "client") {
    v2::SendMessageRequest request;
    *request.add_messages() = message;
    Call<v2::SendMessageResponse>(
        "SendMessage", request,
        [told = std::move(told)](Facts& facts, const v2::SendMessageResponse& response,
                                 Moment now) {
          if (response.status().code() == v2::OK) told(facts, response.entries(0), now);
        },
        client);
  }

  void SendPlain() {
    Send(NewMessage(kPlain, v2::NORMAL), [](Facts&, const v2::SendResultEntry&, Moment) {});
  }

  void SendHalf() {
    const v2::Message message = NewMessage(kOrders, v2::TRANSACTION);
    const std::string& id = message.system_properties().message_id();
    Send(
        message,
        [id](Facts& facts, const v2::SendResultEntry& entry, Moment now) {
          TransactionFacts& transaction = facts.transactions[id];
          transaction.id = entry.transaction_id();
          transaction.told = std::min(transaction.told, now);
        },
        "producer");
  }

  // Mostly one of the newest, which are pending.
  void EndSome() {
    const std::string id = history_.With([&](const Facts& facts) {
      if (facts.transactions.empty()) return std::string();
      auto chosen = facts.transactions.begin();
      std::advance(chosen, static_cast<ptrdiff_t>(Pick(facts.transactions.size())));
      return chosen->first;
    });
    if (!id.empty()) End(id, Pick(3) != 0);
  }

  void End(const std::string& id, bool commit) {
    v2::EndTransactionRequest request;
    request.mutable_topic()->set_name(kOrders);
    request.set_resolution(commit ? v2::COMMIT : v2::ROLLBACK);
    history_.With([&](Facts& facts) {
      TransactionFacts& transaction = facts.transactions.at(id);
      request.set_transaction_id(transaction.id);
      Moment& tried = commit ? transaction.commit_tried : transaction.rollback_tried;
      tried = std::min(tried, world_.Happened());
    });
    Call<v2::EndTransactionResponse>(
        "EndTransaction", request,
        [id, commit](Facts& facts, const v2::EndTransactionResponse& response, Moment now) {
          if (response.status().code() != v2::OK) return;
          TransactionFacts& transaction = facts.transactions.at(id);
          Moment& ended = commit ? transaction.committed : transaction.rolled_back;
          ended = std::min(ended, now);
          if (transaction.committed != kNever && transaction.rolled_back != kNever) {
            facts.problems.push_back(fmt::format("{} was ended both ways", id));
          }
        });
  }

  // A producer that often does not know.
  void AnswerChecks() {
    const auto commands = producer_->Written<v2::TelemetryCommand>();
    for (; answered_checks_ < commands.size(); ++answered_checks_) {
      const auto& check = commands[answered_checks_].recover_orphaned_transaction_command();
      const std::string& id = check.message().system_properties().message_id();
      history_.With([&](Facts& facts) {
        // Perhaps asked before the send was answered: the producer knows it now, too.
        TransactionFacts& transaction = facts.transactions[id];
        transaction.id = check.transaction_id();
        transaction.told = std::min(transaction.told, world_.Happened());
      });
      if (Pick(3) == 0) End(id, Pick(2) == 0);
    }
  }

  void SendDelayed() {
    const bool exact = Pick(4) != 0;
    v2::Message message = NewMessage(exact ? kLater : kPlain, exact ? v2::DELAY : v2::NORMAL);
    const std::string& id = message.system_properties().message_id();
    const int64_t now_ms = core_->time.NowMillis();
    TimerFacts timer{.topic = message.topic().name()};
    if (exact) {
      timer.due_ms = now_ms + static_cast<int64_t>(Pick(Pick(2) == 0 ? 1000 : kLongestDelayMs));
      auto* due = message.mutable_system_properties()->mutable_delivery_timestamp();
      due->set_seconds(timer.due_ms / 1000);
      due->set_nanos(static_cast<int32_t>(timer.due_ms % 1000 * 1'000'000));
    } else {
      timer.due_ms = now_ms + 1000;
      (*message.mutable_user_properties())["DELAY"] = "1";
    }
    history_.With([&](Facts& facts) { facts.timers[id] = timer; });
    Send(message, [id](Facts& facts, const v2::SendResultEntry& entry, Moment now) {
      facts.timers[id].handle = entry.recall_handle();
      facts.timers[id].told = now;
    });
  }

  void Recall() {
    v2::RecallMessageRequest request;
    request.mutable_topic()->set_name(kLater);
    const std::string id = history_.With([&](Facts& facts) {
      if (facts.timers.empty()) return std::string();
      auto chosen = facts.timers.begin();
      std::advance(chosen, static_cast<ptrdiff_t>(Pick(facts.timers.size())));
      if (chosen->second.handle.empty()) return std::string();
      request.set_recall_handle(chosen->second.handle);
      chosen->second.recall_tried = std::min(chosen->second.recall_tried, world_.Happened());
      return chosen->first;
    });
    if (id.empty()) return;
    Call<v2::RecallMessageResponse>(
        "RecallMessage", request,
        [id](Facts& facts, const v2::RecallMessageResponse& response, Moment now) {
          TimerFacts& timer = facts.timers.at(id);
          if (response.status().code() == v2::OK) timer.recalled = std::min(timer.recalled, now);
        });
  }

  void Receive() {
    const std::string topic = kUserTopics[Pick(3)];
    core_->StartReceive(
        topic, static_cast<int>(1 + Pick(8)), absl::Seconds(10 + Pick(5)),
        [this, topic](const FakeServerStreamCall& call) {
          history_.With([&](Facts& facts) {
            for (const v2::Message& message : MessagesOf(call)) {
              const v2::SystemProperties& system = message.system_properties();
              DeliveryFacts& delivery = facts.deliveries[system.message_id()];
              if (delivery.acked != kNever) {
                facts.problems.push_back(system.message_id() + " comes again after its ack");
              }
              delivery.topic = topic;
              delivery.handle = system.receipt_handle();
              delivery.told = std::min(delivery.told, world_.Happened());
            }
          });
        });
  }

  // The id of a message that is leased, as far as its consumer knows; "" when there is none.
  std::string ChooseLeased() {
    return history_.With([&](const Facts& facts) {
      std::vector<std::string> leased;
      for (const auto& [id, delivery] : facts.deliveries) {
        if (delivery.told != kNever && delivery.acked == kNever) leased.push_back(id);
      }
      return leased.empty() ? std::string() : leased[Pick(leased.size())];
    });
  }

  void AckOrForward() {
    const std::string id = ChooseLeased();
    if (id.empty()) return;
    if (Pick(6) == 0) return Forward(id);
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(kWorkers);
    history_.With([&](Facts& facts) {
      DeliveryFacts& delivery = facts.deliveries.at(id);
      request.mutable_topic()->set_name(delivery.topic);
      request.add_entries()->set_receipt_handle(delivery.handle);
      delivery.ack_tried = std::min(delivery.ack_tried, world_.Happened());
    });
    Call<v2::AckMessageResponse>(
        "AckMessage", request,
        [id](Facts& facts, const v2::AckMessageResponse& response, Moment now) {
          if (response.entries_size() == 1 && response.entries(0).status().code() == v2::OK) {
            facts.deliveries.at(id).acked = now;
          }
        },
        "worker");
  }

  void Forward(const std::string& id) {
    v2::ForwardMessageToDeadLetterQueueRequest request;
    request.mutable_group()->set_name(kWorkers);
    history_.With([&](Facts& facts) {
      DeliveryFacts& delivery = facts.deliveries.at(id);
      request.mutable_topic()->set_name(delivery.topic);
      request.set_receipt_handle(delivery.handle);
      delivery.forward_tried = std::min(delivery.forward_tried, world_.Happened());
    });
    // OK may also mean that the lease had ended, so it is no promise.
    Call<v2::ForwardMessageToDeadLetterQueueResponse>(
        "ForwardMessageToDeadLetterQueue", request,
        [](Facts&, const v2::ForwardMessageToDeadLetterQueueResponse&, Moment) {}, "worker");
  }

  void Change() {
    const std::string id = ChooseLeased();
    if (id.empty()) return;
    v2::ChangeInvisibleDurationRequest request;
    request.mutable_group()->set_name(kWorkers);
    request.mutable_invisible_duration()->set_seconds(static_cast<int64_t>(10 + Pick(10)));
    history_.With([&](Facts& facts) {
      request.mutable_topic()->set_name(facts.deliveries.at(id).topic);
      request.set_receipt_handle(facts.deliveries.at(id).handle);
    });
    Call<v2::ChangeInvisibleDurationResponse>(
        "ChangeInvisibleDuration", request,
        [id](Facts& facts, const v2::ChangeInvisibleDurationResponse& response, Moment) {
          if (response.status().code() == v2::OK) {
            facts.deliveries.at(id).handle = response.receipt_handle();
          }
        },
        "worker");
  }

  // One after the other, so that their order is known.
  void Seek() {
    if (seeking_.exchange(true)) return;
    const store::QueueRange range = core_->store->Range({core_->metadata.FindTopic(kPlain)->id, 0});
    v2::UpdateOffsetRequest request;
    request.mutable_group()->set_name(kSeeker);
    request.mutable_message_queue()->mutable_topic()->set_name(kPlain);
    request.set_offset(static_cast<int64_t>(range.min + Pick(range.next - range.min + 1)));
    history_.With([&](Facts& facts) {
      facts.seeks.push_back({static_cast<uint64_t>(request.offset()), world_.Happened(), kNever});
    });
    Call<v2::UpdateOffsetResponse>(
        "UpdateOffset", request,
        [this](Facts& facts, const v2::UpdateOffsetResponse& response, Moment now) {
          if (response.status().code() == v2::OK) facts.seeks.back().told = now;
          seeking_ = false;
        });
  }

  store::World& world_;
  const CrashScenario scenario_;
  History& history_;
  std::mt19937_64 random_;
  const std::unique_ptr<FileSystem> files_;
  store::WorldCheckpoint checkpoint_{&world_};
  FakeClock clock_;
  std::optional<store::InFlight> in_flight_;  // unary calls of this life
  std::atomic<bool> seeking_{false};
  uint64_t sent_ = 0;
  std::shared_ptr<FakeBidiCall> producer_;
  size_t answered_checks_ = 0;
  std::unique_ptr<BrokerCore> core_;
};

}  // namespace

absl::Status RunBrokerLoad(store::World& world, const CrashScenario& scenario, uint64_t seed,
                           History& history) {
  return Load(world, scenario, seed, history).Run();
}

}  // namespace mansio::broker
