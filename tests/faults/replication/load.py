"""Clients that use the group all the time and write down what they do and what they are told.

Each thread has one connection at a time, to any member, and goes to the next member when a call fails, as an
application of the protocol would; it does not repeat a send, so that a message that stands twice was not sent twice.
"""

import itertools
import random
import threading
import time

import grpc
from raw_client import RawClient, Refused

from history import Ack, End, Receive, Send, key_of

FIFO_TOPIC, DELAY_TOPIC, TRANSACTION_TOPIC = "orders", "later", "payments"
FIFO_GROUP, DELAY_GROUP = "orders-consumers", "later-consumers"
SENDERS = 4
PRODUCERS = 2
DELAY_SENDERS = 2
CALL_SECONDS = 4  # until a call is given up
INVISIBLE_SECONDS = 10
REST = 0.02  # seconds between two calls of a thread
LONGEST_DELAY_MS = 6000
FAILURES = (grpc.RpcError, Refused, ValueError)  # the last one: of a channel that was closed meanwhile


class Session:
    """A connection to one of the members, and to another one after a failure."""

    def __init__(self, addresses, deadline=CALL_SECONDS):
        self._addresses = itertools.cycle(random.sample(addresses, len(addresses)))
        self._deadline = deadline
        self.client = None
        self.change()

    def change(self):
        if self.client is not None:
            self.client.close()
        self.client = RawClient(next(self._addresses), deadline=self._deadline)


class Load:
    """Senders of message groups, of delayed messages and of transactions, and consumers; all that they do is in `history`.

    `only`: names of the steps to run instead of all.
    """

    def __init__(self, addresses, history, seed, only=None):
        self.history = history
        self.failures = 0  # calls that were not answered with OK
        self.last_failure = ""
        self._addresses = addresses
        self._numbers = itertools.count()
        self._halves = {}  # key -> Send
        self._ended = set()  # keys whose end was acknowledged
        self._sending = threading.Event()
        self._running = threading.Event()
        steps = [
            *((self._send, f"sender-{number}") for number in range(SENDERS)),
            *((self._send_delayed, f"delayer-{number}") for number in range(DELAY_SENDERS)),
            *((self._transact, f"producer-{number}") for number in range(PRODUCERS)),
            (self._consume_orders, "consumer-1"),
            (self._consume_orders, "consumer-2"),
            (self._consume_later, "consumer-3"),
            (self._answer_checks, "checker"),
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(step, name, random.Random(f"{seed} {name}")), daemon=True)
            for step, name in steps
            if only is None or name in only
        ]
        self._sessions = []

    @staticmethod
    def create_topics(group):
        group.create_topic(FIFO_TOPIC, "--type", "fifo", "--queues", "4")
        group.create_topic(DELAY_TOPIC, "--type", "delay", "--queues", "2")
        checks = ("--first-check", "2s", "--check-interval", "1s", "--max-checks", "1000")
        group.create_topic(TRANSACTION_TOPIC, "--type", "transaction", "--queues", "2", *checks)
        group.mansio("group", "create", FIFO_GROUP, "--fifo", "--start", "earliest", endpoint=group.master().address)
        group.mansio("group", "create", DELAY_GROUP, "--start", "earliest", endpoint=group.master().address)

    def start(self):
        self._sending.set()
        self._running.set()
        for thread in self._threads:
            thread.start()

    def stop_sending(self):
        """Consumers go on, and check-backs are answered."""
        self._sending.clear()

    def join(self):
        self._sending.clear()
        self._running.clear()
        for session in list(self._sessions):
            session.client.close()
        for thread in self._threads:
            thread.join()

    def await_sends(self, count, timeout):
        """So many more are acknowledged."""
        goal = self.history.acknowledged() + count
        deadline = time.monotonic() + timeout
        while self.history.acknowledged() < goal:
            assert time.monotonic() < deadline, f"waited {timeout} s in vain for {count} sends, last: {self.last_failure}"
            time.sleep(0.05)

    def _run(self, step, name, chance):
        session = Session(self._addresses)
        self._sessions.append(session)
        while self._running.is_set():
            try:
                step(session.client, name, chance)
                time.sleep(chance.uniform(0, 2 * REST))
            except FAILURES as error:
                self.failures += 1
                self.last_failure = f"{name}: {error}"
                time.sleep(0.1)
                session.change()
        session.client.close()

    def _key(self, name):
        return f"[{name}:{next(self._numbers)}]"

    def _pausing(self):
        """Whether nothing is to be sent; waits a little if so."""
        if self._sending.is_set():
            return False
        time.sleep(0.1)
        return True

    def _call(self, operation, call):
        """Makes a call and completes its operation with what was answered."""
        operation.invoked = time.monotonic()
        self.history.add(operation)
        answer = call()
        operation.completed = time.monotonic()
        return answer

    def _send(self, client, name, chance):
        if self._pausing():
            return
        operation = Send(FIFO_TOPIC, self._key(name), 0, message_group=name)
        body = operation.key.encode().ljust(chance.choice((32, 200, 2000)))
        _, operation.offset = self._call(operation, lambda: client.send(FIFO_TOPIC, body, name))

    def _send_delayed(self, client, name, chance):
        if self._pausing():
            return
        due = int(time.time() * 1000) + chance.randrange(LONGEST_DELAY_MS)
        operation = Send(DELAY_TOPIC, self._key(name), 0, due_ms=due)
        self._call(operation, lambda: client.send_delayed(DELAY_TOPIC, operation.key.encode(), due))

    def _transact(self, client, name, chance):
        """Some halves are left to the check-backs."""
        if self._pausing():
            return
        operation = Send(TRANSACTION_TOPIC, self._key(name), 0, commit=chance.random() < 0.7)
        self._halves[operation.key] = operation
        answer = self._call(operation, lambda: client.send_half(TRANSACTION_TOPIC, operation.key.encode()))
        if chance.random() < 0.7:
            time.sleep(chance.uniform(0, 0.2))
            self._end(client, operation, *answer)

    def _end(self, client, half, message_id, transaction_id):
        operation = End(half.key, 0)
        self._call(operation, lambda: client.end_transaction(half.topic, message_id, transaction_id, half.commit))
        self._ended.add(half.key)

    def _answer_checks(self, client, _name, _chance):
        """As each producer has decided; one whose end was acknowledged is not helped by a second end."""

        def decide(message_id, transaction_id, body):
            half = self._halves.get(key_of(body))
            if half is not None and half.key not in self._ended:
                self._end(client, half, message_id, transaction_id)

        client.answer_checks(TRANSACTION_TOPIC, decide, with_body=True)

    def _consume_orders(self, client, _name, chance):
        self._consume(client, FIFO_TOPIC, FIFO_GROUP, chance)

    def _consume_later(self, client, _name, chance):
        self._consume(client, DELAY_TOPIC, DELAY_GROUP, chance)

    def _consume(self, client, topic, group, chance):
        """Some messages are not acknowledged, so that they come again."""
        invoked = time.monotonic()
        messages = client.receive(topic, group, chance.choice((1, 8, 32)), INVISIBLE_SECONDS)
        keys = [key_of(message.body) for message in messages]
        deliveries = [(key, one.queue, one.offset, one.attempt) for key, one in zip(keys, messages)]
        self.history.add(Receive(topic, group, invoked, time.monotonic(), deliveries))
        if not messages or chance.random() < 0.02:
            return
        now = time.monotonic()
        acks = {one.handle: self.history.add(Ack(topic, group, key, now)) for key, one in zip(keys, messages)}
        good = client.ack(topic, group, messages)
        now = time.monotonic()
        for message in good:
            acks[message.handle].completed = now
