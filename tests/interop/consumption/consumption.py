#!/usr/bin/env python3
"""Consumption by consumers of the official SDKs: attempts, back-off, dead letters, invisible times, groups.

Usage: consumption.py NAME|COMMAND…     (COMMAND starts the SDK's test client, see sdk_client.py)

Each case runs with all SDKs at the same time, each with topics and groups of its own.
"""

import concurrent.futures
import contextlib
import functools
import json
import os
import sys
import threading
import time

from mansio_cluster import Cluster
from raw_client import RawClient
from report import Report
from sdk_client import all_deliveries, assert_all_received, await_bodies, sdks_of

MESSAGES = 5
LOAD = 5000 if os.environ.get("MANSIO_LONG") == "1" else 500  # messages of the cases under load
PATIENCE = 180  # seconds until something must have happened
# A simple consumer's invisible time begins when the broker hands the message out, which a busy client notices later.
NOTICED = 5  # seconds
# The Node.js SDK knows no list of waits and asks for the next delivery at once.
WITHOUT_BACK_OFF = ("Node.js",)


def send(cluster, topic, count=MESSAGES):
    bodies = [f"{topic}-{number}" for number in range(count)]
    client = RawClient(cluster.broker.address)
    for body in bodies:
        client.send(topic, body.encode())
    client.close()
    return bodies


def await_dead_letters(cluster, group, endpoint, bodies):
    deadline = time.monotonic() + PATIENCE
    while len(letters := cluster.mansio("dlq", "list", group, endpoint=endpoint)) < len(bodies):
        assert time.monotonic() < deadline, f"only {len(letters)} dead letters after {PATIENCE} s: {letters}"
        time.sleep(0.5)
    return letters


def deliveries_by_body(consumer):
    found = {}
    for delivery in consumer.deliveries():
        found.setdefault(delivery.body, []).append(delivery)
    return found


def check_deliveries(consumer, bodies, attempts, least_waits=()):
    """Each message came exactly `attempts` times, and no earlier than the waits say."""
    deliveries = deliveries_by_body(consumer)
    assert sorted(deliveries) == sorted(bodies), f"deliveries of {sorted(deliveries)}"
    for body, seen in deliveries.items():
        assert [one.attempt for one in seen] == list(range(1, attempts + 1)), f"{body} came as {seen}"
        waits = [after.at - before.at for before, after in zip(seen, seen[1:])]
        for wait, least in zip(waits, least_waits):
            assert wait >= least - 0.1, f"{body} came after {waits}, not {least_waits}"


def check_letters(letters, bodies, topic, attempts, reason):
    assert len(letters) == len(bodies), f"{len(letters)} dead letters"
    for letter in letters:
        assert letter["attempts"] == attempts and letter["reason"] == reason, letter
        assert letter["origin"].startswith(f"{topic}/"), letter


def waits_of(sdk, *waits):
    return () if sdk.name in WITHOUT_BACK_OFF else waits


def push_consumer_fails(cluster, access_point, sdk):
    """The SDK waits as the group's list says, and the broker gives the message up after the last attempt."""
    endpoint = getattr(cluster, access_point).address
    topic = group = f"failing-{access_point}-{sdk.key}"
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--max-attempts", "3", "--backoff", "1s,2s", "--start", "earliest")
    bodies = send(cluster, topic)
    with sdk.consumer(cluster, "push", topic, group, endpoint, fail="*") as consumer:
        letters = await_dead_letters(cluster, group, endpoint, bodies)
        time.sleep(3)  # one delivery too many would come in this time
        check_deliveries(consumer, bodies, 3, waits_of(sdk, 1, 2))
    check_letters(letters, bodies, topic, 3, "attempts")
    shown = cluster.mansio("dlq", "show", group, letters[0]["message_id"], endpoint=endpoint)
    assert shown["body"] in bodies, shown
    listed = json.dumps(cluster.mansio("topic", "list", endpoint=endpoint))
    assert "%RETRY%" not in listed and "%DLQ%" not in listed, listed
    listed = json.dumps(cluster.mansio("topic", "list", "--system", endpoint=endpoint))
    assert f"%RETRY%{group}" in listed and f"%DLQ%{group}" in listed, listed


def group_is_altered(cluster, sdk):
    """Fewer attempts hold for what is on its way already."""
    topic = group = f"altered-{sdk.key}"
    endpoint = cluster.nameserver.address
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--backoff", "1s", "--start", "earliest")
    altered = cluster.mansio("group", "alter", group, "--max-attempts", "2", "--backoff", "exponential")
    assert altered["max_attempts"] == 2 and altered["backoff"].startswith("exponential 5s"), altered
    cluster.mansio("group", "alter", group, "--backoff", "3s")
    bodies = send(cluster, topic)
    with sdk.consumer(cluster, "push", topic, group, endpoint, fail="*") as consumer:
        await_dead_letters(cluster, group, endpoint, bodies)
        check_deliveries(consumer, bodies, 2, waits_of(sdk, 3))


