"""A consumer that wants only messages whose properties match an SQL92 expression.

Usage: sql_filter.py [ENDPOINT [TOPIC [GROUP]]]     (mansio topic create TOPIC)
"""

import sys

from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer
from rocketmq.grpc_protocol import FilterType

defaults = ["127.0.0.1:8081", "sales", "sales"]
endpoint, topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())

large = FilterExpression("amount > 100 AND region = 'eu'", FilterType.SQL)
consumer = SimpleConsumer(configuration, group, {topic: large}, await_duration=3)
consumer.startup()
producer = Producer(configuration, (topic,))
producer.startup()

for amount, region in ((50, "eu"), (150, "eu"), (500, "us")):
    message = Message()
    message.topic = topic
    message.body = f"{amount} in {region}".encode()
    message.add_property("amount", str(amount))
    message.add_property("region", region)
    producer.send(message)

received = []
while messages := consumer.receive(32, 30):
    for message in messages:
        consumer.ack(message)
        received.append(message.body.decode())
print("received:", "; ".join(received))

producer.shutdown()
consumer.shutdown()
