#ifndef MANSIO_TESTS_CLIENT_FAKE_NODE_H_
#define MANSIO_TESTS_CLIENT_FAKE_NODE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::client {

// A node in this process for tests of clients: a real gRPC server on a free port of the loopback,
// that answers as the hooks say. The hooks are set before the first call and run on gRPC's threads,
// one call at a time. Requests are recorded.
class FakeNode {
 public:
  struct Hooks {
    std::function<apache::rocketmq::v2::QueryRouteResponse(
        const apache::rocketmq::v2::QueryRouteRequest&)>
        route;
    std::function<apache::rocketmq::v2::SendMessageResponse(
        const apache::rocketmq::v2::SendMessageRequest&)>
        send;
    std::function<std::vector<apache::rocketmq::v2::ReceiveMessageResponse>(
        const apache::rocketmq::v2::ReceiveMessageRequest&)>
        receive;
    std::function<std::vector<apache::rocketmq::v2::PullMessageResponse>(
        const apache::rocketmq::v2::PullMessageRequest&)>
        pull;
    std::function<apache::rocketmq::v2::QueryOffsetResponse(
        const apache::rocketmq::v2::QueryOffsetRequest&)>
        query_offset;
    std::function<apache::rocketmq::v2::AckMessageResponse(
        const apache::rocketmq::v2::AckMessageRequest&)>
        ack;
    std::function<apache::rocketmq::v2::ChangeInvisibleDurationResponse(
        const apache::rocketmq::v2::ChangeInvisibleDurationRequest&)>
        change;
    std::function<apache::rocketmq::v2::EndTransactionResponse(
        const apache::rocketmq::v2::EndTransactionRequest&)>
        end_transaction;
    // What is written to a telemetry stream behind the answer to settings.
    std::function<std::vector<apache::rocketmq::v2::TelemetryCommand>()> commands;
    std::function<v1::ListTopicsResponse()> list_topics;
    std::function<v1::CreateTopicResponse(const v1::CreateTopicRequest&)> create_topic;
    std::function<v1::AlterTopicResponse(const v1::AlterTopicRequest&)> alter_topic;
    std::function<v1::DeleteTopicResponse(const v1::DeleteTopicRequest&)> delete_topic;
    std::function<v1::CreateGroupResponse(const v1::CreateGroupRequest&)> create_group;
    std::function<v1::DescribeGroupResponse(const v1::DescribeGroupRequest&)> describe_group;
    std::function<v1::DeadLetterStatsResponse(const v1::DeadLetterStatsRequest&)> dead_letter_stats;
    std::function<v1::ResendDeadLettersResponse(const v1::ResendDeadLettersRequest&)>
        resend_dead_letters;
    std::function<v1::PurgeDeadLettersResponse(const v1::PurgeDeadLettersRequest&)>
        purge_dead_letters;
    std::function<v1::ExportDeadLettersResponse(const v1::ExportDeadLettersRequest&)>
        export_dead_letters;
    std::function<v1::ImportDeadLettersResponse(const v1::ImportDeadLettersRequest&)>
        import_dead_letters;
    std::function<v1::ExplainGroupResponse(const v1::ExplainGroupRequest&)> explain_group;
    std::function<v1::ListClientsResponse(const v1::ListClientsRequest&)> list_clients;
    std::function<v1::QueryMessagesResponse(const v1::QueryMessagesRequest&)> query_messages;
    std::function<v1::GetMessageResponse(const v1::GetMessageRequest&)> get_message;
    std::function<v1::TraceMessageResponse(const v1::TraceMessageRequest&)> trace_message;
    std::function<v1::ListBrokersResponse(const v1::ListBrokersRequest&)> list_brokers;
  };

  FakeNode();
  ~FakeNode();
  // Ends all calls; no hook runs any more. For an owner of hooks that ends before the node; nothing
  // else may be called afterwards.
  void Stop();

  Hooks hooks;

  std::string endpoint() const;  // 127.0.0.1:PORT
  // The first settings and those sent later, in order.
  std::vector<apache::rocketmq::v2::Settings> settings() const;
  // The client ids that said goodbye.
  std::vector<std::string> terminated() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

// A status with a code and a text.
apache::rocketmq::v2::Status MakeStatus(apache::rocketmq::v2::Code code, const std::string& text);

// The successful answer to a send: entry i has offset `first_offset` + i.
apache::rocketmq::v2::SendMessageResponse SendSucceeds(
    const apache::rocketmq::v2::SendMessageRequest& request, int64_t first_offset = 0);

// A route of one topic over brokers "b0", "b1", … at `endpoints`, each with `queues` queues.
apache::rocketmq::v2::QueryRouteResponse MakeRoute(const std::string& topic,
                                                   const std::vector<std::string>& endpoints,
                                                   int queues);

}  // namespace mansio::client

#endif  // MANSIO_TESTS_CLIENT_FAKE_NODE_H_
