"""A producer of delayed messages with the Python SDK; arguments and output as in delay.py."""

import json
import math
import os
import sys
import time

from rocketmq import ClientConfiguration, Credentials, Message, Producer

endpoint, exact_topic, plain_topic = sys.argv[1:]


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def message(topic, body):
    made = Message()
    made.topic, made.tag, made.body = topic, "interop", body.encode()
    return made


def send(made, due):
    receipt = producer.send(made)
    emit("sent", body=made.body.decode(), id=receipt.message_id, due=due)
    return receipt.recall_handle


def recall(handle):
    try:
        emit("recalled", id=producer.recall_message(exact_topic, handle))
    except Exception as error:  # pylint: disable=broad-except
        emit("refused", text=f"{type(error).__name__}: {error}")


producer = Producer(ClientConfiguration(endpoint, Credentials()), (exact_topic, plain_topic))
producer.startup()
due_seconds = math.ceil(time.time()) + 10  # this SDK knows whole seconds only
handles = []
for text in ("exact", "recalled"):
    later = message(exact_topic, text)
    later.delivery_timestamp = due_seconds
    handles.append(send(later, due_seconds * 1000))
leveled = message(plain_topic, "level")
leveled.add_property("DELAY", "1")
send(leveled, int(time.time() * 1000) + 1000)
recall(handles[1])
recall(handles[1])
sys.stdin.readline()
recall(handles[0])
os._exit(0)
