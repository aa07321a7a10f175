"""Ordered messages: those of one message group are consumed one after the other, in the order they were sent.

Usage: fifo.py [ENDPOINT [TOPIC [GROUP]]]     (mansio topic create TOPIC --type fifo; mansio group create GROUP --fifo)
"""

import sys

from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

defaults = ["127.0.0.1:8081", "payments", "payments"]
endpoint, topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())

consumer = SimpleConsumer(configuration, group, {topic: FilterExpression()}, await_duration=3)
consumer.startup()
producer = Producer(configuration, (topic,))
producer.startup()

for step in ("opened", "charged", "closed"):
    for account in ("alice", "bob"):
        message = Message()
        message.topic = topic
        message.message_group = account  # the unit of order; a send must return before the next one of its group
        message.body = f"{account}: {step}".encode()
        producer.send(message)

received = []
while len(received) < 6 and (messages := consumer.receive(32, 30)):
    for message in messages:
        received.append(message.body.decode())
        consumer.ack(message)
for account in ("alice", "bob"):
    print("; ".join(body for body in received if body.startswith(account)))

producer.shutdown()
consumer.shutdown()
