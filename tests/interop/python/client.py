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

_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, **fields}), flush=True)


class Application:
    """What a consumer does with its messages: works on them, and fails some."""

    def __init__(self, options):
        self._options = options
        self._seen = set()
        self._lock = threading.Lock()
        self._done = threading.Event()

    def succeeds(self, message):
        body = message.body.decode()
        with _output:
            event = {"event": "received", "id": message.message_id, "body": body}
            print(json.dumps({**event, "attempt": message.delivery_attempt, "at": time.time()}), flush=True)
        time.sleep(self._options.work / 1000)
        return self._options.fail not in ("*", body)

    def consumed(self, message):
        with self._lock:
            self._seen.add(bytes(message.body))
            if self._options.count and len(self._seen) >= self._options.count:
                self._done.set()

    def goes_on(self):
        return not self._done.is_set()

    def run(self):
        """Until the wanted number of distinct bodies has been consumed, or the input ends if there is none."""
        emit("ready")
        if self._options.count:
            self._done.wait()
            emit("done")
        else:
            sys.stdin.read()


def produce(options, configuration):
    producer = Producer(configuration, (options.topic,))
    producer.startup()
    emit("ready")

    def send(number, message_group=None):
        """Sends one message until it is acknowledged: an application that cannot lose it does the same."""
        body = f"{options.prefix}-{number}"
        while True:
            message = Message()
            message.topic, message.tag, message.keys, message.body = options.topic, "interop", body, body.encode()
            message.add_property("number", str(number))
            if message_group is not None:
                message.message_group = message_group
            try:
                receipt = producer.send_async(message).result()
                emit("sent", id=receipt.message_id, body=body)
                time.sleep(options.work / 1000)
                return
            except Exception as error:  # pylint: disable=broad-except
                emit("error", text=f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    def send_all(numbers):
        with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as pool:
            for future in [pool.submit(send, number) for number in numbers]:
                future.result()

    def send_group(group):
        for number in range(group, options.count, options.groups):
            send(number, f"{options.prefix}-{group}")

    if options.groups:
        with concurrent.futures.ThreadPoolExecutor(options.groups) as pool:
            list(pool.map(send_group, range(options.groups)))
        emit("done")
        return producer
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
    application = Application(options)

    def receive_and_ack():
        while application.goes_on():
            try:
                for message in consumer.receive(options.batch, options.invisible):
                    if options.change is not None:
                        consumer.change_invisible_duration(message, options.change)
                    if application.succeeds(message):
                        consumer.ack(message)
                        application.consumed(message)
            except Exception as error:  # pylint: disable=broad-except
                emit("error", text=f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    for _ in range(options.receivers):
        threading.Thread(target=receive_and_ack, daemon=True).start()
    application.run()
    return consumer


def consume_push(options, configuration):
    application = Application(options)

    class Listener(MessageListener):
        def consume(self, message):
            if not application.succeeds(message):
                return ConsumeResult.FAILURE
            application.consumed(message)
            return ConsumeResult.SUCCESS

    consumer = PushConsumer(configuration, options.group, Listener(), subscription(options))
    consumer.startup()
    application.run()
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
    parser.add_argument("--fail")
    parser.add_argument("--work", type=int, default=0)
    parser.add_argument("--invisible", type=int, default=20)
    parser.add_argument("--change", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--receivers", type=int, default=4)
    parser.add_argument("--prefix")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--pause-at", type=int, default=0)
    parser.add_argument("--groups", type=int, default=0)
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
