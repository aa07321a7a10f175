#include "tests/broker/crash/broker_core.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "tests/store/crash/unsynced_log.h"

namespace mansio::broker {

namespace {

using rpc::testing::FakeServerStreamCall;
using rpc::testing::FakeUnaryCall;

constexpr absl::Duration kPolling = absl::Seconds(1);  // of every receive

ConsumptionOptions ImpatientConsumption() {
  ConsumptionOptions options;
  options.broker_name = "broker-a";
  options.store_host = "127.0.0.1:8081";
  options.min_long_polling = kPolling;
  options.max_long_polling = kPolling;
  return options;
}

DelayOptions ShortLevels() { return {.broker_name = "broker-a", .levels_ms = {1000, 2000, 5000}}; }

TransactionOptions EarlyChecks() {
  TransactionOptions options;
  options.broker_name = "broker-a";
  options.store_host = "127.0.0.1:8081";
  options.check_back = {.first_check_ms = 3000, .interval_ms = 3000, .max_checks = 2};
  return options;
}

OffsetsOptions OffsetsHere() {
  OffsetsOptions options;
  options.broker_name = "broker-a";
  options.store_host = "127.0.0.1:8081";
  return options;
}

class WatchedCall : public FakeUnaryCall {
 public:
  WatchedCall(std::string request, rpc::testing::Headers headers, BrokerCore::Answered answered)
      : FakeUnaryCall(std::move(request), std::move(headers)), answered_(std::move(answered)) {}
  void Finish(rpc::Payload response) override {
    FakeUnaryCall::Finish(std::move(response));
    if (answered_) answered_(*this);
  }

 private:
  const BrokerCore::Answered answered_;
};

class WatchedReceive : public FakeServerStreamCall {
 public:
  WatchedReceive(std::string request, rpc::testing::Headers headers, BrokerCore::Received received)
      : FakeServerStreamCall(std::move(request), std::move(headers)),
        received_(std::move(received)) {}
  void Finish(std::vector<rpc::Payload> elements,
              absl::AnyInvocable<void(bool written)> done) override {
    FakeServerStreamCall::Finish(std::move(elements), std::move(done));
    if (received_) received_(*this);
  }

 private:
  const BrokerCore::Received received_;
};

std::string ReceiveRequestOf(const std::string& topic, int batch, absl::Duration invisible) {
  v2::ReceiveMessageRequest request;
  request.mutable_group()->set_name(kWorkers);
  request.mutable_message_queue()->mutable_topic()->set_name(topic);
  request.mutable_filter_expression()->set_type(v2::TAG);
  request.mutable_filter_expression()->set_expression("*");
  request.set_batch_size(batch);
  request.mutable_invisible_duration()->set_seconds(absl::ToInt64Seconds(invisible));
  return request.SerializeAsString();
}

class MapSink : public store::StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs[std::string(key)] = value;
  }
  void Delete(std::string_view key) override { pairs.erase(std::string(key)); }
  std::map<std::string, std::string> pairs;
};

}  // namespace

store::StoreOptions SmallStore(store::Durability durability, bool retention) {
  store::StoreOptions options;
  options.path = "/data/store";
  options.durability = durability;
  options.flush_interval = absl::Milliseconds(3);
  options.segment_bytes = 64 << 10;
  options.tail_cache_bytes = 1 << 20;
  options.checkpoint_bytes = 100 << 10;
  options.queue_memory_bytes = 8 << 10;
  if (retention) options.retention_bytes = 3 * options.segment_bytes;
  options.carry_percent = 90;
  options.cold_threads = 1;
  return options;
}

BrokerCore::BrokerCore(FakeClock* clock, Breakage breakage)
    : time(clock, absl::InfinitePast()),
      timers([this] { return time.NowMillis(); }),
      clients({}, clock),
      metadata({}, &time),
      mover({}, &timers),
      budget(32 << 20, clock),
      dead_letters(&metadata),
      consumption(Consumption::Create(ImpatientConsumption(), {.metadata = &metadata,
                                                               .dead_letters = &dead_letters,
                                                               .clients = &clients,
                                                               .time = &time,
                                                               .timers = &timers,
                                                               .mover = &mover,
                                                               .budget = &budget})),
      delay(ShortLevels(), {&metadata, &clients, &mover, &budget, &time, &timers}),
      offsets(
          Offsets::Create(OffsetsHere(), {&metadata, &clients, consumption.get(), &time, &timers})),
      transactions(Transactions::Create(EarlyChecks(),
                                        {&metadata, &clients, &mover, &budget, &time, &timers})),
      sends({}, {.metadata = &metadata,
                 .clients = &clients,
                 .time = &time,
                 .delay = &delay,
                 .halves = transactions->halves()}),
      state(&features, breakage),
      clock_(clock),
      breakage_(breakage) {
  features.Add(&metadata);
  features.Add(&dead_letters);
  for (Feature* feature : consumption->features()) features.Add(feature);
  features.Add(delay.feature());
  features.Add(offsets->feature());
  features.Add(transactions->feature());
  clients.SetObserver(consumption->observer());
  consumption->Register(methods_);
  delay.Register(methods_);
  offsets->Register(methods_);
  transactions->Register(methods_);
  sends.Register(methods_);
}

