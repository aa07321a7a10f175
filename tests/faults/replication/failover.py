#!/usr/bin/env python3
"""How long clients cannot send when the master of an elected group fails.

Usage: failover.py [--rounds N] [--durability D] NAME|CLIENT…   (the command of an SDK's test client, see sdk_client.py)

Each round: the master is killed, stands still, or is cut off from its group while clients still reach it; then the first
send is awaited that begins after the fault and is acknowledged, through each client at the same time. "raw" is a
connection to any member that goes to the next one after each failure and gives a call up after a second; "all" is one to
each member, and shows when the new master serves. The SDKs have their default settings and the addresses of the
nameservers. In each round a planned switch-over follows, and the sends are counted that fail meanwhile, in the eyes of
the application.
"""

import argparse
import contextlib
import random
import statistics
import threading
import time

from faults import Fault
from load import FAILURES, Session
from members import ReplicatedGroup
from network import Network
from report import Report
from sdk_client import SdkClient, joined

TOPIC = "failover"
KINDS = ("is killed", "stands still", "is cut off from its group")
START_TIMEOUT = 60
PATIENCE = 120  # seconds until a client counts as one that does not send again
SENDS_BEFORE = 20  # of each client, until a fault strikes
WORK_MS = 500  # an SDK's client has 64 threads, each of which waits so long after a send


class TimedClient(SdkClient):
    """A producer whose acknowledged sends are known by the time at which they were reported."""

    def __init__(self, *arguments):
        self.times = []
        super().__init__(*arguments)

    def _take(self, event):
        super()._take(event)
        if event["event"] == "sent":
            self.times.append(time.monotonic())


class RawSender:
    """Sends one message after the other, until the block is left."""

    def __init__(self, addresses):
        self.times = []
        self.errors = []
        self._session = Session(addresses, deadline=1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self._over.set()
        self._thread.join()
        self._session.client.close()

    def _run(self):
        while not self._over.wait(0.02):
            try:
                self._session.client.send(TOPIC, b"raw")
                self.times.append(time.monotonic())
            except FAILURES as error:
                self.errors.append(str(error))
                self._session.change()


class RawSenders(contextlib.ExitStack):
    """One to each member."""

    def __init__(self, addresses):
        super().__init__()
        self._senders = [RawSender([address]) for address in addresses]

    def __enter__(self):
        for sender in self._senders:
            self.enter_context(sender)
        return self

    @property
    def times(self):
        return sorted(one for sender in self._senders for one in list(sender.times))

    @property
    def errors(self):
        return [error for sender in self._senders for error in list(sender.errors)]


def first_after(times, since):
    """When the first send was acknowledged after the longest pause since a time; None if it has not ended.

    What was under way when the fault struck may still be answered at once: that is before the pause.
    """
    later = [since, *(one for one in list(times) if one > since)]
    gaps = [(after - before, after) for before, after in zip(later, later[1:])]
    longest, end = max(gaps, default=(0, None))
    return end if end is not None and time.monotonic() - later[-1] < longest else None


def await_sends(group, clients):
    for client in clients.values():
        goal = len(client.times) + SENDS_BEFORE
        group.await_true(lambda c=client, g=goal: len(c.times) >= g, "each client sends", PATIENCE)


def strike(group, clients, kind, chance):
    """One fault; returns the seconds from it to the first acknowledged send, by the client's name.

    A client is left out that has not sent again before PATIENCE ended.
    """
    await_sends(group, clients)
    old = group.master()
    with Fault("the master", kind, 0).striking(group, chance):
        struck = time.monotonic()
        group.await_true(lambda: group.master() is not old, "another master is elected", PATIENCE)
        elected = time.monotonic()
        missing = set(clients)  # who has not sent to the new master yet
        while missing and time.monotonic() < elected + PATIENCE:
            time.sleep(0.1)
            missing = {name for name in missing if not any(one > elected + 0.1 for one in list(clients[name].times))}
        seconds = {name: first_after(clients[name].times, struck) - struck for name in clients.keys() - missing}
    group.await_whole()
    return seconds


def switch_over(group, clients):
    """A planned one; returns how many sends have failed, by the client's name, and the longest time without one."""
    await_sends(group, clients)
    old, began = group.master(), time.monotonic()
    failed = {name: len(client.errors) for name, client in clients.items()}
    group.mansio("broker", "switchover", "broker-a", "--yes", endpoint=old.address)
    assert group.master() is not old, "the master is the same"
    group.await_whole()
    await_sends(group, clients)
    return {
        name: (len(client.errors) - failed[name], longest_pause(client.times, began)) for name, client in clients.items()
    }


def longest_pause(times, since):
    later = [one for one in list(times) if one >= since]
    return max((after - before for before, after in zip([since, *later], later)), default=0)


def table_of_switches(switches):
    print(f"\na planned switch-over, {len(switches)} rounds: sends that failed, seconds without a send")
    for name in switches[0] if switches else ():
        failed = sum(one[name][0] for one in switches)
        pauses = sorted(one[name][1] for one in switches)
        print(f"  {name:10} {failed} failed   p50 {statistics.median(pauses):6.2f}   max {pauses[-1]:6.2f}")


def table(rounds):
    for kind, measured in rounds.items():
        print(f"\nthe master {kind}, {len(measured)} rounds: seconds to the first acknowledged send")
        for name in sorted({name for one in measured for name in one}):
            values = sorted(one[name] for one in measured if name in one)
            never = len(measured) - len(values)
            text = f"  {name:10} p50 {statistics.median(values):6.2f}   max {values[-1]:6.2f}"
            print(text + (f"   {never} times not within {PATIENCE} s" if never else ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--durability", default="replica")
    parser.add_argument("clients", nargs="*")
    options = parser.parse_args()
    chance = random.Random(1)
    report = Report()
    rounds = {kind: [] for kind in KINDS}
    switches = []
    with Network() as network, ReplicatedGroup(network, options.durability, election=True) as group:
        group.create_topic(TOPIC, "--queues", "2")
        addresses = [nameserver.address for nameserver in group.nameservers]
        with contextlib.ExitStack() as running:
            clients = {
                "raw": running.enter_context(RawSender(group.addresses)),
                "all": running.enter_context(RawSenders(group.addresses)),
            }
            for name, command in (text.split("|", 1) for text in options.clients):
                arguments = ["--endpoint", joined(name, addresses), "--topic", TOPIC, "--prefix", name]
                arguments += ["--count", "10000000", "--work", str(WORK_MS)]
                arguments += ["--timeout", "3"] if name == "Java" else []  # as its SDK has it
                client = TimedClient(command.split(), group.directory, "produce", *arguments)
                clients[name] = running.enter_context(client)
                client.await_event("ready", START_TIMEOUT)
            for number in range(options.rounds):
                for kind in KINDS:
                    with report.case(f"round {number + 1}: the master {kind}"):
                        rounds[kind].append(strike(group, clients, kind, chance))
                        print("     " + ", ".join(f"{name} {took:.2f} s" for name, took in rounds[kind][-1].items()))
                with report.case(f"round {number + 1}: a planned switch-over"):
                    switches.append(switch_over(group, clients))
                    print(f"     {switches[-1]}")
    table({kind: measured for kind, measured in rounds.items() if measured})
    table_of_switches(switches)
    report.finish()


if __name__ == "__main__":
    main()
