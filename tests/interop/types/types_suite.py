"""Topics of type mixed and priority, and messages that expire, by the Python SDK.

Each case has a topic and a group of its own. (A file named types.py would stand before Python's own.)
"""

import collections
import contextlib
import os
import sys
import time

from rocketmq import (
    ClientConfiguration,
    Credentials,
    FilterExpression,
    Message,
    Producer,
    SimpleConsumer,
    TransactionChecker,
    TransactionResolution,
)

from mansio_cluster import Cluster
from report import Report

INVISIBLE_SECONDS = 60
WAIT = 60  # seconds until everything must have come, on a busy machine


class Commit(TransactionChecker):
    def check(self, message):
        return TransactionResolution.COMMIT


def made(topic, body, **fields):
    """A message; `fields` are those of the SDK's message, properties with mansio_ttl_ms."""
    message = Message()
    message.topic, message.tag, message.body = topic, "interop", body.encode()
    ttl = fields.pop("mansio_ttl_ms", None)
    if ttl is not None:
        message.add_property("mansio-ttl-ms", str(ttl))
    for name, value in fields.items():
        setattr(message, name, value)
    return message


class Suite:
    def __init__(self, cluster, report):
        self.cluster = cluster
        self.report = report
        self.configuration = ClientConfiguration(cluster.broker.address, Credentials())
        self.came = {}  # body -> when it came last, in seconds

    def topic(self, name, *options):
        """A topic and a group of the same name; every group sees the topic from its beginning."""
        self.cluster.create_topic(name, *options)
        self.cluster.mansio("group", "create", name, "--start", "earliest")

    def producer(self, topic, checker=None):
        producer = Producer(self.configuration, (topic,), checker=checker)
        producer.startup()
        return producer

    def consumer(self, topic, group=None):
        consumer = SimpleConsumer(self.configuration, group or topic, {topic: FilterExpression()}, await_duration=5)
        consumer.startup()
        return consumer

    def receive(self, consumer, count, batch=32):
        """The bodies of that many messages, in the order in which they came; each is acknowledged."""
        bodies = []
        deadline = time.monotonic() + WAIT
        while len(bodies) < count and time.monotonic() < deadline:
            for message in consumer.receive(batch, INVISIBLE_SECONDS):
                consumer.ack(message)
                bodies.append(message.body.decode())
                self.came[bodies[-1]] = time.time()
        return bodies

    def run(self):
        self.mixed()
        self.strict_priority()
        self.guarded_priority()
        self.skipped()
        self.to_dead_letters()
        self.altered()

    def mixed(self):
        with self.report.case("a mixed topic takes NORMAL, FIFO, DELAY and TRANSACTION messages of one producer"):
            self.topic("mixed", "--type", "mixed")
            producer = self.producer("mixed", Commit())
            producer.send(made("mixed", "normal"))
            producer.send(made("mixed", "fifo", message_group="g"))
            due = int(time.time()) + 3
            recalled = producer.send(made("mixed", "recalled", delivery_timestamp=due + 60))
            producer.send(made("mixed", "delay", delivery_timestamp=due))
            transaction = producer.begin_transaction()
            producer.send(made("mixed", "transaction"), transaction)
            transaction.commit()
            producer.recall_message("mixed", recalled.recall_handle)
            bodies = self.receive(self.consumer("mixed"), 4)
            assert sorted(bodies) == ["delay", "fifo", "normal", "transaction"], bodies
            assert self.came["delay"] >= due, f"it came {due - self.came['delay']} s early"
            assert self.cluster.mansio("delay", "stats")[0]["pending"] == 0, "the recalled message is still there"
        with self.report.case("a mixed topic refuses a PRIORITY message"):
            assert self.refuses(producer, made("mixed", "urgent", priority=1))

    @staticmethod
    def refuses(producer, message):
        try:
            producer.send(message)
        except Exception:  # pylint: disable=broad-except
            return True
        return False

    def send_priorities(self, topic, count):
        producer = self.producer(topic)
        for body, priority in (("low", 0), ("middle", 3), ("high", 7), ("highest", 1000)):
            for _ in range(count):
                producer.send(made(topic, body, priority=priority))
        return producer

    def strict_priority(self):
        with self.report.case("a priority topic: higher priorities first"):
            self.topic("strict", "--type", "priority")
            producer = self.send_priorities("strict", 10)
            bodies = self.receive(self.consumer("strict"), 40, batch=1)
            ranks = [{"low": 0, "middle": 1}.get(body, 2) for body in bodies]  # 7 and beyond share the last queue
            assert len(ranks) == 40 and ranks == sorted(ranks, reverse=True), bodies
        with self.report.case("a priority topic refuses a message without a priority"):
            assert self.refuses(producer, made("strict", "none"))

    def guarded_priority(self):
        with self.report.case("a priority topic with a guard: lower priorities do not starve"):
            self.topic("guarded", "--type", "priority", "--priority-guard", "on")
            self.send_priorities("guarded", 40)
            bodies = collections.Counter(self.receive(self.consumer("guarded"), 64, batch=1))
            assert bodies["low"] >= 1 and bodies["middle"] >= 1, bodies
            assert bodies["high"] + bodies["highest"] >= 48, bodies

    def dead_letters(self, group):
        return {row["message_id"]: row for row in self.cluster.mansio("dlq", "list", group)}

    def skipped(self):
        with self.report.case("what has expired is skipped; the smaller of both times counts"):
            self.topic("skips", "--ttl", "6s")
            producer, consumer = self.producer("skips"), self.consumer("skips")
            for body, ttl in (("old", None), ("long", 3600 * 1000)):
                producer.send(made("skips", body, mansio_ttl_ms=ttl))
            time.sleep(7)
            producer.send(made("skips", "short", mansio_ttl_ms=1000))
            time.sleep(1.5)
            producer.send(made("skips", "new"))
            bodies = self.receive(consumer, 1)
            assert bodies == ["new"], bodies
            assert self.dead_letters("skips") == {}
            described = self.cluster.mansio("group", "describe", "skips")
            assert (described["ready"], described["in_flight"]) == (0, 0), described
        with self.report.case("a time to live that is no number is refused"):
            assert self.refuses(producer, made("skips", "bad", mansio_ttl_ms="soon"))

    def to_dead_letters(self):
        with self.report.case("what has expired goes to the dead letters of each group, and survives a kill there"):
            self.topic("letters", "--ttl", "2s", "--expired", "dead-letter")
            self.cluster.mansio("group", "create", "letters-2", "--start", "earliest")
            producer = self.producer("letters")
            ids = {producer.send(made("letters", f"old-{n}")).message_id for n in range(5)}
            time.sleep(3)
            consumers = [self.consumer("letters"), self.consumer("letters", "letters-2")]
            for consumer in consumers:
                assert not consumer.receive(32, INVISIBLE_SECONDS)
            for group in ("letters", "letters-2"):
                self.await_letters(group, ids)
            self.cluster.broker.kill9()
            self.cluster.broker.start()
            for group in ("letters", "letters-2"):
                letters = self.await_letters(group, ids)
                assert {(row["reason"], row["attempts"]) for row in letters.values()} == {("expired", 0)}, letters

        with self.report.case("what has expired by its own time goes to the dead letters of a topic without a ttl"):
            self.topic("own-times", "--expired", "dead-letter")
            producer = self.producer("own-times")
            expired = producer.send(made("own-times", "short", mansio_ttl_ms=500)).message_id
            producer.send(made("own-times", "endless"))
            time.sleep(1)
            bodies = self.receive(self.consumer("own-times"), 1)
            assert bodies == ["endless"], bodies
            self.await_letters("own-times", {expired})

    def await_letters(self, group, ids):
        deadline = time.monotonic() + WAIT
        while set(letters := self.dead_letters(group)) != ids:
            assert time.monotonic() < deadline, f"{group} has the dead letters {letters}, not {ids}"
            time.sleep(0.1)
        return letters

    def altered(self):
        with self.report.case("a new ttl counts for messages that are there already"):
            self.topic("altered")
            producer = self.producer("altered")
            producer.send(made("altered", "old"))
            time.sleep(2)
            now = self.cluster.mansio(
                "topic", "alter", "altered", "--ttl", "1s", endpoint=self.cluster.nameserver.address
            )
            assert (now["ttl"], now["expired"]) == ("1s", "skip"), now
            assert not self.consumer("altered").receive(32, INVISIBLE_SECONDS)


def main():
    report = Report()
    with Cluster(nameserver=True, durability="async") as cluster:
        Suite(cluster, report).run()
    with contextlib.suppress(SystemExit):
        report.finish()
    sys.stdout.flush()
    # The SDK's clients would wait for their long polls.
    os._exit(1 if report.failed else 0)


main()
