"""A push consumer: the SDK calls the listener; a message that fails comes again after the group's back-off.

Usage: push_consumer.py [ENDPOINT [TOPIC [GROUP]]]     (mansio topic create TOPIC; mansio group create GROUP --backoff 1s)
"""

import sys
import threading

from rocketmq import (
    ClientConfiguration,
    ConsumeResult,
    Credentials,
    FilterExpression,
    Message,
    MessageListener,
    Producer,
    PushConsumer,
)

defaults = ["127.0.0.1:8081", "orders", "orders"]
endpoint, topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
configuration = ClientConfiguration(endpoint, Credentials())
done = threading.Event()


class OrderListener(MessageListener):
    """Runs on threads of the SDK. SUCCESS acknowledges; FAILURE, or an exception, lets the message come again."""

    def consume(self, message):
        body = message.body.decode()
        if message.delivery_attempt == 1:
            print(f"{body}: attempt 1 fails")
            return ConsumeResult.FAILURE
        print(f"{body}: attempt {message.delivery_attempt} succeeds")
        done.set()
        return ConsumeResult.SUCCESS


consumer = PushConsumer(configuration, group, OrderListener(), {topic: FilterExpression()})
consumer.startup()
producer = Producer(configuration, (topic,))
producer.startup()
order = Message()
order.topic = topic
order.body = b"order 1"
producer.send(order)

succeeded = done.wait(60)
producer.shutdown()
consumer.shutdown()
sys.exit(0 if succeeded else 1)