def invisible_time_is_shortened(cluster, sdk):
    """A simple consumer that asks for less time gets the message again after that, and not after the first time."""
    topic = group = f"shortened-{sdk.key}"
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--max-attempts", "3", "--start", "earliest")
    bodies = send(cluster, topic)
    with sdk.consumer(cluster, "simple", topic, group, fail="*", invisible=600, change=6) as consumer:
        letters = await_dead_letters(cluster, group, cluster.broker.address, bodies)
        check_deliveries(consumer, bodies, 3, (6 - NOTICED, 6 - NOTICED))
    check_letters(letters, bodies, topic, 3, "attempts")


def invisible_time_is_extended(cluster, sdk):
    """A simple consumer that asks for more time keeps the message, and its new handle is good."""
    topic = group = f"extended-{sdk.key}"
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--start", "earliest")
    bodies = send(cluster, topic, 3)
    options = {"invisible": 10, "change": 120, "work": 12000, "batch": 1, "receivers": len(bodies)}
    with sdk.consumer(cluster, "simple", topic, group, count=len(bodies), **options) as consumer:
        consumer.await_event("done", PATIENCE)
        check_deliveries(consumer, bodies, 1)
        assert not consumer.errors, consumer.errors
    described = cluster.mansio("group", "describe", group)
    assert (described["ready"], described["in_flight"]) == (0, 0), described


def never_acknowledged(cluster, crash, sdk):
    """The invisible time is the wait; a crash of the broker forgets neither attempts nor deadlines."""
    topic = group = f"never-acknowledged-{sdk.key}"
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--max-attempts", "2", "--start", "earliest")
    bodies = send(cluster, topic)
    with sdk.consumer(cluster, "simple", topic, group, fail="*", invisible=10) as consumer:
        await_bodies(bodies, consumer, timeout=PATIENCE)
        crash.wait()
        letters = await_dead_letters(cluster, group, cluster.broker.address, bodies)
        check_deliveries(consumer, bodies, 2, (10 - NOTICED,))
    check_letters(letters, bodies, topic, 2, "attempts")


def several_groups(cluster, sdk):
    """Each group gets every message, whichever other groups there are; one that comes late, too."""
    topic = f"shared-{sdk.key}"
    cluster.create_topic(topic)
    groups = [f"{topic}-{name}" for name in ("push", "simple", "late")]
    for group in groups:
        cluster.mansio("group", "create", group, "--start", "earliest")
    with sdk.consumer(cluster, "push", topic, groups[0], count=LOAD) as push:
        with sdk.consumer(cluster, "simple", topic, groups[1], count=LOAD) as simple:
            bodies = send(cluster, topic, LOAD)
            for consumer in (push, simple):
                consumer.await_event("done", PATIENCE)
                assert_all_received(consumer, bodies)
    with sdk.consumer(cluster, "simple", topic, groups[2], count=LOAD) as late:
        late.await_event("done", PATIENCE)
        assert_all_received(late, bodies)


def consumers_come_and_go(cluster, sdks, sdk):
    """Under load consumers join and leave, of other SDKs, too: each message reaches one of them."""
    topic = group = f"coming-{sdk.key}"
    cluster.create_topic(topic)
    cluster.mansio("group", "create", group, "--start", "earliest")
    other, third = (sdks[(sdks.index(sdk) + step) % len(sdks)] for step in (1, 2))
    with concurrent.futures.ThreadPoolExecutor(1) as background, contextlib.ExitStack() as online:

        def join(member, kind):
            return online.enter_context(member.consumer(cluster, kind, topic, group, work=5))

        load = background.submit(send, cluster, topic, LOAD)
        consumers = [join(sdk, "push")]
        consumers.append(join(other, "simple"))
        consumers[0].leave()
        consumers.append(join(third, "push"))
        consumers.append(join(sdk, "simple"))
        consumers[1].leave()
        bodies = load.result()
        await_bodies(bodies, *consumers, timeout=PATIENCE)
        again = len(all_deliveries(*consumers)) - len(bodies)
    # Only what those that left still held may have come again.
    assert again <= 2 * 256, f"{again} deliveries were repeated"


def main():
    report = Report()
    sdks = sdks_of(sys.argv[1:])

    def each(what, case, *arguments):
        return [(f"{sdk.name}: {what}", functools.partial(case, *arguments, sdk)) for sdk in sdks]

    with Cluster(durability="async") as cluster:
        report.together([
            *each("a failing push consumer", push_consumer_fails, cluster, "broker"),
            *each("a group whose attempts and back-off are altered", group_is_altered, cluster),
            *each("an invisible time that is shortened", invisible_time_is_shortened, cluster),
            *each("an invisible time that is extended", invisible_time_is_extended, cluster),
        ])
        with report.case("a failing push consumer through the nameserver"):
            push_consumer_fails(cluster, "nameserver", sdks[0])
        report.together(each("several groups on one topic", several_groups, cluster))
        report.together(each("consumers join and leave under load", consumers_come_and_go, cluster, sdks))

        def crash():
            cluster.broker.kill9()
            cluster.broker.start()

        together = threading.Barrier(len(sdks), crash, PATIENCE)
        report.together(
            each("a simple consumer that never acknowledges, over a crash", never_acknowledged, cluster, together)
        )
    report.finish()


main()
