"""Consumers of the official Python SDK in a FIFO group.

    consumer.py push   --endpoint E --topic T --group G [--poison BODY] [--work SECONDS]
    consumer.py simple --endpoint E --topic T --group G [--poison BODY] [--batch N] [--receivers N]

The push consumer's application fails for the poisoned message; the simple consumer never acknowledges it, but all
others. Prints one JSON object a line: {"event": "ready"}, then {"event": "received", "body", "attempt", "at"} for each
delivery, "at" in seconds. A line on its standard input ends it in an orderly way.
"""

import argparse
import json
import os
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

INVISIBLE_SECONDS = 10

_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, "at": time.time(), **fields}), flush=True)


def emit_received(message):
    body = message.body.decode()
    emit("received", body=body, attempt=message.delivery_attempt)
    return body


def push(options, configuration):
    class Listener(MessageListener):
        def consume(self, message):
            body = emit_received(message)
            time.sleep(options.work)
            return ConsumeResult.FAILURE if body == options.poison else ConsumeResult.SUCCESS

    consumer = PushConsumer(configuration, options.group, Listener(), {options.topic: FilterExpression()})
    consumer.startup()
    return consumer


def simple(options, configuration):
    consumer = SimpleConsumer(configuration, options.group, {options.topic: FilterExpression()}, await_duration=5)
    consumer.startup()

    def receive_and_ack():
        while True:
            try:
                for message in consumer.receive(options.batch, INVISIBLE_SECONDS):
                    if emit_received(message) != options.poison:
                        consumer.ack(message)
            except Exception as error:  # pylint: disable=broad-except
                print(f"receive or ack failed: {error!r}", file=sys.stderr)
                time.sleep(0.2)

    for _ in range(options.receivers):
        threading.Thread(target=receive_and_ack, daemon=True).start()
    return consumer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["push", "simple"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--poison")
    parser.add_argument("--work", type=float, default=0)
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--receivers", type=int, default=4)
    options = parser.parse_args()
    configuration = ClientConfiguration(options.endpoint, Credentials())
    consumer = {"push": push, "simple": simple}[options.command](options, configuration)
    emit("ready")
    sys.stdin.readline()
    # An orderly shutdown waits for long polls that may last half a minute; it says goodbye first.
    threading.Timer(3, os._exit, [0]).start()
    consumer.shutdown()
    os._exit(0)


main()
