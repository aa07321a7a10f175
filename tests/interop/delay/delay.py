#!/usr/bin/env python3
"""Delayed messages by the official SDKs, and over crashes of the broker.

Usage: delay.py NAME|PRODUCER|CONSUMER…     (commands of an SDK; words separated by blanks)

A PRODUCER takes the arguments ENDPOINT EXACT_TOPIC PLAIN_TOPIC. It sends to EXACT_TOPIC the bodies "exact" and
"recalled", both due in some 10 s, and to PLAIN_TOPIC "level" with DELAY 1; recalls the second twice, and the first when
a line on its standard input says that it was delivered. It prints one JSON object a line: {"event": "sent", "body", "id", "due"} (milliseconds),
{"event": "recalled", "id"} and {"event": "refused", "text"}. A CONSUMER is a test client as in sdk_client.py.
"""

import contextlib
import functools
import json
import sys
import time

from delayed_producer import DelayedProducer
from mansio_cluster import Cluster
from report import Report
from sdk_client import SdkClient

START_TIMEOUT = 60  # seconds until a client must have started
LATE = 30  # seconds that a delivery may take beyond its time on a busy machine


def now_ms():
    return time.time() * 1000


class Arrivals:
    """When each body came, seen by a consumer of the SDK."""

    def __init__(self, consumer, topic, cluster):
        self._consumer = consumer
        self._arguments = ["push", "--endpoint", cluster.broker.address, "--topic", topic, "--group", f"{topic}-group"]
        self._cluster = cluster

    @contextlib.contextmanager
    def watching(self, count):
        with SdkClient(self._consumer, self._cluster.directory, *self._arguments, "--count", str(count)) as client:
            client.await_event("ready", START_TIMEOUT)
            yield client


def await_body(client, body, due):
    """Waits for a body that is due; asserts that it was not there before."""
    while now_ms() < due:
        assert body not in client.received or now_ms() >= due, f"{body} came {due - now_ms():.0f} ms early"
        time.sleep(0.005)
    while body not in client.received:
        assert now_ms() < due + LATE * 1000, f"{body} is {LATE} s late"
        time.sleep(0.01)


def sdk_delays_and_recalls(producer, consumer):
    with Cluster(nameserver=False) as cluster:
        cluster.create_topic("exact", "--type", "delay")
        cluster.create_topic("plain")
        with Arrivals(consumer, "exact", cluster).watching(2) as exact, Arrivals(consumer, "plain", cluster).watching(
            1
        ) as plain:
            with DelayedProducer(producer, cluster.directory, cluster.broker.address, "exact", "plain") as client:
                events = client.events(5)
                sent = {event["body"]: event for event in events if event["event"] == "sent"}
                answers = [event for event in events if event["event"] != "sent"]
                assert [event["event"] for event in answers] == ["recalled", "recalled"], answers
                assert {event["id"] for event in answers} == {sent["recalled"]["id"]}, answers
                await_body(plain, "level", sent["level"]["due"])
                await_body(exact, "exact", sent["exact"]["due"])
                client.proceed()
                (answer,) = client.events(1)
                assert answer["event"] == "refused", answer
            time.sleep(1)  # one delivery too many would come in this time
            assert dict(exact.received) == {"exact": 1}, exact.received
            assert dict(plain.received) == {"level": 1}, plain.received
        stats = cluster.mansio("delay", "stats")[0]
        assert (stats["pending"], stats["delivered"], stats["recalled"]) == (0, 2, 1), stats


def nothing_is_early(consumer):
    """A consumer that waits all the time sees each message at its time, in order of the times."""
    with Cluster(nameserver=False) as cluster:
        cluster.create_topic("exact", "--type", "delay", "--queues", "1")
        with Arrivals(consumer, "exact", cluster).watching(3) as client:
            start = now_ms()
            for body, seconds in (("c", 4), ("a", 2), ("b", 3)):
                cluster.mansio("message", "send", "exact", body, "--deliver-at", f"+{seconds}s")
            for body, seconds in (("a", 2), ("b", 3), ("c", 4)):
                await_body(client, body, start + seconds * 1000)
            client.await_event("done", START_TIMEOUT)
        assert sum(client.received.values()) == 3, client.received


