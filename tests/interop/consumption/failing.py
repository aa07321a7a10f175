"""Consumers of the official Python SDK whose application fails.

    failing.py push   --endpoint E --topic T --group G      every message fails
    failing.py simple --endpoint E --topic T --group G --invisible SECONDS      none is acknowledged

Prints one JSON object a line: {"event": "ready"}, then {"event": "received", "body", "attempt", "at"} for each
delivery, "at" in seconds. It runs until it is killed.
"""

import argparse
import json
import sys
import threading
import time

from rocketmq import (
    ClientConfiguration,
    ConsumeResult,
    Credentials,
    FilterExpression,
    MessageListener,
    PushConsumer,
    SimpleConsumer,
)

_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, **fields}), flush=True)


def emit_received(message):
    emit("received", body=message.body.decode(), attempt=message.delivery_attempt, at=time.time())


class Failing(MessageListener):
    """The application of a push consumer."""

    def consume(self, message):
        emit_received(message)
        return ConsumeResult.FAILURE


def push(options, configuration):
    consumer = PushConsumer(configuration, options.group, Failing(), {options.topic: FilterExpression()})
    consumer.startup()
    emit("ready")
    threading.Event().wait()


def simple(options, configuration):
    consumer = SimpleConsumer(configuration, options.group, {options.topic: FilterExpression()}, await_duration=10)
    consumer.startup()
    emit("ready")
    while True:
        try:
            for message in consumer.receive(32, options.invisible):
                emit_received(message)
        except Exception as error:  # the broker is being restarted
            print(f"receive failed: {error!r}", file=sys.stderr)
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["push", "simple"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--invisible", type=int, default=10)
    options = parser.parse_args()
    {"push": push, "simple": simple}[options.command](options, ClientConfiguration(options.endpoint, Credentials()))


main()
