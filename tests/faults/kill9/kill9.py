"""kill -9 of a real broker at random moments under load.

In each durability: cycles of load, kill -9, restart, audit. An audit reads the whole topic with a new group and asserts
that every acknowledged message is at the offset that its sender was told, that no message a consumer saw has
vanished or moved, that offsets are dense and each message is stored once, that every sender's messages keep their
order within their queue, that the group that was consuming gets everything it had not acknowledged and nothing that it
had. At the end all cycles' topics are audited again: they have survived every later kill.

3 cycles per durability, 50 with MANSIO_LONG=1; MANSIO_KILL9_CYCLES and MANSIO_KILL9_SEED override.
"""

import collections
import os
import random
import sys
import time

from load import Load
from mansio_cluster import Cluster
from reading import drain, stored_count
from report import Report

CYCLES = int(os.environ.get("MANSIO_KILL9_CYCLES", "50" if os.environ.get("MANSIO_LONG") == "1" else "3"))
SEED = int(os.environ.get("MANSIO_KILL9_SEED", str(random.randrange(1 << 32))))
QUEUES = 4


def audit(cluster, load, audit_name):
    """Reads the whole topic and compares it with what the load's threads know."""
    group = f"{load.topic}-{audit_name}"
    cluster.mansio("group", "create", group, "--start", "earliest")
    count = stored_count(cluster, load.topic)
    stored = drain(cluster, load.topic, group, lambda found: len(found) >= count)
    assert len(stored) == count, f"{load.topic} has {count} messages and delivered {len(stored)}"

    queues = collections.defaultdict(dict)
    for message in stored.values():
        assert message.offset not in queues[message.queue], f"offset {message.offset} of queue {message.queue} twice"
        queues[message.queue][message.offset] = message
    for queue, messages in queues.items():
        assert sorted(messages) == list(range(len(messages))), f"offsets of queue {queue} are not dense from 0"

    lost = [message_id for message_id in load.acknowledged if message_id not in stored]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged messages are lost, first {lost[0]}"
    for message_id, (_, _, offset) in load.acknowledged.items():
        assert stored[message_id].offset == offset, f"{message_id} moved from {offset} to {stored[message_id].offset}"
    for message_id, place in load.seen.items():
        assert message_id in stored, f"a consumer saw {message_id}, and it has vanished"
        now = (stored[message_id].queue, stored[message_id].offset)
        assert now == place, f"a consumer saw {message_id} at {place}, now it is at {now}"
    assert_order(queues)
    return stored


def assert_order(queues):
    """Each sender's numbers rise by one along its one queue."""
    numbers = collections.defaultdict(list)
    places = collections.defaultdict(set)
    for queue, messages in queues.items():
        for _, message in sorted(messages.items()):
            sender, number = message.body.split()[0].decode().split(":")
            numbers[sender].append(int(number))
            places[sender].add(queue)
    for sender, sequence in numbers.items():
        assert len(places[sender]) == 1, f"message group of sender {sender} is in queues {places[sender]}"
        assert sequence == list(range(len(sequence))), f"sender {sender}'s messages are out of order or incomplete"


def assert_group_goes_on(cluster, load, stored):
    """The consuming group gets what it had not acknowledged; open leases end within their 10 s."""
    wanted = set(stored) - load.consumed - load.undecided
    rest = drain(cluster, load.topic, load.group, lambda found: wanted <= found.keys())
    again = load.consumed & rest.keys()
    assert not again, f"{len(again)} messages came again although their acknowledgement was answered with OK"


def run_cycle(cluster, number):
    load = Load(cluster.broker.address, f"cycle-{number}", f"consumers-{number}")
    cluster.create_topic(load.topic, "--type", "fifo", "--queues", str(QUEUES))
    cluster.mansio("group", "create", load.group, "--start", "earliest")
    load.start()
    try:
        load.await_acknowledged(50)
        time.sleep(random.uniform(0, 2))
        assert not load.refusals, f"refused while the broker lived: {load.refusals[0]}"
    finally:
        cluster.broker.kill9()
        load.join()
    started = time.monotonic()
    cluster.broker.start()
    print(f"     ready {time.monotonic() - started:.2f} s after the kill, {len(load.acknowledged)} acknowledged")
    stored = audit(cluster, load, "audit")
    assert_group_goes_on(cluster, load, stored)
    return load


def run_durability(report, durability):
    loads = []
    with report.case(f"{durability}: start and orderly end"), Cluster(nameserver=False, durability=durability) as cluster:
        for number in range(CYCLES):
            with report.case(f"{durability}: kill {number + 1} of {CYCLES}"):
                loads.append(run_cycle(cluster, number))
        with report.case(f"{durability}: everything is still there after all kills"):
            assert len(loads) == CYCLES, f"only {len(loads)} of {CYCLES} cycles got this far"
            for load in loads:
                audit(cluster, load, "final-audit")


def main():
    random.seed(SEED)
    print(f"seed {SEED} (MANSIO_KILL9_SEED repeats the same random moments)")
    report = Report()
    for durability in sys.argv[1:] or ("sync", "async"):
        run_durability(report, durability)
    report.finish()


if __name__ == "__main__":
    main()
