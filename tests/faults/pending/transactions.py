"""Transactions and check-backs: what clients were told of them, and the audit that holds the broker to it."""

import contextlib
import dataclasses
import random
import threading
import time

import grpc
from load import Load
from raw_client import RawClient, Refused
from reading import assert_once, read_places

PRODUCERS = 4
MOST_LISTED = 1000  # expired transactions that the broker names at once
CHECKS = ("--first-check", "1s", "--check-interval", "1s", "--max-checks", "3")


@dataclasses.dataclass
class Transaction:
    """A half that the broker has acknowledged."""

    transaction_id: str
    commit: bool | None  # as its producer wants to end it; None: it does not know
    ended: bool = False  # the broker has acknowledged that


class TransactionLoad(Load):
    """Begins and ends transactions on one topic, and answers check-backs.

    After join() `transactions` has, by message id, all whose half was acknowledged. The end of one that has not `ended`
    may have been on its way: then the broker has it or has it not.
    """

    def __init__(self, address, number):
        super().__init__(address, [self._produce] * PRODUCERS + [self._answer_checks])
        self.topic = f"transactions-{number}"
        self.transactions = {}

    def create_topics(self, cluster):
        cluster.create_topic(self.topic, "--type", "transaction", "--queues", "2", *CHECKS)

    def _produce(self, client):
        message_id, transaction_id = client.send_half(self.topic, b"half".ljust(random.choice((16, 128, 2000))))
        transaction = Transaction(transaction_id, random.choice((True, True, False, None)))
        self.transactions[message_id] = transaction
        if transaction.commit is not None:
            client.end_transaction(self.topic, message_id, transaction_id, transaction.commit)
            transaction.ended = True

    def _answer_checks(self, client):
        """Of the transactions that nobody has ended, a third is committed, a third rolled back, the others expire."""

        def decide(message_id, transaction_id):
            transaction = self.transactions.get(message_id)
            if transaction is None:
                return  # its send was not answered
            if transaction.commit is None:
                transaction.commit = {0: True, 1: False}.get(hash(message_id) % 3)
            if transaction.commit is not None:
                client.end_transaction(self.topic, message_id, transaction_id, transaction.commit)
                transaction.ended = True

        client.answer_checks(self.topic, decide)

    def end_all(self, cluster, timeout=120):
        """After the restart: acknowledged ends stand, and check-backs end the others."""
        client = RawClient(cluster.broker.address)
        for message_id, transaction in self.transactions.items():
            if transaction.ended:
                assert not self._can_end(client, message_id, not transaction.commit), f"{message_id}: its end is lost"
                assert self._can_end(client, message_id, transaction.commit), f"{message_id}: its end is forgotten"
        checker = threading.Thread(target=self._check_until_closed, args=(client,))
        checker.start()
        try:
            deadline = time.monotonic() + timeout
            while (pending := stats(cluster)["pending"]) > 0:
                assert time.monotonic() < deadline, f"{pending} transactions are still pending"
                time.sleep(0.1)
        finally:
            client.close()
            checker.join()

    def _check_until_closed(self, client):
        with contextlib.suppress(grpc.RpcError, ValueError):  # how a closed channel shows
            self._answer_checks(client)

    def _can_end(self, client, message_id, commit):
        try:
            client.end_transaction(self.topic, message_id, self.transactions[message_id].transaction_id, commit)
        except Refused as refused:
            assert "INVALID_TRANSACTION_ID" in str(refused), refused
            return False
        return True

    def audit(self, cluster, group):
        """When nothing is pending any more: each message stands once, or nowhere, as its transaction ended."""
        places = read_places(cluster, self.topic, f"{group}-{self.topic}")
        assert_once(self.topic, places)
        client = RawClient(cluster.broker.address)
        for message_id, transaction in self.transactions.items():
            committed = message_id in places
            if transaction.ended:
                assert committed == transaction.commit, f"{message_id} is{'' if committed else ' not'} visible"
            assert self._can_end(client, message_id, True) == committed, f"{message_id}: the topic and its end differ"
            assert self._can_end(client, message_id, False) != committed, f"{message_id}: the topic and its end differ"
        client.close()

    def __str__(self):
        ended = sum(transaction.ended for transaction in self.transactions.values())
        return f"{len(self.transactions)} transactions, {ended} ended"


def stats(cluster):
    return cluster.mansio("transaction", "stats")["brokers"][0]


def assert_sums(cluster, loads):
    """What the broker counts is what stands in the topics."""
    total = stats(cluster)
    visible = sum(cluster.mansio("topic", "describe", load.topic)["messages"] for load in loads)
    assert total["committed"] == visible, f"{total['committed']} transactions are committed, and {visible} visible"
    expired = cluster.mansio("transaction", "list", "--state", "expired", "--limit", str(MOST_LISTED))
    inspected = min(total["expired"], MOST_LISTED)
    assert len(expired) == inspected, f"{total['expired']} have expired, {len(expired)} can be inspected"
    ids = [entry["message_id"] for entry in expired]
    assert len(ids) == len(set(ids)), "a transaction expired twice"