def stored(cluster, topic):
    return cluster.mansio("topic", "describe", topic)["messages"]


def await_stored(cluster, topic, count, timeout=LATE):
    deadline = time.monotonic() + timeout
    while stored(cluster, topic) < count:
        assert time.monotonic() < deadline, f"only {stored(cluster, topic)} of {count} messages in {topic}"
        time.sleep(0.02)


def pending_over_crashes():
    """Overdue messages are delivered after the restart, the others at their time, each once."""
    with Cluster(nameserver=False) as cluster:
        cluster.create_topic("exact", "--type", "delay")
        cluster.mansio("message", "send", "exact", "soon-{n}", "--count", "20", "--deliver-at", "+3s")
        sent = time.monotonic()
        cluster.mansio("message", "send", "exact", "later", "--deliver-at", "+12s")
        cluster.broker.kill9()
        time.sleep(max(0, sent + 3.1 - time.monotonic()))  # now the 20 are overdue
        for _ in range(2):
            cluster.broker.start()
            await_stored(cluster, "exact", 20)
            count = stored(cluster, "exact")
            assert count == 20 or time.monotonic() > sent + 12, f"{count} messages in time for 20"
            cluster.broker.kill9()
        cluster.broker.start()
        pending = cluster.mansio("delay", "stats")[0]["pending"]
        assert pending == 1 or time.monotonic() > sent + 12, f"{pending} messages are pending, not 1"
        await_stored(cluster, "exact", 21, 12 + LATE)
        cluster.broker.restart()
        assert stored(cluster, "exact") == 21 and cluster.mansio("delay", "stats")[0]["pending"] == 0


def an_administrator_looks_and_cancels():
    with Cluster() as cluster:
        cluster.create_topic("exact", "--type", "delay")
        cluster.create_topic("plain")
        cluster.mansio("message", "send", "exact", "far", "--deliver-at", "+1h")
        cluster.mansio("message", "send", "plain", "level", "--delay-level", "5")
        for access_point in (cluster.broker, cluster.nameserver):
            endpoint = access_point.address
            stats = cluster.mansio("delay", "stats", endpoint=endpoint)[0]
            assert stats["pending"] == 2 and stats["pending_by_level"] == {"exact": 1, "5 (1m)": 1}, stats
            listed = cluster.mansio("delay", "list", endpoint=endpoint)
            assert [(entry["topic"], entry["level"]) for entry in listed] == [("plain", 5), ("exact", None)], listed
            only = cluster.mansio("delay", "list", "--topic", "exact", endpoint=endpoint)
            assert only == listed[1:], only
        for entry, endpoint in zip(listed, (cluster.broker.address, cluster.nameserver.address)):
            cancelled = cluster.mansio("delay", "cancel", entry["recall_handle"], endpoint=endpoint)
            assert cancelled["message_id"] == entry["message_id"], cancelled
        assert cluster.mansio("delay", "list") == []
        assert "SCHEDULE_TOPIC_XXXX" not in json.dumps(cluster.mansio("topic", "list"))


def main():
    sdks = [argument.split("|") for argument in sys.argv[1:]]
    report = Report()
    report.together([
        (
            f"{name}: by time and by level, recall",
            functools.partial(sdk_delays_and_recalls, producer.split(), consumer.split()),
        )
        for name, producer, consumer in sdks
    ])
    with report.case("a waiting consumer sees each message at its time"):
        nothing_is_early(sdks[0][2].split())
    for case in (pending_over_crashes, an_administrator_looks_and_cancels):
        with report.case(case.__name__.replace("_", " ")):
            case()
    report.finish()


main()
