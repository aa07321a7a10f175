"""Pending messages whose segment retention has deleted."""

import time

from mansio_cluster import Cluster
from raw_client import RawClient
from reading import assert_once, read_places
from timers import await_fired
from transactions import stats

COUNT = 100  # of each kind
DUE = 60  # seconds until the first timer, and until the first check-back
SETTINGS = ["store.segment-bytes=4MiB", "retention.age=4s"]
ROLLED_BACK = len(range(1, COUNT, 3))
# A busy client answers late: the last check must be far away.
CHECKS = ("--first-check", f"{DUE}s", "--check-interval", "1s", "--max-checks", "100")


def first_segment(cluster):
    return min(int(path.name) for path in (cluster.directory / "broker" / "log").iterdir() if path.name.isdigit())


def pending_outlive_retention():
    """Timers fire and halves are ended once, in part by check-backs, though a kill, too, came between."""
    with Cluster(nameserver=False, broker_settings=SETTINGS) as cluster:
        cluster.create_topic("later", "--type", "delay", "--queues", "1")
        cluster.create_topic("orders", "--type", "transaction", "--queues", "1", *CHECKS)
        cluster.create_topic("filler")
        due = int(time.time() * 1000) + DUE * 1000
        client = RawClient(cluster.broker.address)
        timers = {client.send_delayed("later", f"{number}".encode(), due + number)[0] for number in range(COUNT)}
        halves = dict(client.send_half("orders", f"{number}".encode()) for number in range(COUNT))
        client.close()
        delete_first_segment(cluster)
        cluster.broker.kill9()
        cluster.broker.start()
        assert time.time() * 1000 < due, "the machine is too slow for this test"
        end_halves(cluster, halves)
        await_fired(cluster, DUE + 90)
        fired = read_places(cluster, "later", "after-retention")
        assert_once("later", fired)
        assert fired.keys() == timers, f"{len(fired)} of {len(timers)} messages were delivered"
        assert min(min(places.values()) for places in fired.values()) >= due, "messages are early"


def delete_first_segment(cluster):
    cluster.mansio("message", "send", "filler", "--body", "x" * 8000, "--count", "2000", timeout=60)
    deadline = time.monotonic() + 60
    while first_segment(cluster) == 0:
        assert time.monotonic() < deadline, "the segment of the pending messages was not deleted"
        time.sleep(0.2)


def end_halves(cluster, halves):
    """Two thirds are committed or rolled back by their producer, the others committed when it is asked."""
    client = RawClient(cluster.broker.address)
    committed = set()
    for number, (message_id, transaction_id) in enumerate(halves.items()):
        if number % 3 == 2:
            continue
        client.end_transaction("orders", message_id, transaction_id, number % 3 == 0)
        if number % 3 == 0:
            committed.add(message_id)

    def commit(message_id, transaction_id):
        assert halves[message_id] == transaction_id, "the producer is asked under another transaction id"
        client.end_transaction("orders", message_id, transaction_id, True)
        committed.add(message_id)
        if len(committed) == COUNT - ROLLED_BACK:
            client.close()

    client.answer_checks("orders", commit)
    places = read_places(cluster, "orders", "after-retention")
    assert_once("orders", places)
    assert places.keys() == committed, f"{len(places.keys() ^ committed)} messages are missing or should not be there"
    assert len(places) == COUNT - ROLLED_BACK
    assert stats(cluster)["pending"] == 0
