"""Load on one topic until the broker dies, and what the senders and the consumer know at that moment."""

import random
import threading
import time

import grpc
from raw_client import RawClient

SENDERS = 8
CONSUMERS = 2


class Load:
    """Sends to a FIFO topic, each sender its own message group, and consumes from it with one group.

    After join() the records are:
      acknowledged  message id -> (sender, number, queue offset), for each send that was answered with OK
      seen          message id -> (queue, offset), for each message that a consumer received
      consumed      message ids whose acknowledgement was answered with OK
      undecided     message ids whose acknowledgement was on its way when the broker died: either is right
    """

    def __init__(self, address, topic, group):
        self.topic = topic
        self.group = group
        self.acknowledged = {}
        self.seen = {}
        self.consumed = set()
        self.undecided = set()
        self.refusals = []
        self._address = address
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        self._threads += [threading.Thread(target=self._consume) for _ in range(CONSUMERS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def await_acknowledged(self, count, timeout=30):
        deadline = time.monotonic() + timeout
        while len(self.acknowledged) < count:
            assert time.monotonic() < deadline, f"only {len(self.acknowledged)} sends were acknowledged in {timeout} s"
            time.sleep(0.005)

    def join(self):
        """To be called when the broker is dead: ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender):
        client = RawClient(self._address)
        number = 0
        try:
            while not self._stop.is_set():
                body = f"{sender}:{number}".encode().ljust(random.choice((16, 128, 2000)))
                message_id, offset = client.send(self.topic, body, message_group=f"sender-{sender}")
                self.acknowledged[message_id] = (sender, number, offset)
                number += 1
        except grpc.RpcError:
            pass  # The broker is dead; whether the last message is stored is open.
        except Exception as error:  # pylint: disable=broad-except
            self.refusals.append(f"sender {sender}: {error}")
        finally:
            client.close()

    def _consume(self):
        client = RawClient(self._address)
        chosen = []
        try:
            while not self._stop.is_set():
                messages = client.receive(self.topic, self.group)
                for message in messages:
                    self.seen[message.id] = (message.queue, message.offset)
                # Some stay unacknowledged, so that leases are open when the broker dies.
                chosen = [message for message in messages if random.random() < 0.8]
                if chosen:
                    self.consumed.update(message.id for message in client.ack(self.topic, self.group, chosen))
                    chosen = []
        except grpc.RpcError:
            self.undecided.update(message.id for message in chosen)
        except Exception as error:  # pylint: disable=broad-except
            self.refusals.append(f"consumer: {error}")
        finally:
            client.close()
