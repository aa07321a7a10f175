"""What the cases share: messages that were acknowledged to their sender, and the audit that they are all there."""

import hashlib
import re
import time

from raw_client import RawClient, Refused

TOPIC = "audited"
BODY_BYTES = 16 * 1024  # 256 of them are a segment of 4 MiB
SEGMENT = "store.segment-bytes=4MiB"


def body_of(number):
    """A body that nobody else has, of a fixed length."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return (seed * (BODY_BYTES // len(seed)))[:BODY_BYTES]


class Sent:
    """The messages of one queue whose sends were answered with OK, by queue offset."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.messages = {}  # queue offset -> (message id, number of its body)
        self.client = RawClient(cluster.broker.address)

    def close(self):
        self.client.close()

    def create_topic(self):
        self.cluster.create_topic(TOPIC, "--queues", "1")
        return self

    def send(self, count):
        for _ in range(count):
            number = len(self.messages)
            message_id, offset = self.client.send(TOPIC, body_of(number))
            assert offset not in self.messages, f"queue offset {offset} was given twice"
            self.messages[offset] = (message_id, number)
        return self

    def send_until_refused(self, limit):
        """Sends until the broker says no; returns its sentence."""
        for _ in range(limit):
            try:
                self.send(1)
            except Refused as refusal:
                return str(refusal)
        raise AssertionError(f"{limit} messages were accepted, and none refused")

    def send_when_accepted(self, patience):
        """Sends one message, repeating it while the broker says no."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self.send(1)
            except Refused:
                assert time.monotonic() < deadline, f"sends are still refused after {patience} s"
                time.sleep(0.1)

    def audit(self, group, missing=()):
        """Reads the queue from its minimum with a new group: exactly what was acknowledged, except `missing`."""
        self.cluster.mansio("group", "create", group, "--start", "earliest")
        minimum, following = offsets(self.cluster)
        want = {offset for offset in self.messages if minimum <= offset < following} - set(missing)
        got = self.read(group, len(want))
        assert got == want, f"{len(want)} messages should be there, {len(got & want)} are, {len(got - want)} others"
        return minimum

    def read(self, group, count):
        """Receives and acknowledges up to `count` messages, each checked; returns their offsets."""
        offsets_read = set()
        client = RawClient(self.cluster.broker.address)
        try:
            for _ in range(count + 1):
                if len(offsets_read) >= count:
                    break
                batch = min(32, count - len(offsets_read))
                messages = client.receive(TOPIC, group, batch, invisible_seconds=60)
                if not messages:
                    break
                for message in messages:
                    known = self.messages.get(message.offset)
                    if known is not None:
                        message_id, number = known
                        assert message.id == message_id, f"offset {message.offset} holds another message"
                        assert message.body == body_of(number), f"offset {message.offset} has another body"
                    offsets_read.add(message.offset)
                assert client.ack(TOPIC, group, messages) == messages
        finally:
            client.close()
        return offsets_read


def offsets(cluster):
    """The minimum and the next offset of the only queue."""
    (queue,) = cluster.mansio("topic", "describe", TOPIC)["queue_offsets"]
    return queue["min_offset"], queue["next_offset"]


def refuses(process, *words):
    """The process does not start: it exits with an error of one sentence that has all the words."""
    try:
        process.start()
    except AssertionError as error:
        text = str(error)
        code = re.search(r"exited with (-?\d+) instead of serving", text)
        assert code and int(code[1]) > 0, text
        lines = [line for line in process.log().splitlines() if "cannot start: " in line]
        assert len(lines) == 1, f"no sentence says why it cannot start:\n{text}"
        missing = [word for word in words if word not in lines[0]]
        assert not missing, f"{missing} is not in the sentence: {lines[0]}"
        return lines[0]
    process.terminate()
    raise AssertionError("the broker started")


def awaits(condition, what, patience):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.1)
