#!/usr/bin/env python3
"""Transactions of an official SDK: half messages, their ends and check-backs.

Usage: transactions.py COMMAND…     (COMMAND starts the SDK's test client, see sdk_client.py)

sdk_suite.py runs the same cases after its own.
"""

import contextlib
import functools
import sys
import time

from mansio_cluster import Cluster
from report import Report
from sdk_client import SdkClient

TOPIC = "orders"
START_TIMEOUT = 60  # seconds until a client must have started
WAIT = 60  # seconds until something must have happened
CHECKS = ("--first-check", "1s", "--check-interval", "1s")


class Transactions:
    """The cases, for the SDK whose test client the command starts."""

    def __init__(self, command):
        self._command = command

    @contextlib.contextmanager
    def _producer(self, cluster, body="", ending="none", answer="unknown"):
        """A producer that has sent and ended its half, if it is to. Leaving the block kills it."""
        arguments = ["--endpoint", cluster.broker.address, "--topic", TOPIC]
        arguments += ["--body", body, "--ending", ending, "--answer", answer]
        with SdkClient(self._command, cluster.directory, "transact", *arguments) as client:
            client.await_event("ready", START_TIMEOUT)
            client.await_event("done", WAIT)
            yield client

    def committed_and_rolled_back(self, cluster):
        with self._producer(cluster, "a", "commit"), self._producer(cluster, "b", "rollback"):
            await_totals(cluster, committed=1, rolled_back=1, pending=0)
        assert visible(cluster) == 1

    def a_second_producer_decides_for_a_dead_one(self, cluster):
        with self._producer(cluster, "c") as first:
            message_id = first.sent["c"]
        with self._producer(cluster, answer="commit") as second:
            check = second.next_check(WAIT)
            assert (check["id"], check["body"]) == (message_id, "c"), check
            await_totals(cluster, committed=1, pending=0)
        assert visible(cluster) == 1

    def several_producers_are_asked(self, cluster):
        with contextlib.ExitStack() as running:
            for body in ("d", "e", "f"):
                running.enter_context(self._producer(cluster, body, answer="commit"))
            await_totals(cluster, committed=3, pending=0)
        assert visible(cluster) == 3

    def pending_over_a_crash_of_the_broker(self, cluster):
        with self._producer(cluster, "g"):
            pass
        cluster.broker.kill9()
        cluster.broker.start()
        assert totals(cluster)["pending"] == 1
        with self._producer(cluster, answer="rollback") as second:
            assert second.next_check(WAIT)["body"] == "g"
            await_totals(cluster, rolled_back=1, pending=0)
        assert visible(cluster) == 0

    def unknown_until_the_last_check(self, cluster):
        cluster.mansio("topic", "delete", TOPIC, "--yes")
        create_topic(cluster, "--max-checks", "2")
        with self._producer(cluster, "h") as producer:
            for _ in range(2):
                producer.next_check(WAIT)
            await_totals(cluster, expired=1, pending=0)
        assert visible(cluster) == 0
        expired = cluster.mansio("transaction", "list", "--state", "expired")
        assert [entry["message_id"] for entry in expired] == [producer.sent["h"]], expired
        assert "check 2, its last" in expired[0]["reason"], expired

    def an_administrator_decides(self, cluster):
        with self._producer(cluster, "i") as producer:
            pass
        at_nameserver = {"endpoint": cluster.nameserver.address}
        pending = cluster.mansio("transaction", "list", **at_nameserver)
        assert [entry["message_id"] for entry in pending] == [producer.sent["i"]], pending
        transaction = pending[0]["transaction_id"]
        shown = cluster.mansio("transaction", "show", transaction)
        assert (shown["body"], shown["state"]) == ("i", "pending"), shown
        cluster.mansio("transaction", "commit", transaction, **at_nameserver)
        await_totals(cluster, committed=1, pending=0)
        assert visible(cluster) == 1

    def cases(self):
        """(name, function) of each, for Report.together."""
        for case in (
            self.committed_and_rolled_back,
            self.a_second_producer_decides_for_a_dead_one,
            self.several_producers_are_asked,
            self.pending_over_a_crash_of_the_broker,
            self.unknown_until_the_last_check,
            self.an_administrator_decides,
        ):
            yield f"transactions: {case.__name__.replace('_', ' ')}", functools.partial(run_on_cluster, case)


def run_on_cluster(case):
    with Cluster() as cluster:
        create_topic(cluster)
        case(cluster)


def create_topic(cluster, *options):
    cluster.create_topic(TOPIC, "--type", "transaction", "--queues", "2", *CHECKS, *options)


def totals(cluster):
    return cluster.mansio("transaction", "stats")["brokers"][0]


def await_totals(cluster, **wanted):
    deadline = time.monotonic() + WAIT
    while True:
        seen = totals(cluster)
        if all(seen[field] == value for field, value in wanted.items()):
            return
        assert time.monotonic() < deadline, f"waited for {wanted}, there is {seen}"
        time.sleep(0.1)


def visible(cluster):
    return cluster.mansio("topic", "describe", TOPIC)["messages"]


if __name__ == "__main__":
    suite_report = Report()
    suite_report.together(list(Transactions(sys.argv[1:]).cases()), 3)
    suite_report.finish()
