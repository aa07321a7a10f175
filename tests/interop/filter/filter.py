"""Consumers with SQL filters get what matches, and nothing else.

Usage: filter.py COMMAND…     (each starts one SDK's test client, see sdk_client.py)
"""

import pathlib
import re
import sys
import time

from mansio_cluster import Cluster
from report import Report
from sdk_client import SdkClient, assert_all_received

MESSAGES = 2000
TIMEOUT = 120  # seconds for any one step
# Each message has the property number, the tag interop and its body as key.
WANTED = "TAGS = 'interop' AND (number BETWEEN 500 AND 599 OR number = 7) AND nothing IS NULL AND KEYS ENDSWITH '7'"
EXPECTED = [7, *range(507, 600, 10)]


def name_of(command):
    return pathlib.Path(command[0]).name.rstrip("0123456789.")


def consume(cluster, command, kind, group, sql, count):
    return SdkClient(
        command, cluster.directory, kind, "--endpoint", cluster.broker.address, "--topic", "numbers",
        "--group", group, "--sql", sql, "--count", str(count),
    )


def produce(cluster, command):
    with SdkClient(
        command, cluster.directory, "produce", "--endpoint", cluster.broker.address, "--topic", "numbers",
        "--prefix", "n", "--count", str(MESSAGES),
    ) as producer:
        producer.await_event("ready", TIMEOUT)
        producer.await_event("done", TIMEOUT)
        return producer.sent


def matching(cluster, command, kind):
    """A consumer that is there before the messages, so that it waits while others are passed over."""
    group = f"{kind}-{name_of(command)}"
    with consume(cluster, command, kind, group, WANTED, len(EXPECTED)) as consumer:
        consumer.await_event("ready", TIMEOUT)
        sent = produce(cluster, command)
        assert len(sent) == MESSAGES, f"{len(sent)} messages were acknowledged"
        consumer.await_event("done", TIMEOUT)
    assert_all_received(consumer, [f"n-{number}" for number in EXPECTED])


def illegal(cluster, command):
    """The SDK's error has the code and the position."""
    with consume(cluster, command, "simple", f"wrong-{name_of(command)}", "number >", 1) as consumer:
        consumer.await_event("ready", TIMEOUT)
        deadline = time.monotonic() + TIMEOUT
        while not consumer.errors and time.monotonic() < deadline:
            time.sleep(0.05)
    text = " ".join(consumer.errors)
    assert re.search(r"ILLEGAL_FILTER_EXPRESSION.*at character 9", text), text


def main():
    report = Report()
    for text in sys.argv[1:]:
        command = text.split()
        name = name_of(command)
        for kind in ("simple", "push"):
            with report.case(f"{name}: a {kind} consumer gets {len(EXPECTED)} of {MESSAGES} messages"), Cluster(
                nameserver=False
            ) as cluster:
                cluster.create_topic("numbers")
                matching(cluster, command, kind)
        with report.case(f"{name}: a wrong expression"), Cluster(nameserver=False) as cluster:
            cluster.create_topic("numbers")
            illegal(cluster, command)
    report.finish()


if __name__ == "__main__":
    main()
