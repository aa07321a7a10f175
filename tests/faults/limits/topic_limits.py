"""The limit of a topic for what its slowest group has before it, with each answer to more than that."""

import time

from raw_client import RawClient, Refused

TOPIC = "limited"
LIMIT = 10
PATIENCE = 20  # seconds until something must have happened


class Slow:
    """A topic with a limit, one group that takes everything at once, and one that takes nothing by itself."""

    def __init__(self, cluster, overflow):
        self.cluster = cluster
        cluster.create_topic(TOPIC, "--queues", "1", "--max-backlog", str(LIMIT), "--overflow", overflow)
        for group in ("fast", "slow"):
            cluster.mansio("group", "create", group, "--start", "earliest")
        self.client = RawClient(cluster.broker.address)
        self.sent = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.client.close()

    def send(self, count):
        for _ in range(count):
            self.client.send(TOPIC, f"{len(self.sent)}".encode())
            self.sent.append(f"{len(self.sent)}")

    def take(self, group, count):
        """Receives and acknowledges so many messages; returns their bodies."""
        bodies = []
        deadline = time.monotonic() + PATIENCE
        while len(bodies) < count and time.monotonic() < deadline:
            got = self.client.receive(TOPIC, group, batch=min(32, count - len(bodies)), invisible_seconds=60)
            assert self.client.ack(TOPIC, group, got) == got
            bodies += [message.body.decode() for message in got]
        return bodies

    def hold_two(self):
        """The slow group begins: it holds the first two messages."""
        self.send(2)
        held = self.client.receive(TOPIC, "slow", batch=2, invisible_seconds=600)
        assert [message.body for message in held] == [b"0", b"1"], held
        return held

    def await_ready(self, count):
        deadline = time.monotonic() + PATIENCE
        while (ready := self.cluster.mansio("group", "describe", "slow")["ready"]) != count:
            assert time.monotonic() < deadline, f"{ready} messages are before the slow group, not {count}"
            time.sleep(0.05)

    def check_the_rest(self, held):
        """The slow group gets the newest messages, what it held is still its own, and the fast group lacks nothing."""
        assert self.client.ack(TOPIC, "slow", held) == held, "a lease was lost"
        # The fast group has not begun. It takes all with one receive: what it left would count as its own backlog.
        slow, fast = self.take("slow", LIMIT), self.take("fast", len(self.sent))
        assert slow == self.sent[-LIMIT:], f"the slow group got {slow}"
        assert fast == self.sent, f"the fast group got {fast}"


def refuse(cluster, _):
    """a further message -> TOO_MANY_REQUESTS, until the slow group has taken some; without a group there is no limit"""
    with Slow(cluster, "refuse") as slow:
        slow.send(3 * LIMIT)
        assert slow.take("slow", 3 * LIMIT) == slow.sent
        try:
            for _ in range(PATIENCE * 100):
                slow.send(1)
                time.sleep(0.01)
            raise AssertionError(f"{len(slow.sent) - 3 * LIMIT} messages were accepted, the limit is {LIMIT}")
        except Refused as refusal:
            assert "TOO_MANY_REQUESTS" in str(refusal) and "max-backlog is 10" in str(refusal), refusal
        more = len(slow.sent) - 3 * LIMIT
        assert more >= LIMIT, f"only {more} messages were accepted, the limit is {LIMIT}"
        assert slow.take("slow", 5) == slow.sent[3 * LIMIT : 3 * LIMIT + 5]
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                slow.send(1)
                break
            except Refused:
                assert time.monotonic() < deadline, "sends are refused although the group has taken messages"
                time.sleep(0.02)
        # Raised while the group is behind, the new limit counts at once.
        cluster.mansio("topic", "alter", TOPIC, "--max-backlog", "1000")
        slow.send(5 * LIMIT)


def drop_oldest(cluster, _):
    """the slow group's oldest messages are passed over; what it holds and other groups are not touched"""
    with Slow(cluster, "drop-oldest") as slow:
        held = slow.hold_two()
        slow.send(2 * LIMIT)
        slow.await_ready(LIMIT)
        cluster.broker.kill9()
        cluster.broker.start()
        slow.await_ready(LIMIT)
        slow.check_the_rest(held)
        assert cluster.mansio("dlq", "list", "slow") == []


def dead_letter(cluster, _):
    """the slow group's oldest messages become its dead letters; what it holds and other groups are not touched"""
    with Slow(cluster, "dead-letter") as slow:
        held = slow.hold_two()
        slow.send(2 * LIMIT)
        slow.await_ready(LIMIT)
        cluster.broker.kill9()
        cluster.broker.start()
        letters = cluster.mansio("dlq", "list", "slow", "--limit", "1000")
        assert {(letter["reason"], letter["attempts"]) for letter in letters} == {("overflow", 0)}, letters
        origins = sorted(int(letter["origin"].rsplit("/", 1)[1]) for letter in letters)
        assert origins == list(range(2, 2 + LIMIT)), origins
        slow.check_the_rest(held)
        assert cluster.mansio("dlq", "list", "fast") == []


TOPIC_LIMITS = {
    f"topic --max-backlog {LIMIT} --overflow refuse": refuse,
    f"topic --max-backlog {LIMIT} --overflow drop-oldest": drop_oldest,
    f"topic --max-backlog {LIMIT} --overflow dead-letter": dead_letter,
}
