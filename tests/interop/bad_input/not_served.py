"""Every public call that this version does not serve answers NOT_IMPLEMENTED, and what it asked for does not happen."""

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from table import check
from wire import Answer, ack, change, metadata, message, receive, resource, send

QUEUE = definition.MessageQueue(topic=resource("normal"), id=0, broker=definition.Broker(name="broker-a"))

# Calls of MessagingService that no node serves yet.
LATER = {
    "ForwardMessageToDeadLetterQueue": service.ForwardMessageToDeadLetterQueueRequest(
        group=resource("group"), topic=resource("normal"), receipt_handle="h", message_id="id"
    ),
    "PullMessage": service.PullMessageRequest(group=resource("group"), message_queue=QUEUE, batch_size=1),
    "UpdateOffset": service.UpdateOffsetRequest(group=resource("group"), message_queue=QUEUE, offset=1),
    "GetOffset": service.GetOffsetRequest(group=resource("group"), message_queue=QUEUE),
    "QueryOffset": service.QueryOffsetRequest(message_queue=QUEUE),
    "EndTransaction": service.EndTransactionRequest(
        topic=resource("normal"), message_id="id", transaction_id="id", resolution=definition.COMMIT
    ),
    "RecallMessage": service.RecallMessageRequest(topic=resource("normal"), recall_handle="h"),
    "SyncLiteSubscription": service.SyncLiteSubscriptionRequest(topic=resource("normal"), group=resource("group")),
}

# Calls that a broker serves and a nameserver does not.
BROKERS_ONLY = {
    "SendMessage": send(message()),
    "ReceiveMessage": receive(),
    "AckMessage": ack("h"),
    "ChangeInvisibleDuration": change("h", 10),
}

ADMIN = (
    "ChangeLogLevel DescribeTopicStatus ListSubscription DescribeSubscription DeleteSubscription "
    "DescribeGroupAccumulation ListConsumerConnection ResetGroupOffset QueryMessage PrintThreadStackTrace "
    "VerifyMessage AdminSendMessage GetConsumerRunningInfo GetTopicRoute QueryTimeSpan GetProxyRuntimeStats"
).split()


def call_admin(node, method):
    """The Python package has only one method of Admin: the others are called with an empty request, undecoded."""
    call = node.channel.unary_unary(f"/apache.rocketmq.v2.Admin/{method}")
    raw = call(b"", metadata=metadata(), timeout=10)
    if method == "ChangeLogLevel":  # the only response without a status: its field 1 is a text
        return Answer(definition.NOT_IMPLEMENTED, definition.Resource.FromString(raw).resource_namespace, raw)
    status = service.HeartbeatResponse.FromString(raw).status
    return Answer(status.code, status.message, raw)


def run_not_served(report, nodes, broker_address):
    for where, node in nodes.items():
        says = broker_address if where == "nameserver" else ""
        calls = {**LATER, **BROKERS_ONLY} if where == "nameserver" else LATER
        for rpc, request in calls.items():
            with report.case(f"{where} {rpc} -> NOT_IMPLEMENTED"):
                answer = node.call(rpc, request)
                check(answer, "NOT_IMPLEMENTED", says)
                assert rpc in answer.text, answer.text
        for method in ADMIN:
            with report.case(f"{where} Admin.{method} -> NOT_IMPLEMENTED"):
                answer = call_admin(node, method)
                check(answer, "NOT_IMPLEMENTED", says)
                assert method in answer.text, answer.text
