"""A message that is delivered later, and one that is taken back before.

Usage: delay.py [ENDPOINT [TOPIC [GROUP]]]     (mansio topic create TOPIC --type delay)
"""

import sys
import time

from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

defaults = ["127.0.0.1:8081", "reminders", "reminders"]
endpoint, topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())

consumer = SimpleConsumer(configuration, group, {topic: FilterExpression()}, await_duration=10)
consumer.startup()
producer = Producer(configuration, (topic,))
producer.startup()


def remind(body, seconds):
    """Sends a reminder for that many seconds from now; this SDK knows whole seconds."""
    message = Message()
    message.topic = topic
    message.body = body.encode()
    message.delivery_timestamp = int(time.time()) + seconds
    return producer.send(message)


remind("wake up", 3)
taken_back = remind("never mind", 4)
producer.recall_message(topic, taken_back.recall_handle)

received = []
while messages := consumer.receive(32, 30):
    for message in messages:
        consumer.ack(message)
        received.append(message.body.decode())
    if received:
        break
print("received:", "; ".join(received))

producer.shutdown()
consumer.shutdown()
