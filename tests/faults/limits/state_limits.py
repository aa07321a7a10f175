"""Limits of what the broker remembers: topics, queues, groups, waiting receives, leases."""

import concurrent.futures

from request_limits import accepted, refused
from wire import Node, ack, handles, message, receive, received, seconds, send


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


def parked_receives(cluster, _):
    """a further one -> TOO_MANY_REQUESTS; those that wait get their messages"""
    cluster.create_topic("topic", "--queues", "1")
    with Node(cluster.broker.address) as node, concurrent.futures.ThreadPoolExecutor(8) as pool:
        # All at once: two find room, the others are told so at once. The broker answers them first.
        waits = receive("topic", "group", long_polling_timeout=seconds(20))
        calls = [pool.submit(node.call, "ReceiveMessage", waits) for _ in range(5)]
        done = []
        for call in concurrent.futures.as_completed(calls, timeout=30):
            done.append(call)
            if len(done) == 3:
                break
        for call in done:
            refused(call.result(), "TOO_MANY_REQUESTS", "limits.parked-receives")
        accepted(node.call("SendMessage", send(message("topic"), message("topic"))))
        waiting = [call.result(timeout=30) for call in calls if call not in done]
        got = [one.system_properties.queue_offset for answer in waiting for one in received(accepted(answer))]
        assert sorted(got) == [0, 1], got


def leases(cluster, _):
    """further ones -> TOO_MANY_REQUESTS, until one is acknowledged; a receive takes no more than are left"""
    cluster.create_topic("topic", "--queues", "1")
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(*[message("topic") for _ in range(12)])))

        def take(batch):
            """A receive is answered before its leases count; they do when a send behind it is acknowledged."""
            answer = accepted(node.call("ReceiveMessage", receive("topic", "group", batch_size=batch)))
            accepted(node.call("SendMessage", send(message("topic"))))
            return answer

        first, second = take(3), take(32)
        sizes = (len(received(first)), len(received(second)))
        assert sizes == (3, 1), f"{sizes} messages were handed out, the limit is 4"
        refused(node.call("ReceiveMessage", receive("topic", "group")), "TOO_MANY_REQUESTS", "limits.leases")
        refused(node.call("ReceiveMessage", receive("topic", "other")), "TOO_MANY_REQUESTS", "limits.leases")
        accepted(node.call("AckMessage", ack(*handles(second), topic="topic")))
        third = accepted(node.call("ReceiveMessage", receive("topic", "group", batch_size=32)))
        assert len(received(third)) == 1, f"{len(received(third))} messages"
        accepted(node.call("AckMessage", ack(*handles(first), *handles(third), topic="topic")))


STATE_LIMITS = {
    "limits.topics=3": topics,
    "limits.queues-per-topic=4 topics.default-queues=2": queues,
    "limits.groups=2": groups,
    "limits.parked-receives=2": parked_receives,
    "limits.leases=4": leases,
}
