#!/usr/bin/env python3
"""FIFO groups: nothing out of order within a message group, and nothing that holds up the others.

Usage: fifo.py NAME|COMMAND…     (COMMAND starts the SDK's test client, see sdk_client.py)

Each case runs with all SDKs at the same time, each with a topic and a group of its own.
"""

import collections
import concurrent.futures
import contextlib
import functools
import sys
import threading
import time

import grpc

from mansio_cluster import Cluster
from raw_client import RawClient, Refused
from report import Report
from sdk_client import all_deliveries, await_bodies, sdks_of

PATIENCE = 180  # seconds until something must have happened
# What one SDK does otherwise: a list of waits means nothing to Node.js, which then gives a message up at once. Only
# Python consumes the message groups of one receive side by side.
NO_LIST_OF_WAITS = ("Node.js",)
GROUPS_SIDE_BY_SIDE = ("Python",)


def send(cluster, topic, message_group, numbers):
    """Sends "GROUP-NUMBER" messages of one group one after the other, each until it is acknowledged."""
    client = RawClient(cluster.broker.address)
    bodies = []
    for number in numbers:
        body = f"{message_group}-{number}"
        while True:
            try:
                client.send(topic, body.encode(), message_group)
                break
            except (grpc.RpcError, Refused):
                time.sleep(0.2)
        bodies.append(body)
    client.close()
    return bodies


def send_all(cluster, topic, groups, numbers):
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        parts = pool.map(lambda group: send(cluster, topic, group, numbers), groups)
        return [body for part in parts for body in part]


def check_order(deliveries):
    """In each message group, no message comes before the one before it has come. (One that lost its consumer comes
    again, and its old consumer may still be at it.) Returns how many came again."""
    newest = collections.defaultdict(lambda: -1)
    again = 0
    for delivery in deliveries:
        group, number = delivery.body.rsplit("-", 1)
        assert int(number) <= newest[group] + 1, f"{delivery} came after {group}-{newest[group]}"
        again += int(number) <= newest[group]
        newest[group] = max(newest[group], int(number))
    return again


def create(cluster, name, *options, queues=4):
    cluster.create_topic(name, "--type", "fifo", "--queues", str(queues))
    made = cluster.mansio("group", "create", name, "--fifo", "--start", "earliest", *options)
    assert made["mode"].startswith("fifo"), made


def consumers_join_and_leave(cluster, sdks, sdk):
    """Under load one consumer says goodbye and one is killed; others join, of other SDKs, too. They get its share."""
    name = f"coming-{sdk.key}"
    groups = [f"g{number}" for number in range(8)]
    create(cluster, name)
    other, third = (sdks[(sdks.index(sdk) + step) % len(sdks)] for step in (1, 2))
    with concurrent.futures.ThreadPoolExecutor(1) as background, contextlib.ExitStack() as online:

        def join(member, kind="push"):
            return online.enter_context(member.consumer(cluster, kind, name, name, work=10))

        consumers = [join(sdk)]
        load = background.submit(send_all, cluster, name, groups, range(120))
        await_bodies(["g0-10"], *consumers, timeout=PATIENCE)
        consumers += [join(other), join(third, "simple")]
        await_bodies(["g0-30"], *consumers, timeout=PATIENCE)
        consumers[0].leave()
        await_bodies(["g1-50"], *consumers, timeout=PATIENCE)
        consumers[1].kill9()
        consumers.append(join(sdk))
        await_bodies(load.result(), *consumers, timeout=PATIENCE)
        deliveries = all_deliveries(*consumers)
    again = check_order(deliveries)
    # Only what the two that went away held may have come again.
    assert again <= 2 * 32 * len(groups), f"{again} of {len(deliveries)} deliveries were repeated"


def broker_crashes(cluster, crash, sdk):
    """The order and what is acknowledged survive kill -9 of the broker."""
    name = f"over-a-crash-{sdk.key}"
    groups = [f"g{number}" for number in range(8)]
    create(cluster, name)
    with concurrent.futures.ThreadPoolExecutor(1) as background, sdk.consumer(
        cluster, "push", name, name, work=5
    ) as consumer:
        load = background.submit(send_all, cluster, name, groups, range(100))
        await_bodies(["g0-20"], consumer, timeout=PATIENCE)
        crash.wait()
        await_bodies(load.result(), consumer, timeout=PATIENCE)
        check_order(consumer.deliveries())


def push_consumer_poisoned(cluster, sdk):
    """The SDK gives the poisoned message up after the group's attempts; its group waits so long, and others do not."""
    name = f"poisoned-{sdk.key}"
    backoff = "exponential" if sdk.name in NO_LIST_OF_WAITS else "5s"
    create(cluster, name, "--max-attempts", "3", "--backoff", backoff, queues=1)
    bodies = send_all(cluster, name, ["sick", "sound", "well"], range(20))
    with sdk.consumer(cluster, "push", name, name, fail="sick-5") as consumer:
        await_bodies(bodies, consumer, timeout=PATIENCE)
        letters = cluster.mansio("dlq", "list", name)
        deliveries = consumer.deliveries()
    assert [letter["reason"] for letter in letters] == ["forwarded"], letters
    check_order(deliveries)
    tries = [d.at for d in deliveries if d.body == "sick-5"]
    assert len(tries) == 3, f"the poisoned message was tried {len(tries)} times"
    after = min(d.at for d in deliveries if d.body == "sick-6")
    assert after > max(tries), "the group went on before its poisoned message was given up"
    if sdk.name in GROUPS_SIDE_BY_SIDE:
        held_up = [d.body for d in deliveries if not d.body.startswith("sick") and d.at > after]
        assert not held_up, f"{held_up} had to wait for another message group"


