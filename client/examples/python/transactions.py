"""Transactions: commits one order and rolls one back; consumers see the first only.

Usage: transactions.py [ENDPOINT [TOPIC [GROUP]]]     (mansio topic create TOPIC --type transaction)
"""

import sys

from rocketmq import (
    ClientConfiguration,
    Credentials,
    FilterExpression,
    Message,
    Producer,
    SimpleConsumer,
    TransactionChecker,
    TransactionResolution,
)

defaults = ["127.0.0.1:8081", "orders", "orders"]
endpoint, topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())


class OrderChecker(TransactionChecker):
    """Asked by the broker about transactions that nobody ended: an application looks into its own database."""

    def check(self, message):
        return TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED  # not known yet: ask again later


consumer = SimpleConsumer(configuration, group, {topic: FilterExpression()}, await_duration=3)
consumer.startup()
producer = Producer(configuration, (topic,), checker=OrderChecker())
producer.startup()


def begin(body):
    """Stores a message that nobody sees yet; the application then does its own work."""
    message = Message()
    message.topic = topic
    message.body = body.encode()
    transaction = producer.begin_transaction()
    producer.send(message, transaction)
    return transaction


begin("order 1, committed").commit()
begin("order 2, rolled back").rollback()

received = []
while messages := consumer.receive(32, 30):
    for message in messages:
        consumer.ack(message)
        received.append(message.body.decode())
print("received:", "; ".join(received))

producer.shutdown()
consumer.shutdown()
sys.exit(0 if "order 1, committed" in received and "order 2, rolled back" not in received else 1)
