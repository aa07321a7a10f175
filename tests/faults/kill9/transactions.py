"""kill -9 amid transactions: each is decided once, for good, and its message visible once or never."""

import dataclasses
import random
import threading
import time

import grpc
from mansio_cluster import Cluster
from raw_client import Refused, RawClient
from reading import drain, stored_count

PRODUCERS = 4


@dataclasses.dataclass
class Transaction:
    """A half that the broker has acknowledged."""

    transaction_id: str
    commit: bool | None  # as its producer wants to end it; None: it leaves that open


class TransactionLoad:
    """Begins and ends transactions on one topic until the broker dies.

    After join() `transactions` has, by message id, all whose half was acknowledged. The end of the last one of each
    producer may have been on its way: then the broker has it or has it not.
    """

    def __init__(self, address, topic):
        self.topic = topic
        self.transactions = {}
        self.refusals = []
        self._address = address
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._produce) for _ in range(PRODUCERS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def await_begun(self, count, timeout=30):
        deadline = time.monotonic() + timeout
        while len(self.transactions) < count:
            assert time.monotonic() < deadline, f"only {len(self.transactions)} transactions in {timeout} s"
            time.sleep(0.005)

    def join(self):
        """To be called when the broker is dead: ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _produce(self):
        client = RawClient(self._address)
        try:
            while not self._stop.is_set():
                message_id, transaction_id = client.send_half(self.topic, b"half".ljust(random.choice((16, 128, 2000))))
                transaction = Transaction(transaction_id, random.choice((True, True, False, None)))
                self.transactions[message_id] = transaction
                if transaction.commit is not None:
                    client.end_transaction(self.topic, message_id, transaction_id, transaction.commit)
        except grpc.RpcError:
            pass  # The broker is dead.
        except Exception as error:  # pylint: disable=broad-except
            self.refusals.append(str(error))
        finally:
            client.close()


def end_all(cluster, load):
    """Repeats or makes the end of each transaction, and tries the other way: that must be refused."""
    client = RawClient(cluster.broker.address)
    for message_id, transaction in load.transactions.items():
        if transaction.commit is None:
            transaction.commit = random.random() < 0.5
        client.end_transaction(load.topic, message_id, transaction.transaction_id, transaction.commit)
        try:
            client.end_transaction(load.topic, message_id, transaction.transaction_id, not transaction.commit)
        except Refused as refused:
            assert "INVALID_TRANSACTION_ID" in str(refused), refused
        else:
            raise AssertionError(f"the transaction of {message_id} was ended both ways")
    client.close()


def run_transaction_cycle(cluster, number):
    load = TransactionLoad(cluster.broker.address, f"transactions-{number}")
    cluster.create_topic(load.topic, "--type", "transaction", "--queues", "2")
    load.start()
    try:
        load.await_begun(50)
        time.sleep(random.uniform(0, 1))
        assert not load.refusals, f"refused while the broker lived: {load.refusals[0]}"
    finally:
        cluster.broker.kill9()
        load.join()
    cluster.broker.start()
    end_all(cluster, load)

    wanted = {message_id for message_id, transaction in load.transactions.items() if transaction.commit}
    assert_visible(cluster, load.topic, wanted)


def assert_visible(cluster, topic, wanted):
    """The topic has these messages, each once, and no other."""
    count = stored_count(cluster, topic)
    assert count == len(wanted), f"{len(wanted)} transactions were committed, and {topic} has {count} messages"
    group = f"{topic}-audit"
    cluster.mansio("group", "create", group, "--start", "earliest")
    stored = drain(cluster, topic, group, lambda found: len(found) >= count)
    assert stored.keys() == wanted, f"{len(stored.keys() ^ wanted)} messages are missing or should not be visible"


def first_segment(cluster):
    return min(int(path.name) for path in (cluster.directory / "broker" / "log").iterdir() if path.name.isdigit())


def pending_outlive_retention():
    """Halves whose segment has been deleted are committed and rolled back all the same, also after a kill."""
    settings = ["store.segment-bytes=4MiB", "retention.age=4s"]
    with Cluster(nameserver=False, broker_settings=settings) as cluster:
        topic = "old-transactions"
        cluster.create_topic(topic, "--type", "transaction", "--queues", "1")
        cluster.create_topic("filler")
        client = RawClient(cluster.broker.address)
        halves = [client.send_half(topic, f"{number}".encode()) for number in range(100)]
        client.close()
        cluster.mansio("message", "send", "filler", "--body", "x" * 8000, "--count", "2000", timeout=60)
        deadline = time.monotonic() + 60
        while first_segment(cluster) == 0:
            assert time.monotonic() < deadline, "the segment of the halves was not deleted"
            time.sleep(0.2)
        cluster.broker.kill9()
        cluster.broker.start()
        client = RawClient(cluster.broker.address)
        for number, (message_id, transaction_id) in enumerate(halves):
            client.end_transaction(topic, message_id, transaction_id, number % 2 == 0)
        client.close()
        assert_visible(cluster, topic, {message_id for message_id, _ in halves[::2]})
