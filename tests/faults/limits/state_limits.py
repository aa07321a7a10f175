"""Limits of what the broker remembers: topics, queues, groups, waiting receives, leases."""

import concurrent.futures

from request_limits import accepted, refused
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service
from wire import (
    Node, ack, code_name, from_now, handles, message, metadata, receive, received, resource, seconds, send,
)


def command_refused(cluster, code, key, *arguments):
    """The mansio command fails and says why."""
    try:
        cluster.mansio(*arguments)
    except AssertionError as error:
        text = str(error)
        assert code in text and key in text, text
        return
    raise AssertionError(f"'mansio {' '.join(arguments)}' was not refused")


def topics(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, until another one is deleted"""
    for name in ("first", "second", "third"):
        cluster.create_topic(name)
    command_refused(cluster, "TOO_MANY_REQUESTS", "limits.topics", "topic", "create", "fourth")
    cluster.create_topic("third")  # the same again is no further one
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(message("first"))))
    cluster.mansio("topic", "delete", "second", "--yes")
    cluster.create_topic("fourth")
    cluster.mansio("topic", "delete", "third", "--yes")


def queues(cluster, _):
    """a topic with one more -> BAD_REQUEST"""
    cluster.create_topic("four", "--queues", "4")
    command_refused(cluster, "BAD_REQUEST", "limits.queues-per-topic", "topic", "create", "five", "--queues", "5")


def groups(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, at its first receive and by command"""
    cluster.create_topic("topic")
    cluster.mansio("group", "create", "first")
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(message("topic"))))
        accepted(node.call("ReceiveMessage", receive("topic", "second")))
        refused(node.call("ReceiveMessage", receive("topic", "third")), "TOO_MANY_REQUESTS", "limits.groups")
        command_refused(cluster, "TOO_MANY_REQUESTS", "limits.groups", "group", "create", "third")
        cluster.mansio("group", "delete", "second", "--yes")


def parked(cluster, rpc, request, count):
    """Five calls at once: two find room and wait, the others are told so at once. Then so many messages come."""
    with Node(cluster.broker.address) as node, concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(node.call, rpc, request) for _ in range(5)]
        done = []
        for call in concurrent.futures.as_completed(calls, timeout=30):
            done.append(call)
            if len(done) == 3:
                break
        for call in done:
            refused(call.result(), "TOO_MANY_REQUESTS", "limits.parked-receives")
        accepted(node.call("SendMessage", send(*[message("topic") for _ in range(count)])))
        waiting = [call.result(timeout=30) for call in calls if call not in done]
        return sorted(one.system_properties.queue_offset for answer in waiting for one in received(accepted(answer)))


