"""Half messages, their ends and check-backs, with the Python SDK as producer."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

from mansio_cluster import Cluster
from report import Report

PRODUCER = pathlib.Path(__file__).with_name("producer.py")
WAIT = 30  # seconds until something must have happened
CHECKS = ("--first-check", "1s", "--check-interval", "1s", "--max-checks", "2")


class RunningProducer:
    """A producer in a process of its own, so that it can be killed."""

    def __init__(self, cluster, body="", ending="none", answer="unknown"):
        self._log = open(cluster.directory / "producer.log", "ab")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, str(PRODUCER), cluster.broker.address, "orders", body, ending, answer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HOME": str(cluster.directory)},  # the SDK logs into the home directory
        )
        self.first = self.next_event()

    def next_event(self):
        line = self.process.stdout.readline()
        assert line, "the producer ended too early; see producer.log"
        return json.loads(line)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(WAIT)
        self._log.close()


@contextlib.contextmanager
def producer(cluster, **arguments):
    running = RunningProducer(cluster, **arguments)
    try:
        yield running
    finally:
        running.close()


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
    return cluster.mansio("topic", "describe", "orders")["messages"]


def committed_and_rolled_back(cluster):
    with producer(cluster, body="a", ending="commit"), producer(cluster, body="b", ending="rollback"):
        await_totals(cluster, committed=1, rolled_back=1, pending=0)
        assert visible(cluster) == 1


def a_second_producer_decides(cluster):
    with producer(cluster, body="c") as first:
        first.kill()
        message_id = first.first["id"]
    with producer(cluster, answer="commit") as second:
        check = second.next_event()
        assert check == {"event": "check", "id": message_id, "body": "c"}, check
        await_totals(cluster, committed=1, pending=0)
        assert visible(cluster) == 1


def pending_over_a_crash(cluster):
    with producer(cluster, body="d") as first:
        first.kill()
    cluster.broker.kill9()
    cluster.broker.start()
    assert totals(cluster)["pending"] == 1
    with producer(cluster, answer="rollback") as second:
        assert second.next_event()["body"] == "d"
        await_totals(cluster, rolled_back=1, pending=0)
        assert visible(cluster) == 0


def unknown_until_the_last_check(cluster):
    with producer(cluster, body="e", answer="unknown") as running:
        assert [running.next_event()["event"] for _ in range(2)] == ["check", "check"]
        await_totals(cluster, expired=1, pending=0)
    assert visible(cluster) == 0
    expired = cluster.mansio("transaction", "list", "--state", "expired")
    assert [entry["message_id"] for entry in expired] == [running.first["id"]], expired
    assert "last" in expired[0]["reason"], expired


def an_administrator_decides(cluster):
    with producer(cluster, body="f") as running:
        running.kill()
    pending = cluster.mansio("transaction", "list", endpoint=cluster.nameserver.address)
    assert [entry["transaction_id"] for entry in pending] == [running.first["transaction_id"]], pending
    shown = cluster.mansio("transaction", "show", pending[0]["transaction_id"])
    assert shown["body"] == "f" and shown["state"] == "pending", shown
    cluster.mansio(
        "transaction", "commit", pending[0]["transaction_id"], endpoint=cluster.nameserver.address
    )
    await_totals(cluster, committed=1, pending=0)
    assert visible(cluster) == 1


def main():
    report = Report()
    for case in (
        committed_and_rolled_back,
        a_second_producer_decides,
        pending_over_a_crash,
        unknown_until_the_last_check,
        an_administrator_decides,
    ):
        with report.case(case.__name__.replace("_", " ")):
            with Cluster() as cluster:
                cluster.create_topic("orders", "--type", "transaction", "--queues", "2", *CHECKS)
                case(cluster)
    report.finish()


main()
