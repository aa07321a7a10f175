"""Retention: whole segments go, the oldest first; consumers behind them go on at what is left."""

import re
import shutil
import time

from stored import SEGMENT, TOPIC, Sent, awaits, offsets
from log_files import segments

MESSAGES = 1200  # almost five segments of 4 MiB
BY_AGE = [SEGMENT, "retention.age=4s"]
BY_SIZE = [SEGMENT, "retention.bytes=12MiB"]
PATIENCE = 90  # seconds; a broker with a long retention looks once a minute
QUIET = 7  # seconds without a change after which nothing more is about to go


def fill(cluster):
    """Messages, of which the group behind has read the first five."""
    sent = Sent(cluster).create_topic().send(10)
    cluster.mansio("group", "create", "behind", "--start", "earliest")
    assert sent.read("behind", 5) == set(range(5))
    return sent.send(MESSAGES - 10)


def await_retention(cluster):
    """Waits until the minimum offset has moved, and then stays where it is."""
    awaits(lambda: offsets(cluster)[0] > 0, "the minimum offset has moved", PATIENCE)
    awaits(lambda: int(segments(cluster)[0].name) > 0, "the first file is gone", PATIENCE)
    last, since = offsets(cluster), time.monotonic()
    while time.monotonic() < since + QUIET:
        time.sleep(0.5)
        if offsets(cluster) != last:
            last, since = offsets(cluster), time.monotonic()
    return last


def check(cluster, sent):
    """Minimum offsets have moved; the group behind goes on there and the log says once what it has missed."""
    minimum, following = await_retention(cluster)
    assert following == MESSAGES, f"the queue ends at {following}"
    assert 5 < minimum < MESSAGES, f"the minimum is {minimum}"
    got = sent.read("behind", MESSAGES - minimum)
    assert min(got) == minimum and len(got) == MESSAGES - minimum, f"{len(got)} messages from {min(got)} on"
    sent.read("behind", 1)  # finds nothing, and has nothing to complain about
    missed = [line for line in cluster.broker.log().splitlines() if "behind" in line and "missed" in line]
    assert len(missed) == 1, f"{len(missed)} lines: {missed}"
    said = re.search(rf"group behind missed (\d+) messages of topic {TOPIC} queue 0", missed[0])
    assert said and int(said[1]) == minimum - 5, f"missed {minimum - 5}, logged: {missed[0]}"
    return minimum


def check_restarts(cluster, sent, minimum):
    """Minimum offsets and messages survive a kill, and the log alone rebuilds them."""
    cluster.broker.kill9()
    cluster.broker.start()
    assert offsets(cluster)[0] >= minimum
    cluster.broker.terminate()
    shutil.rmtree(cluster.directory / "broker" / "checkpoint")
    cluster.broker.start()
    minimum = sent.audit("after-rebuild")
    sent.send(5)
    assert sent.read("behind", 6) == set(range(MESSAGES, MESSAGES + 5)), "the group's position is another"