def parked_receives(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, and a further pull; those that wait get their messages"""
    cluster.create_topic("topic", "--queues", "1")
    got = parked(cluster, "ReceiveMessage", receive("topic", "group", long_polling_timeout=seconds(20)), 2)
    assert got == [0, 1], got
    pull = service.PullMessageRequest(
        group=resource("pullers"),
        message_queue=definition.MessageQueue(topic=resource("topic")),
        offset=2,
        batch_size=32,
        long_polling_timeout=seconds(20),
    )
    got = parked(cluster, "PullMessage", pull, 1)
    assert got == [2, 2], got


def broadcast_clients(cluster, _):
    """a further one -> TOO_MANY_REQUESTS; the known ones go on"""
    cluster.create_topic("topic", "--queues", "1")
    cluster.mansio("group", "create", "casts", "--broadcast", "--start", "earliest")
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(message("topic"), message("topic"))))
        for client in ("one", "two", "one", "two"):
            accepted(node.call("ReceiveMessage", receive("topic", "casts"), metadata(client)))
        third = node.call("ReceiveMessage", receive("topic", "casts"), metadata("three"))
        refused(third, "TOO_MANY_REQUESTS", "limits.broadcast-clients")
        cluster.mansio("group", "delete", "casts", "--yes")
        cluster.mansio("group", "create", "again", "--broadcast", "--start", "earliest")
        accepted(node.call("ReceiveMessage", receive("topic", "again"), metadata("three")))


def pending_timers(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, until one is recalled; messages that are due go on"""
    cluster.create_topic("later", "--type", "delay")
    cluster.create_topic("topic")

    def delayed():
        return send(message("later", message_type=definition.DELAY, delivery_timestamp=from_now(hours=1)))

    with Node(cluster.broker.address) as node:
        handles_of = [accepted(node.call("SendMessage", delayed())).response.entries[0].recall_handle for _ in range(3)]
        refused(node.call("SendMessage", delayed()), "TOO_MANY_REQUESTS", "limits.pending-timers")
        accepted(node.call("SendMessage", send(message("topic"))))
        recall = service.RecallMessageRequest(topic=resource("later"), recall_handle=handles_of[0])
        accepted(node.call("RecallMessage", recall))
        accepted(node.call("SendMessage", delayed()))


def pending_transactions(cluster, _):
    """a further one -> TOO_MANY_REQUESTS, until one is ended"""
    cluster.create_topic("orders", "--type", "transaction")

    def half():
        return send(message("orders", message_type=definition.TRANSACTION))

    with Node(cluster.broker.address) as node:
        begun = [accepted(node.call("SendMessage", half())).response.entries[0] for _ in range(2)]
        refused(node.call("SendMessage", half()), "TOO_MANY_REQUESTS", "limits.pending-transactions")
        end = service.EndTransactionRequest(
            topic=resource("orders"),
            message_id=begun[0].message_id,
            transaction_id=begun[0].transaction_id,
            resolution=definition.COMMIT,
        )
        accepted(node.call("EndTransaction", end))
        accepted(node.call("SendMessage", half()))


def take(node, group, batch=32):
    """A receive whose leases count: it is answered before they do, but not before a send behind it is acknowledged."""
    answer = node.call("ReceiveMessage", receive("topic", group, batch_size=batch))
    accepted(node.call("SendMessage", send(message("topic"))))
    return answer


def leases(cluster, _):
    """further ones -> TOO_MANY_REQUESTS, until one is acknowledged; a receive takes no more than are left"""
    cluster.create_topic("topic", "--queues", "1")
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(*[message("topic") for _ in range(12)])))
        first, second = take(node, "group", 3), take(node, "group", 32)
        sizes = (len(received(accepted(first))), len(received(accepted(second))))
        assert sizes == (3, 1), f"{sizes} messages were handed out, the limit is 4"
        refused(node.call("ReceiveMessage", receive("topic", "group")), "TOO_MANY_REQUESTS", "limits.leases")
        refused(node.call("ReceiveMessage", receive("topic", "other")), "TOO_MANY_REQUESTS", "limits.leases")
        accepted(node.call("AckMessage", ack(*handles(second), topic="topic")))
        third = accepted(node.call("ReceiveMessage", receive("topic", "group", batch_size=32)))
        assert len(received(third)) == 1, f"{len(received(third))} messages"
        accepted(node.call("AckMessage", ack(*handles(first), *handles(third), topic="topic")))


def leases_per_group(cluster, _):
    """further ones -> TOO_MANY_REQUESTS, until one is acknowledged; other groups go on"""
    cluster.create_topic("topic", "--queues", "2")
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(*[message("topic") for _ in range(12)])))
        taken = receive_all(node, "group")
        assert len(taken) == 4, f"{len(taken)} messages were handed out, the limit is 4"
        refused(node.call("ReceiveMessage", receive("topic", "group")), "TOO_MANY_REQUESTS", "limits.leases-per-group")
        assert len(receive_all(node, "other")) == 4, "the other group has a limit of its own"
        accepted(node.call("AckMessage", ack(taken[0], topic="topic")))
        assert len(receive_all(node, "group")) == 1, "one lease was free"


def leases_per_queue(cluster, _):
    """further ones of it -> TOO_MANY_REQUESTS, until one is acknowledged; other queues and groups go on"""
    cluster.create_topic("topic", "--queues", "2")
    with Node(cluster.broker.address) as node:
        for _ in range(16):
            accepted(node.call("SendMessage", send(message("topic"))))
        queues = cluster.mansio("topic", "describe", "topic")["queue_offsets"]
        expected = sum(min(3, queue["next_offset"]) for queue in queues)
        assert expected > 3, f"the messages are all in one queue: {queues}"
        taken = receive_all(node, "group")
        assert len(taken) == expected, f"{len(taken)} messages were handed out, {expected} are allowed"
        refused(node.call("ReceiveMessage", receive("topic", "group")), "TOO_MANY_REQUESTS", "limits.leases-per-queue")
        assert len(receive_all(node, "other")) == expected, "the other group has leases of its own"
        accepted(node.call("AckMessage", ack(taken[0], topic="topic")))
        assert len(receive_all(node, "group")) == 1, "one lease of its queue was free"


def receive_all(node, group):
    """Handles of what the group may be handed out, by receives that find something at once."""
    taken = []
    while True:
        answer = take(node, group)
        if code_name(answer.code) != "OK":
            return taken
        taken += handles(answer)


STATE_LIMITS = {
    "limits.topics=3": topics,
    "limits.queues-per-topic=4 topics.default-queues=2": queues,
    "limits.groups=2": groups,
    "limits.parked-receives=2": parked_receives,
    "limits.broadcast-clients=2": broadcast_clients,
    "limits.pending-timers=3": pending_timers,
    "limits.pending-transactions=2": pending_transactions,
    "limits.leases=4": leases,
    "limits.leases-per-group=4": leases_per_group,
    "limits.leases-per-queue=3": leases_per_queue,
}
