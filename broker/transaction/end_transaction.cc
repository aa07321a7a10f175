#include "broker/transaction/end_transaction.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/transaction/transaction_id.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status CheckEnd(const v2::EndTransactionRequest& request) {
  if (absl::Status s = names::ValidateTopic(request.topic().name()); !s.ok()) return s;
  if (v2::TransactionResolution_IsValid(request.resolution())) return absl::OkStatus();
  return WireError(v2::BAD_REQUEST,
                   fmt::format("resolution number {} is not known; use COMMIT or ROLLBACK",
                               static_cast<int>(request.resolution())));
}

}  // namespace

void EndTransactionService::Handle(rpc::UnaryCall& call, const v2::EndTransactionRequest& request) {
  const auto client = gateway::IdentifyClient(call, *environment_.clients);
  const absl::Status refused = client.ok() ? CheckEnd(request) : client.status();
  const bool undecided = request.resolution() == v2::TRANSACTION_RESOLUTION_UNSPECIFIED;
  if (!refused.ok() || undecided) return call.Finish(gateway::StatusResponse(refused));

  const absl::StatusOr<TransactionId> id = TransactionId::Decode(
      request.transaction_id(), broker_name_, environment_.metadata->handle_key());
  if (!id.ok()) return call.Finish(gateway::StatusResponse(id.status()));
  const TopicPtr topic = environment_.metadata->FindTopic(id->topic);
  if (topic == nullptr || topic->name != request.topic().name()) {
    return call.Finish(gateway::StatusResponse(WireError(
        v2::INVALID_TRANSACTION_ID,
        topic == nullptr ? "the topic of this transaction was deleted, and its message with it"
                         : fmt::format("this transaction is one of topic {}, not of {}",
                                       topic->name, request.topic().name()))));
  }
  const TransactionOutcome outcome = request.resolution() == v2::COMMIT
                                         ? TransactionOutcome::kCommitted
                                         : TransactionOutcome::kRolledBack;
  environment_.ender->End({id->epoch, id->half}, outcome, [&call](const absl::Status& status) {
    call.Finish(gateway::StatusResponse(status));
  });
}

}  // namespace mansio::broker
