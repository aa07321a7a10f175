#!/usr/bin/env python3
"""Consumers that fail: exactly the configured deliveries, the group's back-off between them, then dead letters."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from mansio_cluster import Cluster
from report import Report

CLIENT = pathlib.Path(__file__).with_name("failing.py")
START_TIMEOUT = 60
MESSAGES = 5


class FailingConsumer:
    """A running failing.py and the deliveries that it has reported."""

    def __init__(self, cluster, *arguments):
        self._log = open(os.path.join(cluster.directory, f"failing-{time.monotonic_ns()}.stderr"), "wb")
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENT), *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HOME": str(cluster.directory)},
        )
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._deliveries = {}  # body -> [(attempt, at)]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        assert self._ready.wait(START_TIMEOUT), f"the consumer has not started; see {self._log.name}"
        return self

    def __exit__(self, kind, error, trace):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._log.close()

    def _read(self):
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event["event"] == "ready":
                    self._ready.set()
                else:
                    with self._lock:
                        self._deliveries.setdefault(event["body"], []).append((event["attempt"], event["at"]))

    def deliveries(self):
        with self._lock:
            return {body: list(seen) for body, seen in self._deliveries.items()}


def send(cluster, topic):
    bodies = [f"{topic}-{number}" for number in range(MESSAGES)]
    for body in bodies:
        cluster.mansio("message", "send", topic, body)
    return bodies


def await_dead_letters(cluster, group, endpoint, timeout):
    deadline = time.monotonic() + timeout
    while True:
        letters = cluster.mansio("dlq", "list", group, endpoint=endpoint)
        if len(letters) >= MESSAGES:
            return letters
        assert time.monotonic() < deadline, f"only {len(letters)} dead letters after {timeout} s: {letters}"
        time.sleep(0.5)


def check_deliveries(consumer, bodies, attempts, least_waits):
    """Each message came exactly `attempts` times, and no earlier than the waits say."""
    deliveries = consumer.deliveries()
    assert sorted(deliveries) == sorted(bodies), f"deliveries of {sorted(deliveries)}"
    for body, seen in deliveries.items():
        assert [attempt for attempt, _ in seen] == list(range(1, attempts + 1)), f"{body} came as {seen}"
        waits = [after[1] - before[1] for before, after in zip(seen, seen[1:])]
        for wait, least in zip(waits, least_waits):
            assert wait >= least - 0.1, f"{body} came after {waits}, not {least_waits}"


def check_letters(letters, bodies, topic, attempts, reason):
    assert len(letters) == len(bodies), f"{len(letters)} dead letters"
    for letter in letters:
        assert letter["attempts"] == attempts and letter["reason"] == reason, letter
        assert letter["origin"].startswith(f"{topic}/"), letter


def push_consumer_fails(access_point):
    """The SDK waits as the group's list says, and the broker gives the message up after the last attempt."""
    with Cluster() as cluster:
        endpoint = getattr(cluster, access_point).address
        topic, group = f"failing-{access_point}", f"failing-{access_point}"
        cluster.create_topic(topic)
        cluster.mansio("group", "create", group, "--max-attempts", "3", "--backoff", "1s,2s", "--start", "earliest")
        bodies = send(cluster, topic)
        arguments = ["push", "--endpoint", endpoint, "--topic", topic, "--group", group]
        with FailingConsumer(cluster, *arguments) as consumer:
            letters = await_dead_letters(cluster, group, endpoint, 60)
            time.sleep(3)  # one delivery too many would come in this time
            check_deliveries(consumer, bodies, 3, [1, 2])
        check_letters(letters, bodies, topic, 3, "attempts")
        shown = cluster.mansio("dlq", "show", group, letters[0]["message_id"], endpoint=endpoint)
        assert shown["body"] in bodies, shown
        listed = json.dumps(cluster.mansio("topic", "list", endpoint=endpoint))
        assert "%RETRY%" not in listed and "%DLQ%" not in listed, listed
        listed = json.dumps(cluster.mansio("topic", "list", "--system", endpoint=endpoint))
        assert f"%RETRY%{group}" in listed and f"%DLQ%{group}" in listed, listed


def simple_consumer_never_acknowledges():
    """The invisible time is the wait; a restart of the broker forgets neither attempts nor deadlines."""
    with Cluster() as cluster:
        topic, group = "never-acknowledged", "never-acknowledging"
        cluster.create_topic(topic)
        cluster.mansio("group", "create", group, "--max-attempts", "2", "--start", "earliest")
        bodies = send(cluster, topic)
        endpoint = cluster.broker.address
        arguments = ["simple", "--endpoint", endpoint, "--topic", topic, "--group", group, "--invisible", "10"]
        with FailingConsumer(cluster, *arguments) as consumer:
            deadline = time.monotonic() + 60
            while len(consumer.deliveries()) < MESSAGES:
                assert time.monotonic() < deadline, f"only {sorted(consumer.deliveries())} came"
                time.sleep(0.2)
            cluster.broker.kill9()
            cluster.broker.start()
            letters = await_dead_letters(cluster, group, endpoint, 90)
            check_deliveries(consumer, bodies, 2, [9])  # a busy consumer may note the first one late
        check_letters(letters, bodies, topic, 2, "attempts")


def group_is_altered():
    """Fewer attempts hold for what is on its way already."""
    with Cluster() as cluster:
        topic, group = "altered", "altered"
        cluster.create_topic(topic)
        cluster.mansio("group", "create", group, "--backoff", "1s", "--start", "earliest")
        altered = cluster.mansio("group", "alter", group, "--max-attempts", "2", "--backoff", "exponential")
        assert altered["max_attempts"] == 2 and altered["backoff"].startswith("exponential 5s"), altered
        cluster.mansio("group", "alter", group, "--backoff", "3s")
        bodies = send(cluster, topic)
        arguments = ["push", "--endpoint", cluster.nameserver.address, "--topic", topic, "--group", group]
        with FailingConsumer(cluster, *arguments) as consumer:
            await_dead_letters(cluster, group, cluster.nameserver.address, 60)
            check_deliveries(consumer, bodies, 2, [3])


def main():
    report = Report()
    for access_point in ("broker", "nameserver"):
        with report.case(f"a failing push consumer through the {access_point}"):
            push_consumer_fails(access_point)
    with report.case("a simple consumer that never acknowledges, over a crash"):
        simple_consumer_never_acknowledges()
    with report.case("a group whose attempts and back-off are altered"):
        group_is_altered()
    report.finish()


main()
