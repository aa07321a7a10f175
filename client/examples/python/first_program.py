"""A first program: sends messages and receives them with the official RocketMQ 5 Python SDK.

Usage: first_program.py [ENDPOINT [TOPIC [GROUP [COUNT]]]]     (pip install rocketmq-python-client)
"""

import sys

from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

defaults = ["127.0.0.1:8081", "quickstart", "quickstart", "1000"]
endpoint, topic, group, count = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())

consumer = SimpleConsumer(configuration, group, {topic: FilterExpression()}, await_duration=5)
consumer.startup()
producer = Producer(configuration, (topic,))
producer.startup()


def send(number):
    message = Message()
    message.topic = topic
    message.tag = "first"
    message.body = f"message {number}".encode()
    return producer.send_async(message)


receipts = [send(number) for number in range(int(count))]
missing = {receipt.result().message_id for receipt in receipts}
print(f"sent {len(missing)} messages")

received = 0
while missing:
    messages = consumer.receive(32, 30)  # at most 32; hidden from other consumers for 30 s
    if not messages:
        break
    for message in messages:
        consumer.ack(message)
        received += message.message_id in missing
        missing.discard(message.message_id)
print(f"received {received} messages, {len(missing)} missing")

producer.shutdown()
consumer.shutdown()
sys.exit(1 if missing else 0)
