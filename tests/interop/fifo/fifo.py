#!/usr/bin/env python3
"""FIFO groups: nothing out of order within a message group, and nothing that holds up the others."""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import grpc

from mansio_cluster import Cluster
from raw_client import RawClient, Refused
from report import Report

CONSUMER = pathlib.Path(__file__).with_name("consumer.py")
START_TIMEOUT = 60
WORK_TIMEOUT = 150

Delivery = collections.namedtuple("Delivery", "at body attempt consumer")


class Consumer:
    """A running consumer.py and the deliveries that it has reported."""

    def __init__(self, cluster, topic, group, *arguments, kind="push"):
        self._log = open(os.path.join(cluster.directory, f"consumer-{time.monotonic_ns()}.stderr"), "wb")
        common = ["--endpoint", cluster.broker.address, "--topic", topic, "--group", group]
        self._process = subprocess.Popen(
            [sys.executable, str(CONSUMER), kind, *common, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HOME": str(cluster.directory)},
        )
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._deliveries = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        assert self._ready.wait(START_TIMEOUT), f"the consumer has not started; see {self._log.name}"
        return self

    def __exit__(self, kind, error, trace):
        self.kill9()
        self._reader.join()
        self._process.stdout.close()
        self._process.stdin.close()
        self._log.close()

    def _read(self):
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event["event"] == "ready":
                    self._ready.set()
                else:
                    with self._lock:
                        self._deliveries.append(
                            Delivery(event["at"], event["body"], event["attempt"], self._process.pid)
                        )

    def kill9(self):
        self._process.kill()
        self._process.wait()

    def leave(self):
        """Says goodbye and ends."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._process.wait(START_TIMEOUT)

    def deliveries(self):
        with self._lock:
            return list(self._deliveries)


def all_deliveries(*consumers):
    """What all of them were handed, in the order of time."""
    return sorted(delivery for consumer in consumers for delivery in consumer.deliveries())


def await_bodies(bodies, *consumers, timeout=WORK_TIMEOUT):
    deadline = time.monotonic() + timeout
    while True:
        missing = set(bodies) - {delivery.body for delivery in all_deliveries(*consumers)}
        if not missing:
            return
        assert time.monotonic() < deadline, f"{len(missing)} messages did not come, for example {sorted(missing)[:5]}"
        time.sleep(0.2)


def await_deliveries(count, body, consumer, timeout=WORK_TIMEOUT):
    deadline = time.monotonic() + timeout
    while (seen := sum(delivery.body == body for delivery in consumer.deliveries())) < count:
        assert time.monotonic() < deadline, f"{body} came {seen} times, not {count}"
        time.sleep(0.2)


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
    assert made["mode"] == "fifo", made


def consumers_join_and_leave():
    """Under load one consumer says goodbye and one is killed; others join. Its share comes again to them, in order."""
    groups = [f"g{number}" for number in range(12)]
    with Cluster() as cluster, concurrent.futures.ThreadPoolExecutor(1) as background:
        create(cluster, "coming-and-going")
        arguments = [cluster, "coming-and-going", "coming-and-going", "--work", "0.01"]
        with Consumer(*arguments) as first:
            load = background.submit(send_all, cluster, "coming-and-going", groups, range(200))
            await_bodies(["g0-20"], first)
            with Consumer(*arguments) as second, Consumer(*arguments) as third:
                await_bodies(["g0-60"], first, second, third)
                first.leave()
                await_bodies(["g1-100"], first, second, third)
                second.kill9()
                with Consumer(*arguments) as fourth:
                    await_bodies(load.result(), first, second, third, fourth)
                    deliveries = all_deliveries(first, second, third, fourth)
        again = check_order(deliveries)
        # Only what the two that went away held may have come again.
        assert again <= 2 * 32 * len(groups), f"{again} of {len(deliveries)} deliveries were repeated"


def broker_crashes():
    """The order and what is acknowledged survive kill -9 of the broker."""
    groups = [f"g{number}" for number in range(8)]
    with Cluster() as cluster, concurrent.futures.ThreadPoolExecutor(1) as background:
        create(cluster, "over-a-crash")
        with Consumer(cluster, "over-a-crash", "over-a-crash", "--work", "0.005") as consumer:
            load = background.submit(send_all, cluster, "over-a-crash", groups, range(150))
            await_bodies(["g0-40"], consumer)
            cluster.broker.kill9()
            cluster.broker.start()
            await_bodies(load.result(), consumer)
            check_order(consumer.deliveries())


def push_consumer_poisoned():
    """The SDK gives the poisoned message up after the group's attempts; its group waits so long, and others do not."""
    with Cluster() as cluster:
        create(cluster, "poisoned", "--max-attempts", "3", "--backoff", "5s", queues=1)
        bodies = send_all(cluster, "poisoned", ["sick", "sound", "well"], range(20))
        with Consumer(cluster, "poisoned", "poisoned", "--poison", "sick-5") as consumer:
            await_bodies(bodies, consumer)
            letters = cluster.mansio("dlq", "list", "poisoned")
            deliveries = consumer.deliveries()
        assert [letter["reason"] for letter in letters] == ["forwarded"], letters
        check_order(deliveries)
        tries = [d.at for d in deliveries if d.body == "sick-5"]
        assert len(tries) == 3, f"the poisoned message was tried {len(tries)} times"
        after = min(d.at for d in deliveries if d.body == "sick-6")
        assert after > max(tries), "the group went on before its poisoned message was given up"
        held_up = [d.body for d in deliveries if not d.body.startswith("sick") and d.at > after]
        assert not held_up, f"{held_up} had to wait for another message group"


def simple_consumer_poisoned():
    """Without any help of the client the broker gives the poisoned head up, and the acks behind it count."""
    with Cluster() as cluster:
        create(cluster, "given-up", "--max-attempts", "2", queues=1)
        bodies = send(cluster, "given-up", "g", range(7))
        with Consumer(cluster, "given-up", "given-up", "--poison", "g-0", kind="simple") as consumer:
            await_bodies(bodies, consumer)
            deliveries = consumer.deliveries()
        letters = cluster.mansio("dlq", "list", "given-up")
        assert [(letter["attempts"], letter["reason"]) for letter in letters] == [(2, "attempts")], letters
        check_order(deliveries)
        counts = collections.Counter(d.body for d in deliveries)
        assert [counts[f"g-{n}"] for n in range(7)] == [2, 2, 2, 1, 1, 1, 1], counts


def acked_successors_come_again():
    """What the end-to-end tests of the SDKs ask for: only the first batch is ever seen, and all of it again."""
    with Cluster() as cluster:
        create(cluster, "multi-nack")
        send(cluster, "multi-nack", "g", range(20))
        with Consumer(cluster, "multi-nack", "multi-nack", "--poison", "g-0", kind="simple") as consumer:
            await_deliveries(3, "g-0", consumer)  # acknowledged successors have come and gone twice by then
            counts = collections.Counter(delivery.body for delivery in consumer.deliveries())
        assert sorted(counts) == ["g-0", "g-1", "g-2"], counts
        assert min(counts.values()) >= 2, counts


def main():
    report = Report()
    with report.case("consumers join, leave and are killed under load"):
        consumers_join_and_leave()
    with report.case("the broker crashes under load"):
        broker_crashes()
    with report.case("a push consumer with a poisoned message"):
        push_consumer_poisoned()
    with report.case("a simple consumer with a poisoned message"):
        simple_consumer_poisoned()
    with report.case("acknowledged successors come again with their head"):
        acked_successors_come_again()
    report.finish()


main()
