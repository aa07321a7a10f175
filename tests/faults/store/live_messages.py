"""Leased messages and dead letters outlive the file that they were written to."""

import shutil

from log_files import segments
from mansio_cluster import Cluster
from raw_client import RawClient
from stored import SEGMENT, awaits

TOPIC = "live"
MESSAGES = 30
PATIENCE = 90  # seconds
SETTINGS = [SEGMENT, "retention.age=4s", "retention.dead-letters=1h"]


class Live:
    """A topic whose messages one group holds under leases, and another has given up."""

    def __init__(self, cluster):
        self.cluster = cluster
        # Fillers are sent by it, too: a client that is silent for long would lose its leases.
        self.client = RawClient(cluster.broker.address, client_id="holder")
        cluster.create_topic(TOPIC, "--queues", "1")
        cluster.mansio("group", "create", "holder", "--start", "earliest")
        cluster.mansio("group", "create", "undertaker", "--start", "earliest", "--max-attempts", "1")
        self.bodies = {self.client.send(TOPIC, f"{number}".encode())[0]: f"{number}" for number in range(MESSAGES)}

    def hold(self):
        """Leases of all messages, a third of them in the group's retry queue."""
        first = self.client.receive(TOPIC, "holder", batch=MESSAGES, invisible_seconds=3600)
        for message in first[: MESSAGES // 3]:
            self.client.change(TOPIC, "holder", message, 0)
        self.leased = first[MESSAGES // 3 :]
        again = []
        awaits(
            lambda: again.extend(self.client.receive(TOPIC, "holder", invisible_seconds=3600))
            or len(again) == MESSAGES // 3,
            "the messages that were given back come again",
            PATIENCE,
        )
        assert {message.attempt for message in again} == {2}, again
        self.leased += again
        assert {message.id for message in self.leased} == self.bodies.keys()

    def bury(self):
        """Dead letters of all messages: half of them forwarded, the others after their only attempt."""
        for number, message in enumerate(self.client.receive(TOPIC, "undertaker", batch=MESSAGES, invisible_seconds=600)):
            if number % 2 == 0:
                self.client.forward(TOPIC, "undertaker", message)
            else:
                self.client.change(TOPIC, "undertaker", message, 0)
        awaits(lambda: len(self.letters()) == MESSAGES, "all have become dead letters", PATIENCE)

    def letters(self):
        return self.cluster.mansio("dlq", "list", "undertaker", "--limit", "1000")

    def outlive_their_file(self):
        """Writes until the files with everything from before are gone."""
        written = int(segments(self.cluster)[-1].name)
        self.cluster.create_topic("filler")
        for _ in range(1200):
            self.client.send("filler", b"f" * 16384)
        awaits(lambda: int(segments(self.cluster)[0].name) > written, "the files are deleted", PATIENCE)
        (queue,) = self.cluster.mansio("topic", "describe", TOPIC)["queue_offsets"]
        assert queue["min_offset"] == MESSAGES, f"the queue begins at {queue['min_offset']}"

    def check_letters(self):
        """Each is listed once with where it came from, and has its body."""
        letters = self.letters()
        assert {letter["message_id"] for letter in letters} == self.bodies.keys() and len(letters) == MESSAGES, letters
        assert {letter["reason"] for letter in letters} == {"forwarded", "attempts"}, letters
        for letter in letters:
            assert letter["origin"] == f"{TOPIC}/0/{self.bodies[letter['message_id']]}", letter
            shown = self.cluster.mansio("dlq", "show", "undertaker", letter["message_id"])
            assert shown["body"] == self.bodies[letter["message_id"]], shown

    def ack(self, count):
        """Acknowledges so many of the leased messages by the handles of the first file."""
        some, self.leased = self.leased[:count], self.leased[count:]
        assert self.client.ack(TOPIC, "holder", some) == some, "a lease was lost with its file"

    def give_back(self):
        """What is still leased comes again with its body."""
        attempts = {message.id: message.attempt for message in self.leased}
        for message in self.leased:
            self.client.change(TOPIC, "holder", message, 0)
        got = []
        awaits(
            lambda: got.extend(self.client.receive(TOPIC, "holder")) or len(got) >= len(attempts),
            "the messages come again",
            PATIENCE,
        )
        assert {message.id: message.attempt - 1 for message in got} == attempts, got
        assert all(message.body.decode() == self.bodies[message.id] for message in got), got
        assert self.client.ack(TOPIC, "holder", got) == got
        described = self.cluster.mansio("group", "describe", "holder")
        assert (described["ready"], described["in_flight"]) == (0, 0), described


def live_messages_outlive_their_file():
    """leased messages and dead letters outlive their file, over a kill and a start without a checkpoint, too"""
    with Cluster(nameserver=False, durability="async", broker_settings=SETTINGS) as cluster:
        live = Live(cluster)
        live.hold()
        live.bury()
        live.outlive_their_file()
        live.check_letters()
        live.ack(5)
        cluster.broker.kill9()
        cluster.broker.start()
        live.check_letters()
        live.ack(5)
        cluster.broker.terminate()
        shutil.rmtree(cluster.directory / "broker" / "checkpoint")
        cluster.broker.start()
        live.check_letters()
        live.ack(5)
        live.give_back()
        live.client.close()
