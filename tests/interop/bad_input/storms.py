"""Floods of receives that wait, storms of calls that are cancelled or out of time, and handles by the thousand.

Whatever clients do, the broker's memory stays bounded, every message reaches somebody, and no acknowledgement is wrong.
"""

import collections
import functools
import random
import threading
import time

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from raw_client import RawClient
from table import check
from wire import Node, ack, handles, message, metadata, receive, resource, seconds, send

PARKED = 3000  # receives that wait at the same time
MESSAGES = 200
STORM_SECONDS = 4
STORMERS = 8
PATIENCE = 120  # seconds until something must have happened


def resident_bytes(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def run_storms(report, cluster, broker):
    with report.case(f"{PARKED} receives wait: one message wakes one, and a cancellation leaves nothing behind"):
        parked_flood(cluster)
    report.together([
        (
            f"a storm of cancelled receives of a {kind} group: each message reaches somebody",
            functools.partial(cancel_storm, cluster, kind),
        )
        for kind in ("normal", "fifo")
    ])
    with report.case("receives and acknowledgements whose time is up when they arrive"):
        out_of_time(cluster)
    with report.case("20,000 entries in an acknowledgement: one is right"):
        many_handles(cluster, broker)
    with report.case("each letter of a handle counts"):
        every_letter(cluster, broker)


def parked_flood(cluster):
    """The first flood is cancelled; of the second, one receive gets the message and the others find nothing."""
    cluster.create_topic("flood")
    cluster.mansio("group", "create", "flooded", "--start", "earliest")
    with Node(cluster.broker.address) as one, Node(cluster.broker.address) as two, Node(
        cluster.broker.address
    ) as three:
        nodes = (one, two, three)
        before = resident_bytes(cluster.broker)

        def park(polling):
            request = receive("flood", "flooded", long_polling_timeout=polling, invisible_duration=seconds(600))
            return [
                nodes[number % 3].stub.ReceiveMessage(request, metadata=metadata(f"flood-{number % 100}"), timeout=60)
                for number in range(PARKED)
            ]

        for call in park(seconds(20)):
            call.cancel()
        for node in nodes:  # behind the cancellations on its connection
            check(node.call("QueryRoute", service.QueryRouteRequest(topic=resource("flood"))), "OK")
        waiting = park(seconds(9))
        client = RawClient(cluster.broker.address)
        sent, _ = client.send("flood", b"one")
        counts = collections.Counter()
        for call in waiting:
            elements = list(call)
            counts[definition.Code.Name(elements[0].status.code)] += 1
            for element in elements:
                if element.WhichOneof("content") == "message":
                    system = element.message.system_properties
                    assert (system.message_id, system.delivery_attempt) == (sent, 1), element.message
        client.close()
        grown = resident_bytes(cluster.broker) - before
    assert counts == {"OK": 1, "MESSAGE_NOT_FOUND": PARKED - 1}, counts
    assert grown < 128 << 20, f"the broker took {grown >> 20} MiB more"


def cancel_storm(cluster, kind):
    """Receives that are cancelled at once or a little later; then a calm consumer gets everything, once."""
    topic = group = f"storm-{kind}"
    cluster.create_topic(topic, *(("--type", "fifo") if kind == "fifo" else ()), "--queues", "2")
    cluster.mansio("group", "create", group, "--start", "earliest", *(("--fifo",) if kind == "fifo" else ()))
    client = RawClient(cluster.broker.address, client_id=f"{group}-calm")
    ids = [
        client.send(topic, f"{number}".encode(), f"g{number % 5}" if kind == "fifo" else None)[0]
        for number in range(MESSAGES)
    ]
    # What was written to a call just before it was cancelled comes again after this time.
    request = receive(topic, group, batch_size=32, invisible_duration=seconds(10))
    end = time.monotonic() + STORM_SECONDS

    def storm(number):
        with Node(cluster.broker.address) as node:
            while time.monotonic() < end:
                call = node.stub.ReceiveMessage(request, metadata=metadata(f"storm-{number}"), timeout=20)
                time.sleep(random.choice((0, 0, 0.001, 0.003)))
                call.cancel()

    stormers = [threading.Thread(target=storm, args=(number,)) for number in range(STORMERS)]
    for stormer in stormers:
        stormer.start()
    for stormer in stormers:
        stormer.join()
    got = []
    deadline = time.monotonic() + PATIENCE
    while len(got) < MESSAGES:
        assert time.monotonic() < deadline, f"{len(got)} of {MESSAGES} messages came"
        messages = client.receive(topic, group, invisible_seconds=600)
        assert client.ack(topic, group, messages) == messages, "an acknowledgement of a fresh lease was refused"
        got += messages
    assert sorted(one.id for one in got) == sorted(ids), "messages came twice although they were acknowledged"
    if kind == "fifo":
        for number in range(5):
            order = [int(one.body) for one in got if int(one.body) % 5 == number]
            assert order == sorted(order), f"message group {number} came as {order}"
    described = cluster.mansio("group", "describe", group)
    assert (described["ready"], described["in_flight"]) == (0, 0), described
    client.close()


def out_of_time(cluster):
    """A deadline of a millisecond, or none at all that could be kept; the next call finds everything as it was."""
    topic = group = "hasty"
    cluster.create_topic(topic, "--queues", "1")
    client = RawClient(cluster.broker.address)
    for number in range(20):
        client.send(topic, f"{number}".encode())
    held = client.receive(topic, group, batch=10, invisible_seconds=600)
    codes = set()
    with Node(cluster.broker.address) as node:
        for number in range(300):
            for rpc, request in (
                ("ReceiveMessage", receive(topic, group)),
                ("AckMessage", ack(held[number % 5].handle, topic=topic, group=group)),
            ):
                try:
                    node.call(rpc, request, timeout=random.choice((0.001, 1e-9)))
                except grpc.RpcError as error:
                    codes.add(error.code())
    assert codes <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}, codes
    # Each of the five was acknowledged once or not at all; the others are as they were.
    assert client.ack(topic, group, held[5:]) == held[5:]
    client.ack(topic, group, held[:5])
    rest = client.receive(topic, group, invisible_seconds=600)
    assert sorted(int(one.body) for one in rest) == list(range(10, 20)), rest
    assert client.ack(topic, group, rest) == rest
    client.close()


