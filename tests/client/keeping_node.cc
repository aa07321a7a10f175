#include "tests/client/keeping_node.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

KeepingNode::KeepingNode(FakeNode* node) : node_(node) {
  node_->hooks.route = [this](const v2::QueryRouteRequest& request) {
    if (exists) return MakeRoute(request.topic().name(), {node_->endpoint()}, 4);
    v2::QueryRouteResponse response;
    *response.mutable_status() = MakeStatus(v2::TOPIC_NOT_FOUND, "none");
    return response;
  };
  node_->hooks.create_topic = [this](const v1::CreateTopicRequest& request) {
    exists = true;
    v1::CreateTopicResponse response;
    *response.mutable_status() = MakeStatus(v2::OK, "OK");
    *response.mutable_topic() = request.topic();
    return response;
  };
  node_->hooks.send = [this](const v2::SendMessageRequest& request) {
    const auto response = SendSucceeds(request, static_cast<int64_t>(stored.size()));
    stored.insert(stored.end(), request.messages().begin(), request.messages().end());
    return response;
  };
  node_->hooks.receive = [this](const v2::ReceiveMessageRequest& request) { return Give(request); };
  node_->hooks.ack = [this](const v2::AckMessageRequest& request) {
    v2::AckMessageResponse response;
    *response.mutable_status() = MakeStatus(v2::OK, "OK");
    for (const auto& entry : request.entries()) {
      acked.insert(entry.receipt_handle());
      *response.add_entries()->mutable_status() = MakeStatus(v2::OK, "OK");
    }
    ++ack_requests;
    return response;
  };
}

void KeepingNode::UseTransactions() {
  node_->hooks.send = [this](const v2::SendMessageRequest& request) {
    auto response = SendSucceeds(request, static_cast<int64_t>(stored.size()));
    stored.insert(stored.end(), request.messages().begin(), request.messages().end());
    if (request.messages(0).system_properties().message_type() == v2::TRANSACTION) {
      response.mutable_entries(0)->set_transaction_id("t" + std::to_string(stored.size()));
    }
    return response;
  };
  node_->hooks.end_transaction = [this](const v2::EndTransactionRequest& request) {
    (request.resolution() == v2::COMMIT ? committed : rolled_back).insert(request.transaction_id());
    v2::EndTransactionResponse response;
    *response.mutable_status() = MakeStatus(v2::OK, "OK");
    return response;
  };
}

std::vector<v2::ReceiveMessageResponse> KeepingNode::Give(
    const v2::ReceiveMessageRequest& request) {
  std::vector<v2::ReceiveMessageResponse> elements(1);
  for (int i = 0; i < request.batch_size() && given_ < stored.size(); ++i, ++given_) {
    v2::Message* message = elements.emplace_back().mutable_message();
    *message = stored[given_];
    message->mutable_system_properties()->set_receipt_handle("h" + std::to_string(given_));
    message->mutable_system_properties()->set_delivery_attempt(1);
  }
  *elements[0].mutable_status() =
      MakeStatus(elements.size() > 1 ? v2::OK : v2::MESSAGE_NOT_FOUND, "text");
  return elements;
}

}  // namespace mansio::client
