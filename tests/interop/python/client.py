"""The Python SDK's test client; arguments and output as in tests/interop/lib/sdk_client.py."""

import argparse
import concurrent.futures
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
    Message,
    MessageListener,
    Producer,
    PushConsumer,
    SimpleConsumer,
    TransactionChecker,
    TransactionResolution,
)
from rocketmq.grpc_protocol import FilterType

IN_FLIGHT = 64  # sends without an answer
RECEIVERS = 4  # parallel long polls of the simple consumer
INVISIBLE_SECONDS = 20

_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, **fields}), flush=True)


def emit_received(message):
    emit("received", id=message.message_id, body=message.body.decode(), attempt=message.delivery_attempt)


class Countdown:
    """Is done when the wanted number of distinct bodies has been seen."""

    def __init__(self, count):
        self._count = count
        self._seen = set()
        self._lock = threading.Lock()
        self.done = threading.Event()

    def saw(self, body):
        with self._lock:
            self._seen.add(bytes(body))
            if len(self._seen) >= self._count:
                self.done.set()


def produce(options, configuration):
    producer = Producer(configuration, (options.topic,))
    producer.startup()
    emit("ready")

    def send(number):
        """Sends one message until it is acknowledged: an application that cannot lose it does the same."""
        body = f"{options.prefix}-{number}"
        while True:
            message = Message()
            message.topic, message.tag, message.keys, message.body = options.topic, "interop", body, body.encode()
            message.add_property("number", str(number))
            try:
                receipt = producer.send_async(message).result()
                emit("sent", id=receipt.message_id, body=body)
                return
            except Exception as error:  # pylint: disable=broad-except
                emit("error", text=f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    def send_all(numbers):
        with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as pool:
            for future in [pool.submit(send, number) for number in numbers]:
                future.result()

    if options.pause_at:
        send_all(range(options.pause_at))
        emit("paused")
        sys.stdin.readline()
    send_all(range(options.pause_at, options.count))
    emit("done")
    return producer


def subscription(options):
    return {options.topic: FilterExpression(options.sql, FilterType.SQL) if options.sql else FilterExpression()}


def consume_simple(options, configuration):
    consumer = SimpleConsumer(configuration, options.group, subscription(options), await_duration=10)
    consumer.startup()
    emit("ready")
    countdown = Countdown(options.count)

    def receive_and_ack():
        while not countdown.done.is_set():
            try:
                for message in consumer.receive(32, INVISIBLE_SECONDS):
                    consumer.ack(message)
                    emit_received(message)
                    countdown.saw(message.body)
            except Exception as error:  # pylint: disable=broad-except
                emit("error", text=f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    for _ in range(RECEIVERS):
        threading.Thread(target=receive_and_ack, daemon=True).start()
    countdown.done.wait()
    emit("done")
    return consumer


def consume_push(options, configuration):
    countdown = Countdown(options.count)

    class Listener(MessageListener):
        def consume(self, message):
            emit_received(message)
            countdown.saw(message.body)
            return ConsumeResult.SUCCESS

    consumer = PushConsumer(configuration, options.group, Listener(), subscription(options))
    consumer.startup()
    emit("ready")
    countdown.done.wait()
    emit("done")
    return consumer


def transact(options, configuration):
    class Checker(TransactionChecker):
        def check(self, message):
            emit("check", id=message.message_id, body=message.body.decode())
            return {
                "commit": TransactionResolution.COMMIT,
                "rollback": TransactionResolution.ROLLBACK,
                "unknown": TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED,
            }[options.answer]

    producer = Producer(configuration, (options.topic,), checker=Checker())
    producer.startup()
    emit("ready")
    if options.body:
        transaction = producer.begin_transaction()
        message = Message()
        message.topic, message.tag, message.body = options.topic, "interop", options.body.encode()
        receipt = producer.send(message, transaction)
        emit("sent", id=receipt.message_id, body=options.body)
        if options.ending == "commit":
            transaction.commit()
        elif options.ending == "rollback":
            transaction.rollback()
    emit("done")
    sys.stdin.read()
    return producer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["produce", "simple", "push", "transact"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group")
    parser.add_argument("--sql")
    parser.add_argument("--prefix")
    parser.add_argument("--count", type=int)
    parser.add_argument("--pause-at", type=int, default=0)
    parser.add_argument("--body")
    parser.add_argument("--ending", choices=["commit", "rollback", "none"])
    parser.add_argument("--answer", choices=["commit", "rollback", "unknown"])
    options = parser.parse_args()
    configuration = ClientConfiguration(options.endpoint, Credentials())
    commands = {"produce": produce, "simple": consume_simple, "push": consume_push, "transact": transact}
    client = commands[options.command](options, configuration)
    # An orderly shutdown waits for long polls that may last half a minute; the test has what it needs.
    threading.Timer(3, os._exit, [0]).start()
    client.shutdown()
    os._exit(0)


main()
