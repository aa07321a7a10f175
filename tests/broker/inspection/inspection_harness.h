#ifndef MANSIO_TESTS_BROKER_INSPECTION_INSPECTION_HARNESS_H_
#define MANSIO_TESTS_BROKER_INSPECTION_INSPECTION_HARNESS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/inspection/inspection_service.h"
#include "broker/message/message_keys.h"
#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {

// A broker whose messages can be looked at; a message's id is its body.
class InspectionTest : public testing::Test {
 protected:
  InspectionTest() {
    h_.store().SetKeys(&keys_);
    service_.Attach(&h_.store());
    service_.Register(h_.life().admin_methods);
    h_.CreateTopic(2);
  }

  struct Sent {
    std::string body;
    uint32_t queue = 0;
    std::vector<std::string> keys = {};
    std::string topic = kTopic;
    std::string id = "";  // the body
  };
  void Send(const Sent& sent) {
    v2::Message message;
    message.mutable_topic()->set_name(sent.topic);
    message.set_body(sent.body);
    message.mutable_system_properties()->set_message_id(sent.id.empty() ? sent.body : sent.id);
    for (const std::string& key : sent.keys) message.mutable_system_properties()->add_keys(key);
    const int64_t now = h_.life().time.NowMillis();
    const ContentEncoder encoder(&message, "test", now);
    auto append = std::make_unique<Unattended>();
    const store::QueueKey queue{h_.life().metadata.FindTopic(sent.topic)->id, sent.queue};
    encoder.EncodeTo(append->BeginMessage(queue, EntryHash("", ""), now, encoder.size()),
                     BodyDigest(sent.body));
    append->SealMessage();
    Submit(std::move(append));
  }
  void Log(store::RecordKind kind, const std::string& body) {
    auto append = std::make_unique<Unattended>();
    append->AddRecord(kind, body);
    Submit(std::move(append));
  }

  v1::QueryMessagesResponse Query(const v1::QueryMessagesRequest& request) {
    return h_.Admin<v1::QueryMessagesResponse>("QueryMessages", request);
  }
  v1::GetMessageResponse Get(const std::string& topic, int32_t queue, int64_t offset) {
    v1::GetMessageRequest request;
    request.set_topic(topic);
    request.set_queue_id(queue);
    request.set_offset(offset);
    return h_.Admin<v1::GetMessageResponse>("GetMessage", request);
  }
  v1::TraceMessageResponse Trace(const std::string& id, int64_t next = 0) {
    v1::TraceMessageRequest request;
    request.set_message_id(id);
    request.set_next(next);
    return h_.Admin<v1::TraceMessageResponse>("TraceMessage", request);
  }
  // A call that is only begun; its client waits until `deadline`.
  std::shared_ptr<rpc::testing::FakeUnaryCall> Begin(const std::string& method,
                                                     const google::protobuf::Message& request,
                                                     absl::Time deadline = absl::InfiniteFuture()) {
    auto call = std::make_shared<rpc::testing::FakeUnaryCall>(request.SerializeAsString());
    call->SetDeadline(deadline);
    for (const auto& unary : h_.life().admin_methods.unary) {
      if (unary.path == "/mansio.v1.Admin/" + method) unary.handler(*call);
    }
    return call;
  }
  // How many times cold jobs were run until the call was finished. In the first one another job
  // runs, and the call is not finished before it.
  int TurnsOf(const rpc::testing::FakeUnaryCall& call) {
    bool others_ran = false;
    h_.store().RunCold([&] {
      others_ran = true;
      EXPECT_FALSE(call.finished());
    });
    int turns = 0;
    while (!call.finished() && h_.store().RunColdJobs() > 0) ++turns;
    EXPECT_TRUE(others_ran);
    EXPECT_TRUE(call.finished());
    return turns;
  }
  static std::vector<std::string> IdsOf(const v1::QueryMessagesResponse& response) {
    std::vector<std::string> ids;
    for (const v1::FoundMessage& found : response.messages()) {
      ids.push_back(found.message().system_properties().message_id());
    }
    return ids;
  }

  class Unattended : public store::Append {
   public:
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  };
  void Submit(std::unique_ptr<store::Append> append) {
    ASSERT_TRUE(h_.store().Submit(std::move(append)).ok());
    h_.Settle();
  }

  Harness h_;
  const ContentKeys keys_;
  InspectionService service_{"broker-a",
                             {.metadata = &h_.life().metadata, .clients = &h_.life().clients}};
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_INSPECTION_INSPECTION_HARNESS_H_