BrokerCore::~BrokerCore() { store.reset(); }

absl::Status BrokerCore::Open(const store::StoreOptions& options, FileSystem* files,
                              store::KeyValueStore* checkpoint, bool lies_about_sync) {
  const bool tears = breakage_.tears_moves;
  auto opened = store::StoreImpl::Open(
      options, {files, &time, checkpoint}, &state,
      [tears, lies_about_sync](
          std::unique_ptr<store::CommitLog> log) -> std::unique_ptr<store::CommitLog> {
        if (tears) log = std::make_unique<TornMovesLog>(std::move(log));
        if (lies_about_sync) log = std::make_unique<store::UnsyncedLog>(std::move(log));
        return log;
      });
  if (!opened.ok()) return opened.status();
  store = *std::move(opened);
  if (absl::Status status = metadata.EnsureHandleKey(); !status.ok()) return status;
  sends.Attach(store.get());
  mover.Attach(store.get());
  if (absl::Status status = transactions->Start(); !status.ok()) return status;
  consumption->Start();
  return delay.Start();
}

absl::Status BrokerCore::End(bool in_order) {
  consumption->Stop();
  delay.Stop();
  offsets->Stop();
  transactions->Stop();
  mover.Stop();
  absl::Status closed = in_order ? store->Close() : absl::OkStatus();
  store.reset();
  return closed;
}

absl::Status BrokerCore::CreateTopicsAndGroups() {
  absl::Status worst;
  const auto wait_for = [&worst](const auto& create) {
    absl::Notification made;
    create([&](const auto& result) {
      worst.Update(result.status());
      made.Notify();
    });
    made.WaitForNotification();
  };
  const std::pair<const char*, MessageType> topics[] = {{kOrders, MessageType::kTransaction},
                                                        {kLater, MessageType::kDelay},
                                                        {kPlain, MessageType::kNormal}};
  for (const auto& [name, type] : topics) {
    wait_for([&](auto done) { metadata.CreateTopic(name, type, kQueues, std::move(done)); });
  }
  for (const char* name : {kWorkers, kSeeker}) {
    GroupRecord group;
    group.name = name;
    group.max_attempts = 3;
    group.start = StartPolicy::kEarliest;
    wait_for([&](auto done) { metadata.CreateGroup(group, std::move(done)); });
  }
  return worst;
}

std::shared_ptr<FakeUnaryCall> BrokerCore::Start(std::string_view method,
                                                 const google::protobuf::MessageLite& request,
                                                 const std::string& client, Answered answered) {
  auto call = std::make_shared<WatchedCall>(request.SerializeAsString(),
                                            rpc::testing::Headers{{"x-mq-client-id", client}},
                                            std::move(answered));
  calls_.push_back(call);
  for (const auto& unary : methods_.unary) {
    if (std::string_view(unary.path).ends_with(method)) unary.handler(*call);
  }
  return call;
}

void BrokerCore::StartReceive(const std::string& topic, int batch, absl::Duration invisible,
                              Received received) {
  auto call = std::make_shared<WatchedReceive>(
      ReceiveRequestOf(topic, batch, invisible),
      rpc::testing::Headers{{"x-mq-client-id", "worker"}, {"x-mq-client-version", "5.0.8"}},
      std::move(received));
  calls_.push_back(call);
  for (const auto& stream : methods_.server_stream) {
    if (std::string_view(stream.path).ends_with("ReceiveMessage")) stream.handler(*call);
  }
}

std::vector<v2::Message> BrokerCore::Receive(const std::string& topic, int batch) {
  StartReceive(topic, batch, absl::Seconds(30), nullptr);
  const auto call = std::static_pointer_cast<FakeServerStreamCall>(calls_.back());
  for (int turn = 0; turn < 100 && !call->finished(); ++turn) {
    if (turn > 10) clock_->Advance(kPolling);  // it waits
    Settle();
  }
  return call->finished() ? MessagesOf(*call) : std::vector<v2::Message>();
}

void BrokerCore::Settle() {
  constexpr store::RecordKind kNobodys = 255;
  do {
    // There is one cold thread, and what it begins is submitted before its next job.
    absl::Notification read;
    if (store->RunCold([&read] { read.Notify(); })) read.WaitForNotification();
    auto last = std::make_unique<store::TestAppend>();
    last->AddRecord(kNobodys, "");
    (void)store::SendAndWait(store.get(), std::move(last));
  } while (timers.RunDue() > 0);
}

std::map<std::string, std::string> BrokerCore::State() {
  MapSink sink;
  features.CaptureAll(sink);
  return std::move(sink.pairs);
}

std::vector<v2::Message> MessagesOf(const FakeServerStreamCall& call) {
  std::vector<v2::Message> messages;
  for (auto& element : call.Elements<v2::ReceiveMessageResponse>()) {
    if (element.has_message()) messages.push_back(std::move(*element.mutable_message()));
  }
  return messages;
}

}  // namespace mansio::broker
