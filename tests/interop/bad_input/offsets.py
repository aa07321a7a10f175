"""PullMessage, QueryOffset, GetOffset and UpdateOffset (RocketMQ 5 API)."""

from google.protobuf.timestamp_pb2 import Timestamp
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from names import group_cases, topic_cases
from table import Case, check, run
from wire import expression, message, metadata, resource, seconds, send

TOPIC = "pulling"
GROUP = "pullers"


def queue(topic=TOPIC, number=0, broker=""):
    return definition.MessageQueue(topic=resource(topic), id=number, broker=definition.Broker(name=broker))


def pull(topic=TOPIC, group=GROUP, number=0, broker="", **fields):
    settings = {"offset": 0, "batch_size": 1, **fields}
    return service.PullMessageRequest(group=resource(group), message_queue=queue(topic, number, broker), **settings)


def update(topic=TOPIC, group=GROUP, number=0, broker="", offset=0):
    return service.UpdateOffsetRequest(
        group=resource(group), message_queue=queue(topic, number, broker), offset=offset
    )


def get(topic=TOPIC, group=GROUP, number=0, broker=""):
    return service.GetOffsetRequest(group=resource(group), message_queue=queue(topic, number, broker))


def query(topic=TOPIC, number=0, broker="", policy=0, time=None):
    return service.QueryOffsetRequest(
        message_queue=queue(topic, number, broker), query_offset_policy=policy, timestamp=time
    )


def queue_cases(request):
    return [
        Case("no client id", "CLIENT_ID_REQUIRED", request(), headers=metadata(None)),
        *topic_cases(lambda name: request(topic=name)),
        Case("queue 1 of 1", "BAD_REQUEST", request(number=1), "queue 1"),
        Case("queue -1", "BAD_REQUEST", request(number=-1), "queue -1"),
        Case("a queue of an unknown broker", "INTERNAL_SERVER_ERROR", request(broker="broker-z"), "broker-z"),
    ]


BY_TIME = definition.DESCRIPTOR.enum_types_by_name["QueryOffsetPolicy"].values_by_name["TIMESTAMP"].number
TABLES = {
    "PullMessage": [
        *queue_cases(pull),
        *group_cases(lambda name: pull(group=name)),
        Case("offset -1", "ILLEGAL_OFFSET", pull(offset=-1), "-1"),
        Case("an offset behind the end", "ILLEGAL_OFFSET", pull(offset=4), "3"),
        Case("the greatest offset", "ILLEGAL_OFFSET", pull(offset=2**63 - 1)),
        Case("a negative polling time", "ILLEGAL_POLLING_TIME", pull(long_polling_timeout=seconds(-1))),
        Case("a filter without any tag", "ILLEGAL_FILTER_EXPRESSION", pull(filter_expression=expression("||"))),
        Case("a filter of the unknown type 7", "NOT_IMPLEMENTED", pull(filter_expression=expression("*", 7))),
        Case("a batch of -5 is 1", "OK", pull(batch_size=-5)),
        Case("no filter", "OK", pull()),
        Case("the end", "MESSAGE_NOT_FOUND", pull(offset=3)),
        Case("the broker's name", "OK", pull(broker="broker-a")),
    ],
    "GetOffset": [
        *queue_cases(get),
        *group_cases(lambda name: get(group=name)),
        Case("a group without a position", "OFFSET_NOT_FOUND", get(), "UpdateOffset"),
    ],
    "UpdateOffset": [
        *queue_cases(update),
        *group_cases(lambda name: update(group=name)),
        Case("offset -1", "ILLEGAL_OFFSET", update(offset=-1), "-1"),
        Case("an offset behind the end", "ILLEGAL_OFFSET", update(offset=4), "4"),
    ],
    "QueryOffset": [
        *queue_cases(query),
        Case("the unknown policy 9", "BAD_REQUEST", query(policy=9), "9"),
        Case("a time without a time", "BAD_REQUEST", query(policy=BY_TIME)),
        Case("a time before 1970", "BAD_REQUEST", query(policy=BY_TIME, time=Timestamp(seconds=-1))),
        Case("a time with 2,000,000,000 ns", "BAD_REQUEST", query(
            policy=BY_TIME, time=Timestamp(seconds=1, nanos=2_000_000_000))),
        Case("the last time there is", "OK", query(policy=BY_TIME, time=Timestamp(seconds=253402300799))),
    ],
}


def run_offsets(report, cluster, broker):
    """A topic of one queue with three messages; what is refused makes no group."""
    cluster.create_topic(TOPIC, "--queues", "1")
    check(broker.call("SendMessage", send(*[message(TOPIC) for _ in range(3)])), "OK")
    for rpc, cases in TABLES.items():
        run(report, broker, "broker", rpc, cases)
    with report.case("broker: refused calls about offsets have made no group"):
        names = [group["name"] for group in cluster.mansio("group", "list")]
        assert GROUP not in names, names
    with report.case("broker UpdateOffset: to the end of the queue -> OK"):
        check(broker.call("UpdateOffset", update(offset=3)), "OK")
        assert broker.call("GetOffset", get()).response.offset == 3
