#!/usr/bin/env python3
"""What every official SDK must be able to do with Mansio, with its default settings.

Usage: sdk_suite.py COMMAND…     (COMMAND starts the SDK's test client, see sdk_client.py)

For each access point (broker, nameserver): a producer, a push consumer and a simple consumer pass
10,000 messages, none missing. Then: the nameserver dies after the clients have started; the broker restarts under
running clients; a push consumer in a FIFO group gets each message group in order. Then transactions.
MANSIO_INTEROP_MESSAGES changes the 10,000.
"""

import contextlib
import os
import sys
import time

from mansio_cluster import Cluster
from raw_client import RawClient
from report import Report
from sdk_client import SdkClient, assert_all_received
from transactions import Transactions

MESSAGES = int(os.environ.get("MANSIO_INTEROP_MESSAGES", "10000"))
FIFO_MESSAGES = 1000
FIFO_GROUPS = 20
START_TIMEOUT = 60  # seconds until a client must have started
WORK_TIMEOUT = 400  # seconds until a client must have passed all its messages


class SdkSuite:
    """The cases, for the SDK whose test client the command starts."""

    def __init__(self, command):
        self._command = command

    @contextlib.contextmanager
    def _client(self, cluster, *arguments):
        with SdkClient(self._command, cluster.directory, *arguments) as client:
            client.await_event("ready", START_TIMEOUT)
            yield client

    def _produce(self, cluster, endpoint, topic, *options):
        arguments = ["--endpoint", endpoint, "--topic", topic, "--prefix", topic, "--count", str(MESSAGES)]
        return self._client(cluster, "produce", *arguments, *options)

    def _consume(self, kind, cluster, endpoint, topic):
        arguments = ["--endpoint", endpoint, "--topic", topic, "--group", f"{topic}-{kind}", "--count", str(MESSAGES)]
        return self._client(cluster, kind, *arguments)

    def pass_messages(self, access_point):
        """The push consumer runs while messages arrive, the simple consumer finds them all there."""
        with Cluster() as cluster:
            endpoint = getattr(cluster, access_point).address
            topic = f"through-{access_point}"
            cluster.create_topic(topic)
            with self._consume("push", cluster, endpoint, topic) as push:
                with self._produce(cluster, endpoint, topic) as producer:
                    producer.await_event("done", WORK_TIMEOUT)
                assert len(producer.sent) == MESSAGES, f"{len(producer.sent)} messages were acknowledged"
                with self._consume("simple", cluster, endpoint, topic) as simple:
                    simple.await_event("done", WORK_TIMEOUT)
                push.await_event("done", WORK_TIMEOUT)
            assert_all_received(push, producer.sent)
            assert_all_received(simple, producer.sent)

    def nameserver_dies(self):
        """Clients that have started through the nameserver go on without it."""
        with Cluster() as cluster:
            endpoint = cluster.nameserver.address
            topic = "without-nameserver"
            cluster.create_topic(topic)
            with self._consume("push", cluster, endpoint, topic) as push, self._consume(
                "simple", cluster, endpoint, topic
            ) as simple, self._produce(cluster, endpoint, topic, "--pause-at", str(MESSAGES // 10)) as producer:
                producer.await_event("paused", WORK_TIMEOUT)
                cluster.nameserver.kill9()
                producer.proceed()
                self._await_all(producer, simple, push)

    def broker_restarts(self):
        """Clients that outlive an orderly restart of the broker go on by themselves and miss nothing."""
        with Cluster() as cluster:
            endpoint = cluster.broker.address
            topic = "over-a-restart"
            cluster.create_topic(topic)
            with self._consume("push", cluster, endpoint, topic) as push, self._consume(
                "simple", cluster, endpoint, topic
            ) as simple, self._produce(cluster, endpoint, topic, "--pause-at", str(MESSAGES // 2)) as producer:
                producer.await_event("paused", WORK_TIMEOUT)
                cluster.broker.restart()
                producer.proceed()
                self._await_all(producer, simple, push)

    def fifo_group(self):
        """Each message of a message group comes once, after the one before it."""
        with Cluster() as cluster:
            endpoint, topic = cluster.broker.address, "in-order"
            cluster.create_topic(topic, "--type", "fifo")
            cluster.mansio("group", "create", f"{topic}-push", "--fifo", "--start", "earliest")
            bodies = [f"g{number % FIFO_GROUPS}-{number // FIFO_GROUPS}" for number in range(FIFO_MESSAGES)]
            with self._client(
                cluster, "push", "--endpoint", endpoint, "--topic", topic, "--group", f"{topic}-push",
                "--count", str(FIFO_MESSAGES),
            ) as push:
                sender = RawClient(endpoint)
                for body in bodies:
                    sender.send(topic, body.encode(), body.split("-")[0])
                sender.close()
                push.await_event("done", WORK_TIMEOUT)
            assert_all_received(push, bodies)
            repeated = [body for body, count in push.received.items() if count > 1]
            assert not repeated, f"came more than once: {repeated[:5]}"
            newest = {}
            for body in push.received:  # in the order of their first delivery
                group, number = body.split("-")
                assert int(number) == newest.get(group, -1) + 1, f"{body} came after {group}-{newest.get(group)}"
                newest[group] = int(number)

    def _await_all(self, producer, *consumers):
        producer.await_event("done", WORK_TIMEOUT)
        deadline = time.monotonic() + WORK_TIMEOUT
        for consumer in consumers:
            consumer.await_event("done", max(1, deadline - time.monotonic()))
            assert_all_received(consumer, producer.sent)


def main():
    suite = SdkSuite(sys.argv[1:])
    report = Report()
    for access_point in ("broker", "nameserver"):
        with report.case(f"{MESSAGES} messages with the {access_point} as access point"):
            suite.pass_messages(access_point)
    with report.case("sends and receives go on when the nameserver is killed"):
        suite.nameserver_dies()
    with report.case("clients outlive a broker restart"):
        suite.broker_restarts()
    # These wait more than they compute.
    fifo = ("a FIFO group gets each message group in order", suite.fifo_group)
    report.together([fifo, *Transactions(sys.argv[1:]).cases()], at_once=3)
    report.finish()


if __name__ == "__main__":
    main()
