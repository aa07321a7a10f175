"""Delayed messages and recalls: what clients were told of them, and the audit that holds the broker to it."""

import collections
import random
import time

from load import Load
from rocketmq.grpc_protocol import definition_pb2 as definition
from reading import assert_once, read_places

SENDERS = 4
RECALLERS = 2
LONGEST_MS = 4000  # delay of a message


class TimerLoad(Load):
    """Sends to a DELAY topic by time and to a NORMAL one by level, and recalls.

    After join() the records are:
      acknowledged  message id -> delivery time, for each send that was answered with OK
      recalled      message ids whose recall was answered with OK
      too_late      message ids whose recall was answered with NOT_FOUND
      undecided     message ids whose recall was on its way when the broker died: either is right
    """

    def __init__(self, address, number):
        super().__init__(address, [self._send] * SENDERS + [self._recall] * RECALLERS)
        self.exact_topic = f"later-{number}"
        self.level_topic = f"leveled-{number}"
        self.acknowledged = {}
        self.recalled = set()
        self.too_late = set()
        self.undecided = set()
        self._handles = collections.deque()

    def create_topics(self, cluster):
        cluster.create_topic(self.exact_topic, "--type", "delay", "--queues", "4")
        cluster.create_topic(self.level_topic, "--queues", "2")

    def _send(self, client):
        now = int(time.time() * 1000)
        body = b"x" * random.choice((16, 128, 5000))
        if random.random() < 0.2:
            message_id, _ = client.send(self.level_topic, body, properties={"DELAY": "1"})
            self.acknowledged[message_id] = now + 1000
            return
        due = now + random.choice((1, random.randrange(LONGEST_MS), random.randrange(1000)))
        message_id, handle = client.send_delayed(self.exact_topic, body, due)
        self.acknowledged[message_id] = due
        # One whose time had passed when it arrived has no handle.
        if handle and random.random() < 0.4:
            self._handles.append((message_id, handle))

    def _recall(self, client):
        try:
            message_id, handle = self._handles.popleft()
        except IndexError:
            time.sleep(0.001)
            return
        if random.random() < 0.3:
            time.sleep(random.random() * 0.3)  # so that some come too late
        self.undecided.add(message_id)
        code = client.recall(self.exact_topic, handle)
        if code not in (definition.OK, definition.NOT_FOUND):
            self.refusals.append(f"a recall was answered with {definition.Code.Name(code)}")
        (self.recalled if code == definition.OK else self.too_late).add(message_id)
        self.undecided.discard(message_id)

    def audit(self, cluster, group):
        """When nothing is pending any more: each message stands once, at its time, or nowhere if it was recalled."""
        found = {}
        for topic in (self.exact_topic, self.level_topic):
            places = read_places(cluster, topic, f"{group}-{topic}")
            assert_once(topic, places)
            found.update((message_id, min(of_one.values())) for message_id, of_one in places.items())
        early = [
            (message_id, due, found[message_id])
            for message_id, due in self.acknowledged.items()
            if found.get(message_id, due) < due
        ]
        assert not early, f"{len(early)} messages are early, for example {early[0]}"
        back = self.recalled & found.keys()
        assert not back, f"{len(back)} recalled messages were delivered, for example {next(iter(back))}"
        lost = self.acknowledged.keys() - found.keys() - self.recalled - self.undecided
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} messages are lost, for example {next(iter(lost))}"

    def __str__(self):
        return (
            f"{len(self.acknowledged)} delayed, {len(self.recalled)} recalled, {len(self.too_late)} recalled too late,"
            f" {len(self.undecided)} undecided"
        )


def await_fired(cluster, timeout=LONGEST_MS / 1000 + 60):
    deadline = time.monotonic() + timeout
    while (pending := cluster.mansio("delay", "stats")[0]["pending"]) > 0:
        assert time.monotonic() < deadline, f"{pending} messages are still pending"
        time.sleep(0.1)
