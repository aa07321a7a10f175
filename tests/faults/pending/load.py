"""Threads that use the broker until it dies."""

import threading

import grpc
from raw_client import RawClient, Refused


class Load:
    """Runs the steps of its subclass, each in threads with a client of their own, until the broker is dead."""

    def __init__(self, address, steps):
        """`steps`: functions of a RawClient, repeated in a thread for each mention."""
        self.address = address
        self.refusals = []  # what a living broker has refused
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(step,)) for step in steps]

    def start(self):
        for thread in self._threads:
            thread.start()

    def join(self):
        """To be called when the broker is dead: ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, step):
        client = RawClient(self.address)
        try:
            while not self._stop.is_set():
                step(client)
        except grpc.RpcError:
            pass  # The broker is dead.
        except Refused as error:
            self.refusals.append(str(error))
        finally:
            client.close()
