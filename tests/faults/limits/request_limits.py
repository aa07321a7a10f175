"""Limits of one request: its body, properties, messages and bytes, what a receive takes, what may be on its way."""

import grpc

from wire import Node, code_name, message, receive, received, send

TOPIC = "limited"


def refused(answer, code, key):
    """Asserts the code, and that the sentence begins with it and names the key of the limit."""
    assert code_name(answer.code) == code, f"expected {code}, got {answer.code}: {answer.text}"
    assert answer.text.startswith(code) and key in answer.text, f"the sentence does not name {key}: '{answer.text}'"


def accepted(answer):
    assert code_name(answer.code) == "OK", answer.text
    return answer


def reach_with(cluster, code, key, good, bad):
    """Sends what the limit just allows, then what it does not; only the first is stored."""
    cluster.create_topic(TOPIC)
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", good))
        for request in bad:
            refused(node.call("SendMessage", request), code, key)
        accepted(node.call("SendMessage", good))
    queues = cluster.mansio("topic", "describe", TOPIC)["queue_offsets"]
    stored = sum(queue["next_offset"] for queue in queues)
    assert stored == 2 * len(good.messages), f"{stored} messages are stored"


def limited(**fields):
    return message(topic=TOPIC, **fields)


def body(cluster, _):
    """one byte more -> MESSAGE_BODY_TOO_LARGE"""
    good, bad = limited(body=b"b" * 1000), limited(body=b"b" * 1001)
    reach_with(cluster, "MESSAGE_BODY_TOO_LARGE", "limits.body-bytes", send(good), [send(bad), send(good, bad)])


def properties(cluster, _):
    """one property more -> MESSAGE_PROPERTIES_TOO_LARGE"""
    good, bad = limited(user={"a": "1", "b": "2"}), limited(user={"a": "1", "b": "2", "c": "3"})
    reach_with(cluster, "MESSAGE_PROPERTIES_TOO_LARGE", "limits.properties ", send(good), [send(bad)])


def properties_bytes(cluster, _):
    """one byte more -> MESSAGE_PROPERTIES_TOO_LARGE"""
    good = limited(user={"a": "12345"}, tag="t", keys=["key"])
    bad = [limited(user={"a": "123456"}, tag="t", keys=["key"]), limited(user={"a": "12345678", "b": "1"})]
    reach_with(cluster, "MESSAGE_PROPERTIES_TOO_LARGE", "limits.properties-bytes", send(good), [send(m) for m in bad])


def messages_per_request(cluster, _):
    """one message more -> PAYLOAD_TOO_LARGE"""
    good, bad = send(*[limited()] * 3), send(*[limited()] * 4)
    reach_with(cluster, "PAYLOAD_TOO_LARGE", "limits.messages-per-request", good, [bad])


def request_bytes(cluster, _):
    """a larger one -> PAYLOAD_TOO_LARGE, one far larger -> gRPC RESOURCE_EXHAUSTED"""
    good, bad = send(limited(body=b"b" * 60_000)), send(limited(body=b"b" * 60_000), limited(body=b"b" * 10_000))
    reach_with(cluster, "PAYLOAD_TOO_LARGE", "limits.request-bytes", good, [bad])
    with Node(cluster.broker.address) as node:
        try:
            node.call("SendMessage", send(limited(body=b"b" * (3 << 20))))
            raise AssertionError("a request of 3 MiB was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
            assert "larger than max" in error.details(), error.details()
        accepted(node.call("SendMessage", good))  # the connection goes on


def receive_batch(cluster, _):
    """a receive of 100 gets 5"""
    cluster.create_topic(TOPIC)
    with Node(cluster.broker.address) as node:
        accepted(node.call("SendMessage", send(*[limited() for _ in range(12)])))
        sizes = [
            len(received(accepted(node.call("ReceiveMessage", receive(TOPIC, "group", batch_size=100)))))
            for _ in range(3)
        ]
    assert sizes == [5, 5, 2], sizes


def in_flight(cluster, _):
    """a message that would pass it -> TOO_MANY_REQUESTS"""
    good = send(limited(body=b"b" * 8_000))
    bad = [send(limited(body=b"b" * 20_000)), send(limited(body=b"b" * 100_000))]  # small requests, and large ones
    reach_with(cluster, "TOO_MANY_REQUESTS", "limits.send-bytes-in-flight", good, bad)


def tail_cache(cluster, _):
    """messages that left it are read from the disk, byte for byte"""
    cluster.create_topic(TOPIC, "--queues", "1")
    bodies = [bytes([number]) * 65_000 for number in range(64)]
    with Node(cluster.broker.address) as node:
        for one in bodies:
            accepted(node.call("SendMessage", send(limited(body=one))))
        got = []
        for _ in range(20):  # at least 4 messages fit one answer
            answer = accepted(node.call("ReceiveMessage", receive(TOPIC, "late", batch_size=32)))
            got += [one.body for one in received(answer)]
            if len(got) >= len(bodies):
                break
    assert got == bodies, f"{len(got)} messages came, {sum(a == b for a, b in zip(got, bodies))} of them right"


REQUEST_LIMITS = {
    "limits.body-bytes=1000B": body,
    "limits.properties=2": properties,
    "limits.properties-bytes=10B": properties_bytes,
    "limits.messages-per-request=3": messages_per_request,
    "limits.request-bytes=64KiB": request_bytes,
    "limits.receive-batch=5": receive_batch,
    "limits.send-bytes-in-flight=16KiB": in_flight,
    "store.tail-cache-bytes=1MiB": tail_cache,
}
