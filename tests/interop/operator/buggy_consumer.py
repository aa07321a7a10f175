"""A consumer with a bug: it receives with the official Python SDK, fails on every message and acknowledges none.

Arguments and output as in tests/interop/lib/sdk_client.py: buggy --endpoint E --topic T --group G --count N [--hold S]
It holds what it has for S seconds.
"""

import argparse
import json
import sys
import threading
import time

from rocketmq import ClientConfiguration, Credentials, FilterExpression, SimpleConsumer

RECEIVERS = 4

_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, **fields}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--endpoint")
    parser.add_argument("--topic")
    parser.add_argument("--group")
    parser.add_argument("--count", type=int)
    parser.add_argument("--hold", type=int, default=10)
    options = parser.parse_args()
    configuration = ClientConfiguration(options.endpoint, Credentials())
    consumer = SimpleConsumer(configuration, options.group, {options.topic: FilterExpression()}, await_duration=5)
    consumer.startup()
    emit("ready")
    seen = set()

    def receive():
        while len(seen) < options.count:
            try:
                for message in consumer.receive(32, options.hold):
                    body, attempt = message.body.decode(), message.delivery_attempt
                    emit("received", id=message.message_id, body=body, attempt=attempt, at=time.time())
                    seen.add(message.message_id)
            except Exception as error:  # pylint: disable=broad-except
                emit("error", text=f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=receive) for _ in range(RECEIVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    emit("done")
    sys.stdin.readline()  # stays connected until somebody ends it
    consumer.shutdown()


if __name__ == "__main__":
    main()
