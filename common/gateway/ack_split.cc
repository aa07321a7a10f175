#include "common/gateway/ack_split.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/gateway/ack_answer.h"
#include "common/gateway/call_target.h"
#include "common/gateway/local_call.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

AckSplit::AckSplit(rpc::UnaryCall& call, const v2::AckMessageRequest& request)
    : call_(call), request_(request) {
  for (const v2::AckMessageEntry& entry : request.entries()) {
    v2::AckMessageResultEntry* result = response_.add_entries();
    result->set_message_id(entry.message_id());
    result->set_receipt_handle(entry.receipt_handle());
  }
}

std::deque<AckSplit::Part>& AckSplit::Parts() {
  absl::flat_hash_map<std::string, Part*> by_broker;
  for (int i = 0; i < request_.entries_size(); ++i) {
    std::string broker = BrokerOfHandle(request_.entries(i).receipt_handle());
    Part*& part = by_broker[broker];
    if (part == nullptr) {
      part = &parts_.emplace_back(Part{std::move(broker), {}, {}});
      *part->request.mutable_group() = request_.group();
      *part->request.mutable_topic() = request_.topic();
    }
    *part->request.add_entries() = request_.entries(i);
    part->entries.push_back(i);
  }
  MutexLock lock(&mutex_);
  unanswered_ = parts_.size();
  return parts_;
}

void AckSplit::Answer(const Part& part, absl::StatusOr<rpc::Payload> response) {
  v2::AckMessageResponse answer;
  if (response.ok() && !rpc::Parse(response->Flatten(), &answer)) {
    response = WireError(v2::INTERNAL_SERVER_ERROR,
                         "the answer of broker '" + part.broker + "' cannot be read");
  }
  if (!response.ok()) ToWire(response.status(), answer.mutable_status());
  std::string whole;
  {
    MutexLock lock(&mutex_);
    for (size_t i = 0; i < part.entries.size(); ++i) {
      const bool has_own = static_cast<int>(i) < answer.entries_size();
      *response_.mutable_entries(part.entries[i])->mutable_status() =
          has_own ? answer.entries(static_cast<int>(i)).status() : answer.status();
    }
    if (--unanswered_ > 0) return;
    SetTopStatus(response_);
    whole = response_.SerializeAsString();
  }
  call_.Finish(rpc::Payload(std::move(whole)));
}

void AckSplit::ServeHere(const Part& part, const rpc::UnaryHandler& local) {
  local(*new LocalCall(call_, part.request.SerializeAsString(),
                       [split = shared_from_this(), &part](absl::StatusOr<rpc::Payload> response) {
                         split->Answer(part, std::move(response));
                       }));
}

void AckSplit::Refuse(const absl::Status& status) {
  rpc::Reply(call_, RefuseAck(request_, status));
}

}  // namespace mansio::gateway
