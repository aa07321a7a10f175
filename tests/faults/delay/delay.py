"""kill -9 of a real broker at random moments under a load of delayed messages and recalls.

In each durability: cycles of load, kill -9, restart, and an audit when nothing is pending any more. The audit reads the
whole topic with a new group and asserts that each message whose send was acknowledged stands in its queue exactly once,
at or after its delivery time by the broker's clock, unless its recall was answered with OK: then it is nowhere.

3 cycles per durability, 50 with MANSIO_LONG=1; MANSIO_DELAY_CYCLES and MANSIO_DELAY_SEED override.
"""

import collections
import concurrent.futures
import os
import random
import sys
import threading
import time

import grpc
from mansio_cluster import Cluster
from raw_client import RawClient, Refused
from report import Report
from rocketmq.grpc_protocol import definition_pb2 as definition

CYCLES = int(os.environ.get("MANSIO_DELAY_CYCLES", "50" if os.environ.get("MANSIO_LONG") == "1" else "3"))
SEED = int(os.environ.get("MANSIO_DELAY_SEED", str(random.randrange(1 << 32))))
SENDERS = 6
RECALLERS = 2
LONGEST_MS = 5000  # delay of a message
TOPIC = "later"


class Load:
    """Sends and recalls until the broker dies, and what the threads know at that moment.

    After join() the records are:
      acknowledged  message id -> delivery time, for each send that was answered with OK
      recalled      message ids whose recall was answered with OK
      too_late      message ids whose recall was answered with NOT_FOUND
      undecided     message ids whose recall was on its way when the broker died: either is right
    """

    def __init__(self, address):
        self.acknowledged = {}
        self.recalled = set()
        self.too_late = set()
        self.undecided = set()
        self.refusals = []
        self._address = address
        self._stop = threading.Event()
        self._handles = collections.deque()
        self._threads = [threading.Thread(target=self._run, args=(self._send,)) for _ in range(SENDERS)]
        self._threads += [threading.Thread(target=self._run, args=(self._recall,)) for _ in range(RECALLERS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def join(self):
        """To be called when the broker is dead: ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, step):
        client = RawClient(self._address)
        try:
            while not self._stop.is_set():
                step(client)
        except grpc.RpcError:
            pass  # The broker is dead.
        except Refused as error:
            self.refusals.append(str(error))
        finally:
            client.close()

    def _send(self, client):
        due = int(time.time() * 1000) + random.choice((1, random.randrange(LONGEST_MS), random.randrange(1000)))
        message_id, handle = client.send_delayed(TOPIC, b"x" * random.choice((16, 128, 5000)), due)
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
        code = client.recall(TOPIC, handle)
        if code not in (definition.OK, definition.NOT_FOUND):
            self.refusals.append(f"a recall was answered with {definition.Code.Name(code)}")
        (self.recalled if code == definition.OK else self.too_late).add(message_id)
        self.undecided.discard(message_id)


def await_none_pending(cluster, timeout=LONGEST_MS / 1000 + 60):
    deadline = time.monotonic() + timeout
    while (pending := cluster.mansio("delay", "stats")[0]["pending"]) > 0:
        assert time.monotonic() < deadline, f"{pending} messages are still pending"
        time.sleep(0.1)


def read_all(cluster, group):
    """What stands in the topic: message id -> its places and store times."""
    cluster.mansio("group", "create", group, "--start", "earliest")
    count = cluster.mansio("topic", "describe", TOPIC)["messages"]
    places = set()
    found = collections.defaultdict(dict)
    client = RawClient(cluster.broker.address)
    deadline = time.monotonic() + 120
    while len(places) < count:
        assert time.monotonic() < deadline, f"got only {len(places)} of {count} messages"
        messages = client.receive(TOPIC, group)
        for message in messages:
            places.add((message.queue, message.offset))
            found[message.id][(message.queue, message.offset)] = message.stored_ms
        if messages:
            client.ack(TOPIC, group, messages)
    client.close()
    return found


def audit(cluster, load, group):
    found = read_all(cluster, group)
    twice = {message_id: places for message_id, places in found.items() if len(places) > 1}
    assert not twice, f"{len(twice)} messages were delivered more than once, for example {next(iter(twice.items()))}"
    early = [
        (message_id, due, stored)
        for message_id, due in load.acknowledged.items()
        for stored in found.get(message_id, {}).values()
        if stored < due
    ]
    assert not early, f"{len(early)} messages are early, for example {early[0]}"
    back = load.recalled & found.keys()
    assert not back, f"{len(back)} recalled messages were delivered, for example {next(iter(back))}"
    lost = load.acknowledged.keys() - found.keys() - load.recalled - load.undecided
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} messages are lost, for example {next(iter(lost))}"
    assert load.too_late <= found.keys() | load.undecided, "a message is neither recalled nor delivered"


def merge(loads):
    """All cycles' records as one: later cycles must not have changed what earlier ones knew."""
    total = Load("")
    for load in loads:
        total.acknowledged.update(load.acknowledged)
        total.recalled |= load.recalled
        total.too_late |= load.too_late
        total.undecided |= load.undecided
    return total


def run_cycle(cluster, loads, number):
    load = Load(cluster.broker.address)
    loads.append(load)
    load.start()
    try:
        time.sleep(random.uniform(1, 4))
        assert not load.refusals, f"refused while the broker lived: {load.refusals[0]}"
    finally:
        cluster.broker.kill9()
        load.join()
    time.sleep(random.choice((0, 0, 2)))  # sometimes much is overdue
    cluster.broker.start()
    await_none_pending(cluster)
    print(
        f"     {len(load.acknowledged)} acknowledged, {len(load.recalled)} recalled, {len(load.too_late)} recalled too"
        f" late, {len(load.undecided)} undecided"
    )
    audit(cluster, merge(loads), f"audit-{number}")


def first_segment(cluster):
    return min(int(path.name) for path in (cluster.directory / "broker" / "log").iterdir() if path.name.isdigit())


def pending_outlive_retention():
    """Messages whose segment is deleted before they are due are delivered once all the same."""
    settings = ["store.segment-bytes=4MiB", "retention.age=4s"]
    with Cluster(nameserver=False, broker_settings=settings) as cluster:
        cluster.create_topic(TOPIC, "--type", "delay", "--queues", "1")
        cluster.create_topic("filler")
        due = int(time.time() * 1000) + 60000
        client = RawClient(cluster.broker.address)
        sent = {client.send_delayed(TOPIC, f"{number}".encode(), due + number)[0] for number in range(100)}
        client.close()
        cluster.mansio("message", "send", "filler", "--body", "x" * 8000, "--count", "2000", timeout=60)
        deadline = time.monotonic() + 45
        while first_segment(cluster) == 0:
            assert time.monotonic() < deadline, "the segment of the pending messages was not deleted"
            time.sleep(0.2)
        cluster.broker.kill9()
        cluster.broker.start()
        assert time.time() * 1000 < due, "the machine is too slow for this test"
        await_none_pending(cluster, 90)
        found = read_all(cluster, "after-retention")
        assert found.keys() == sent, f"{len(found)} of {len(sent)} messages were delivered"
        assert all(len(places) == 1 for places in found.values()), "messages were delivered twice"
        assert min(min(places.values()) for places in found.values()) >= due, "messages are early"


def run_durability(report, durability):
    loads = []
    with report.case(f"{durability}: start and orderly end"), Cluster(nameserver=False, durability=durability) as cluster:
        cluster.create_topic(TOPIC, "--type", "delay", "--queues", "4")
        for number in range(CYCLES):
            with report.case(f"{durability}: kill {number + 1} of {CYCLES}"):
                run_cycle(cluster, loads, number)


def main():
    random.seed(SEED)
    print(f"seed {SEED} (MANSIO_DELAY_SEED repeats the same random moments)")
    report = Report()
    with concurrent.futures.ThreadPoolExecutor(1) as background:  # it waits for a minute, most of the time
        outliving = background.submit(pending_outlive_retention)
        for durability in sys.argv[1:] or ("sync", "async"):
            run_durability(report, durability)
        with report.case("pending messages outlive retention"):
            outliving.result()
    report.finish()


if __name__ == "__main__":
    main()
