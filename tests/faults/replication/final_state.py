"""What a group has when all is quiet, read by offset."""

import collections
import time

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from checker import Place
from history import key_of
from wire import Node, resource

BATCH = 32


def read(address, topics):
    """topic -> {key: [Place]} of all messages that stand in the topics, as a member answers PullMessage."""
    with Node(address) as node:
        return {topic: read_topic(node, topic) for topic in topics}


def read_topic(node, topic):
    route = node.call("QueryRoute", service.QueryRouteRequest(topic=resource(topic)))
    assert route.code == definition.OK, f"there is no route to topic {topic}: {route.text}"
    found = collections.defaultdict(list)
    for queue in route.response.message_queues:
        for message in pull_all(node, queue):
            key = key_of(message.body)
            system = message.system_properties
            place = Place(system.queue_id, system.queue_offset, system.store_timestamp.ToMilliseconds())
            found[key or message.body.decode()].append(place)
    return dict(found)


def pull_all(node, queue):
    """The messages of a queue from offset 0 on."""
    offset = 0
    while True:
        answer = node.call(
            "PullMessage",
            service.PullMessageRequest(
                group=resource("audit"),
                message_queue=queue,
                offset=offset,
                batch_size=BATCH,
                filter_expression=definition.FilterExpression(type=definition.TAG, expression="*"),
            ),
        )
        assert answer.code in (definition.OK, definition.MESSAGE_NOT_FOUND), f"a pull was refused: {answer.text}"
        messages = [element.message for element in answer.response if element.WhichOneof("content") == "message"]
        if not messages:
            return
        yield from messages
        offset = messages[-1].system_properties.queue_offset + 1


def await_nothing_pending(group, timeout):
    """Waits until all timers have fired and all transactions are decided; what never is shows in the audit."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        master = group.master().address
        timers = sum(broker["pending"] for broker in group.mansio("delay", "stats", endpoint=master))
        halves = sum(broker["pending"] for broker in group.mansio("transaction", "stats", endpoint=master)["brokers"])
        if timers == 0 and halves == 0:
            return
        time.sleep(0.2)
    print(f"     {timers} timers and {halves} transactions are still pending after {timeout} s")
