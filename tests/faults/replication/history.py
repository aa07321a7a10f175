"""What clients did and were told, with the times of each call: the input of checker.py.

Times are of time.monotonic() of one process. A message is known by its key, which is unique and begins its body: its
sender knows it also when the send was not answered. A call whose `completed` is None was not answered with OK: it was
refused, its connection broke or its time was up, so that it may have been carried out, or may yet be.
"""

import collections
import dataclasses
import json
import re
import threading
import time

KEY = re.compile(rb"\[[\w-]+:\d+\]")  # what a key looks like, in a body and in the log


@dataclasses.dataclass
class Send:
    """A message that was given to the group: normal, of a message group, delayed, or half of a transaction."""

    topic: str
    key: str
    invoked: float
    completed: float | None = None
    offset: int | None = None  # its place in its queue, as the answer says; only of a message that is visible at once
    message_group: str | None = None
    due_ms: int | None = None  # when a delayed one is to be delivered, in milliseconds since 1970
    commit: bool | None = None  # of a half: how its producer ends it, now or when it is asked


@dataclasses.dataclass
class End:
    """The end of a transaction by its producer, as Send.commit says."""

    key: str
    invoked: float
    completed: float | None = None


@dataclasses.dataclass
class Receive:
    """A receive of a group and the messages that came: (key, queue, offset, attempt) each."""

    topic: str
    group: str
    invoked: float
    completed: float
    messages: list


@dataclasses.dataclass
class Ack:
    """An acknowledgement of one message by a group."""

    topic: str
    group: str
    key: str
    invoked: float
    completed: float | None = None


@dataclasses.dataclass
class Sight:
    """What a member said of itself: that it knows so many bytes of the log to be committed, the last of this epoch."""

    time: float
    member: int
    role: str
    epoch: int
    committed: int


class History:
    """Takes operations from any thread, in any order."""

    def __init__(self):
        self._operations = collections.defaultdict(list)
        self._lock = threading.Lock()

    def add(self, operation):
        """Also before it is complete: what is changed in it later counts."""
        with self._lock:
            self._operations[type(operation)].append(operation)
        return operation

    def of(self, kind):
        """The operations of a kind, in the order in which they were added."""
        with self._lock:
            return list(self._operations[kind])

    def acknowledged(self):
        """How many sends were."""
        return sum(send.completed is not None for send in self.of(Send))

    def longest_pause(self, since):
        """The longest time without an acknowledged send from `since` to now, in seconds."""
        times = sorted(send.completed for send in self.of(Send) if send.completed and send.completed >= since)
        edges = [since, *times, time.monotonic()]
        return max(later - earlier for earlier, later in zip(edges, edges[1:]))

    def save(self, path):
        """Writes all operations as lines of JSON."""
        with self._lock, open(path, "w", encoding="utf-8") as file:
            for kind, operations in self._operations.items():
                for operation in operations:
                    file.write(json.dumps({"operation": kind.__name__, **dataclasses.asdict(operation)}) + "\n")


def key_of(body):
    """The key in a message's body; None if it has none."""
    found = KEY.match(body)
    return found[0].decode() if found else None
