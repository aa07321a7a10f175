"""Consumers with SQL filters get what matches, and nothing else.

Usage: filter.py NAME|COMMAND…     (COMMAND starts the SDK's test client, see sdk_client.py)
"""

import functools
import re
import sys
import time

from mansio_cluster import Cluster
from report import Report
from sdk_client import assert_all_received, sdks_of

MESSAGES = 2000
TIMEOUT = 120  # seconds for any one step
# Each message has the property number, the tag interop and its body as key.
WANTED = "TAGS = 'interop' AND (number BETWEEN 500 AND 599 OR number = 7) AND nothing IS NULL AND KEYS ENDSWITH '7'"
EXPECTED = [7, *range(507, 600, 10)]


def matching(cluster, sdk, kind):
    """A consumer that is there before the messages, so that it waits while others are passed over."""
    topic = group = f"numbers-{kind}-{sdk.key}"
    cluster.create_topic(topic)
    with sdk.consumer(cluster, kind, topic, group, sql=WANTED, count=len(EXPECTED)) as consumer:
        with sdk.client(cluster, "produce", topic, prefix="n", count=MESSAGES) as producer:
            producer.await_event("done", TIMEOUT)
            assert len(producer.sent) == MESSAGES, f"{len(producer.sent)} messages were acknowledged"
        consumer.await_event("done", TIMEOUT)
    assert_all_received(consumer, [f"n-{number}" for number in EXPECTED])


def illegal(cluster, sdk):
    """The SDK's error has the code and the position."""
    topic = group = f"wrong-{sdk.key}"
    cluster.create_topic(topic)
    with sdk.consumer(cluster, "simple", topic, group, sql="number >") as consumer:
        deadline = time.monotonic() + TIMEOUT
        while not consumer.errors and time.monotonic() < deadline:
            time.sleep(0.05)
    text = " ".join(consumer.errors)
    assert re.search(r"ILLEGAL_FILTER_EXPRESSION.*at character 9", text), text


def main():
    report = Report()
    sdks = sdks_of(sys.argv[1:])
    with Cluster(nameserver=False) as cluster:
        for kind in ("simple", "push"):
            what = f"a {kind} consumer gets {len(EXPECTED)} of {MESSAGES} messages"
            report.together([(f"{sdk.name}: {what}", functools.partial(matching, cluster, sdk, kind)) for sdk in sdks])
        report.together([(f"{sdk.name}: a wrong expression", functools.partial(illegal, cluster, sdk)) for sdk in sdks])
    report.finish()


if __name__ == "__main__":
    main()