def many_handles(cluster, broker):
    """The same good handle and thousands of bad ones in one request."""
    topic = group = "entries"
    cluster.create_topic(topic, "--queues", "1")
    check(broker.call("SendMessage", send(message(topic), message(topic))), "OK")
    good, untouched = handles(broker.call("ReceiveMessage", receive(topic, group, batch_size=2)))
    answer = broker.call("AckMessage", ack(*[good, "no handle"] * 10000, topic=topic, group=group), timeout=60)
    check(answer, "MULTIPLE_RESULTS")
    codes = collections.Counter(definition.Code.Name(entry.status.code) for entry in answer.response.entries)
    assert codes == {"OK": 1, "INVALID_RECEIPT_HANDLE": 19999}, codes
    check(broker.call("AckMessage", ack(untouched, topic=topic, group=group)), "OK")


def every_letter(cluster, broker):
    """A handle with any one letter changed, or cut anywhere, is none; the lease lives on.

    One whose change makes it name another broker is passed on, and that broker cannot be reached.
    """
    topic = group = "letters"
    cluster.create_topic(topic, "--queues", "1")
    check(broker.call("SendMessage", send(message(topic))), "OK")
    (good,) = handles(broker.call("ReceiveMessage", receive(topic, group)))
    bad = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(len(good))]
    bad += [good[:at] for at in range(len(good))]
    answer = broker.call("AckMessage", ack(*bad, topic=topic, group=group))
    check(answer, "MULTIPLE_RESULTS")
    codes = [definition.Code.Name(entry.status.code) for entry in answer.response.entries]
    assert len(codes) == len(bad) and set(codes) == {"INVALID_RECEIPT_HANDLE", "INTERNAL_SERVER_ERROR"}, set(codes)
    unreachable = [at for at, code in enumerate(codes) if code == "INTERNAL_SERVER_ERROR"]
    assert max(unreachable) < (2 + len("broker-a")) * 4 / 3, f"{unreachable} name another broker"
    check(broker.call("AckMessage", ack(good, topic=topic, group=group)), "OK")
    described = cluster.mansio("group", "describe", group)
    assert (described["ready"], described["in_flight"]) == (0, 0), described
