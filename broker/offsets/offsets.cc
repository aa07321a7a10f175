#include "broker/offsets/offsets.h"

#include <atomic>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/offsets/context.h"
#include "broker/offsets/offset_service.h"
#include "broker/offsets/pull_operation.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/rpc/proto_call.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

class OffsetsImpl : public Offsets, public Feature {
 public:
  OffsetsImpl(OffsetsOptions options, Environment environment)
      : options_(std::move(options)),
        environment_(environment),
        parked_(options_.max_parked_pulls),
        context_{options_, environment_, parked_, filters_, stopping_, store_},
        service_(context_) {
    environment_.metadata->AddListener({
        .topic_deleted = [this](const TopicPtr& topic) { parked_.WakeAllOfTopic(topic->id); },
        // An administrator's decision: rare enough to let all of them look.
        .group_resumed = [this](const GroupPtr&) { parked_.WakeAll(); },
        .group_deleted =
            [this](const GroupPtr& group) {
              if (group->paused) parked_.WakeAll();
            },
    });
  }

  Feature* feature() override { return this; }
  void Register(rpc::MethodTable& methods) override;
  void Stop() override {
    stopping_ = true;
    parked_.WakeAll();
  }

  size_t parked() const override { return parked_.size(); }

  // Feature
  std::vector<store::RecordKind> Kinds() const override { return {store::kMessageRecord}; }
  char KeyPrefix() const override { return 'O'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override {
    if (record.replay) return;
    const store::QueueKey queue = record.message->queue;
    if (added_.empty() || added_.back() != queue) added_.push_back(queue);
  }
  void BatchEnd() override {
    if (!added_.empty() && parked_.size() > 0) {
      for (const store::QueueKey& queue : added_) {
        parked_.WakeGroup(queue.queue, queue.topic, SIZE_MAX);
      }
    }
    added_.clear();
  }
  void CaptureDirty(store::StateSink&) override {}
  void CaptureAll(store::StateSink&) override {}
  absl::Status Restore(std::string_view, std::string_view) override {
    return absl::DataLossError("the checkpoint holds a key of reading by offset, which keeps none");
  }
  void Clear() override { added_.clear(); }

 private:
  void Pull(rpc::ServerStreamCall& call, const v2::PullMessageRequest& request);

  const OffsetsOptions options_;
  const Environment environment_;
  store::Store* store_ = nullptr;
  WaitList parked_;
  FilterCache filters_;
  std::atomic<bool> stopping_{false};
  OffsetsContext context_;
  OffsetService service_;
  std::vector<store::QueueKey> added_;  // log thread only: queues that got messages in this batch
};

void OffsetsImpl::Register(rpc::MethodTable& methods) {
  methods.server_stream.push_back(
      {gateway::MessagingPath("PullMessage"),
       rpc::ParsedServerStream<v2::PullMessageRequest>(
           [this](rpc::ServerStreamCall& call, const v2::PullMessageRequest& request) {
             Pull(call, request);
           })});
  methods.unary.push_back({gateway::MessagingPath("GetOffset"),
                           rpc::ParsedUnary<v2::GetOffsetRequest>(
                               [this](rpc::UnaryCall& call, const v2::GetOffsetRequest& request) {
                                 service_.Get(call, request);
                               })});
  methods.unary.push_back(
      {gateway::MessagingPath("UpdateOffset"),
       rpc::ParsedUnary<v2::UpdateOffsetRequest>(
           [this](rpc::UnaryCall& call, const v2::UpdateOffsetRequest& request) {
             service_.Update(call, request);
           })});
  methods.unary.push_back({gateway::MessagingPath("QueryOffset"),
                           rpc::ParsedUnary<v2::QueryOffsetRequest>(
                               [this](rpc::UnaryCall& call, const v2::QueryOffsetRequest& request) {
                                 service_.Query(call, request);
                               })});
}

void OffsetsImpl::Pull(rpc::ServerStreamCall& call, const v2::PullMessageRequest& request) {
  const auto refuse = [&call](const absl::Status& status) {
    std::vector<rpc::Payload> only_status;
    only_status.push_back(gateway::StatusResponse(status));
    call.Finish(std::move(only_status), [](bool) {});
  };
  const auto client = gateway::IdentifyClient(call, *environment_.clients);
  if (!client.ok()) return refuse(client.status());
  auto checked = CheckPull(request, call, context_, absl::Now());
  if (!checked.ok()) return refuse(checked.status());
  std::make_shared<PullOperation>(context_, call, *std::move(checked))->Begin();
}

}  // namespace

std::unique_ptr<Offsets> Offsets::Create(OffsetsOptions options, Environment environment) {
  return std::make_unique<OffsetsImpl>(std::move(options), environment);
}

}  // namespace mansio::broker