def simple_consumer_poisoned(cluster, sdk):
    """Without any help of the client the broker gives the poisoned head up, and the acks behind it count."""
    name = f"given-up-{sdk.key}"
    create(cluster, name, "--max-attempts", "2", queues=1)
    bodies = send(cluster, name, "g", range(7))
    with sdk.consumer(cluster, "simple", name, name, fail="g-0", batch=3, invisible=10) as consumer:
        await_bodies(bodies, consumer, timeout=PATIENCE)
        deliveries = consumer.deliveries()
    letters = cluster.mansio("dlq", "list", name)
    assert [(letter["attempts"], letter["reason"]) for letter in letters] == [(2, "attempts")], letters
    check_order(deliveries)
    counts = collections.Counter(d.body for d in deliveries)
    assert [counts[f"g-{n}"] for n in range(7)] == [2, 2, 2, 1, 1, 1, 1], counts


def acked_successors_come_again(cluster, sdk):
    """What the end-to-end tests of the SDKs ask for: only the first batch is ever seen, and all of it again."""
    name = f"multi-nack-{sdk.key}"
    create(cluster, name)
    send(cluster, name, "g", range(20))
    with sdk.consumer(cluster, "simple", name, name, fail="g-0", batch=3, invisible=10) as consumer:
        deadline = time.monotonic() + PATIENCE
        # When the head comes a third time, acknowledged successors have come and gone twice.
        while (seen := sum(one.body == "g-0" for one in consumer.deliveries())) < 3:
            assert time.monotonic() < deadline, f"the head came {seen} times"
            time.sleep(0.2)
        counts = collections.Counter(delivery.body for delivery in consumer.deliveries())
    assert sorted(counts) == ["g-0", "g-1", "g-2"], counts
    assert min(counts.values()) >= 2, counts


def reset_while_online(cluster, sdk):
    """What a group has consumed comes again, in order, to the push consumer that is online."""
    name = f"moved-{sdk.key}"
    create(cluster, name)
    groups = [f"g{number}" for number in range(4)]
    with sdk.consumer(cluster, "push", name, name) as consumer:
        bodies = send_all(cluster, name, groups, range(25))
        await_bodies(bodies, consumer, timeout=PATIENCE)
        seen = len(consumer.deliveries())
        check_order(consumer.deliveries())
        cluster.mansio("group", "reset", name, "--topic", name, "--to", "earliest")
        deadline = time.monotonic() + PATIENCE
        while set(bodies) != {delivery.body for delivery in consumer.deliveries()[seen:]}:
            assert time.monotonic() < deadline, f"only {len(consumer.deliveries()) - seen} messages came again"
            time.sleep(0.1)
        again = consumer.deliveries()[seen:]
    assert len(again) == len(bodies) and check_order(again) == 0, "messages came twice after the reset"
    assert {delivery.attempt for delivery in again} == {1}, "the attempts of before were not forgotten"


def broadcast_in_order(cluster, sdks):
    """Each client of a FIFO broadcast group gets every message group in order, one that comes late, too."""
    create(cluster, "casts", "--broadcast")
    groups = [f"g{number}" for number in range(4)]
    with contextlib.ExitStack() as online:
        consumers = [
            online.enter_context(sdk.consumer(cluster, "push", "casts", "casts", work=2)) for sdk in sdks
        ]
        bodies = send_all(cluster, "casts", groups, range(25))
        late = online.enter_context(sdks[0].consumer(cluster, "simple", "casts", "casts", batch=5))
        for consumer in [*consumers, late]:
            await_bodies(bodies, consumer, timeout=PATIENCE)
            deliveries = consumer.deliveries()
            assert len(deliveries) == len(bodies), f"{len(deliveries)} deliveries of {len(bodies)} messages"
            check_order(deliveries)


def main():
    report = Report()
    sdks = sdks_of(sys.argv[1:])

    def each(what, case, *arguments):
        return [(f"{sdk.name}: {what}", functools.partial(case, *arguments, sdk)) for sdk in sdks]

    with Cluster() as cluster:
        report.together(
            each("consumers join, leave and are killed under load", consumers_join_and_leave, cluster, sdks)
        )
        report.together([
            *each("a push consumer with a poisoned message", push_consumer_poisoned, cluster),
            *each("a simple consumer with a poisoned message", simple_consumer_poisoned, cluster),
            *each("acknowledged successors come again with their head", acked_successors_come_again, cluster),
            *each("a reset while the consumer is online", reset_while_online, cluster),
            ("each client of a broadcast group has the order", functools.partial(broadcast_in_order, cluster, sdks)),
        ])

        def crash():
            cluster.broker.kill9()
            cluster.broker.start()

        together = threading.Barrier(len(sdks), crash, PATIENCE)
        report.together(each("the broker crashes under load", broker_crashes, cluster, together))
    report.finish()


main()
