#include "broker/transaction/transactions.h"

#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/transaction/end_transaction.h"
#include "broker/transaction/half_sender.h"
#include "broker/transaction/transaction_admin.h"
#include "common/gateway/public_service.h"
#include "common/rpc/proto_call.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

class TransactionsImpl : public Transactions {
 public:
  TransactionsImpl(const TransactionOptions& options, const Environment& env)
      : metadata_(env.metadata),
        state_(env.metadata),
        ender_({&state_, env.metadata, env.mover, env.budget, env.time}),
        check_back_(
            {options.check_back, options.broker_name, options.store_host, options.max_check_bytes},
            {&state_, &ender_, env.metadata, env.clients, env.mover, env.budget, env.time,
             env.timers}),
        sender_({options.broker_name, options.max_pending},
                {&state_, &ender_, env.metadata, env.clients, env.time}),
        ends_(options.broker_name, {&ender_, env.metadata, env.clients}),
        admin_(options.broker_name, {&state_, &ender_, &check_back_, env.metadata, env.mover}) {
    state_.SetHooks({
        .half_added = [this](store::QueueOffset half,
                             const Half& entry) { check_back_.Added(half, entry); },
        .half_ended = [this](store::QueueOffset half,
                             const Half& entry) { check_back_.Ended(half, entry); },
    });
  }

  Feature* feature() override { return &state_; }
  HalfStore* halves() override { return &sender_; }

  void Register(rpc::MethodTable& methods) override {
    methods.unary.push_back(
        {gateway::MessagingPath("EndTransaction"),
         rpc::ParsedUnary<v2::EndTransactionRequest>(
             [this](rpc::UnaryCall& call, const v2::EndTransactionRequest& request) {
               ends_.Handle(call, request);
             })});
    admin_.Register(methods);
  }

  absl::Status Start() override {
    for (const std::string_view name : {kHalfTopic, kExpiredTopic}) {
      if (const auto topic = metadata_->EnsureSystemTopic(name, 1); !topic.ok()) {
        return topic.status();
      }
    }
    check_back_.Start();
    return absl::OkStatus();
  }

  void Stop() override { check_back_.Stop(); }
  const TransactionState& state() const override { return state_; }

 private:
  Metadata* const metadata_;
  TransactionState state_;
  TransactionEnder ender_;
  CheckBack check_back_;
  HalfSender sender_;
  EndTransactionService ends_;
  TransactionAdmin admin_;
};

}  // namespace

std::unique_ptr<Transactions> Transactions::Create(TransactionOptions options,
                                                   Environment environment) {
  return std::make_unique<TransactionsImpl>(options, environment);
}

}  // namespace mansio::broker
