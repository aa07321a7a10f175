#!/usr/bin/env python3
"""Nodes of a cluster (two brokers, two nameservers) are killed while SDK clients send and receive.

Usage: cluster.py NAME|CLIENT…     (the command of an SDK's test client, see sdk_client.py)

With the SDKs' default settings: sends go on, what was acknowledged is received when all nodes are back, and a
nameserver that was restarted has full routes soon. MANSIO_LONG=1 adds the Node.js SDK.
"""

import itertools
import sys
import time

from broker_groups import BrokerGroups
from report import Report
from sdk_client import TAKE_ONE_ADDRESS, SdkClient

START_TIMEOUT = 60
PATIENCE = 120


class Load:
    """A producer and a push consumer of a topic on both brokers, until the block is left."""

    def __init__(self, groups, command, topic, endpoint):
        self._groups = groups
        self._clients = {
            kind: SdkClient(command, groups.directory, kind, "--endpoint", endpoint, "--topic", topic, *options)
            for kind, options in (
                ("push", ("--group", f"{topic}-push")),
                ("produce", ("--prefix", topic, "--count", "100000", "--work", "300")),
            )
        }

    def __enter__(self):
        for client in self._clients.values():
            client.__enter__()
        for client in self._clients.values():
            client.await_event("ready", START_TIMEOUT)
        self.await_sends(100)
        return self

    def __exit__(self, kind, error, trace):
        for client in self._clients.values():
            client.__exit__(kind, error, trace)

    @property
    def sent(self):
        return self._clients["produce"].sent

    @property
    def received(self):
        return self._clients["push"].received

    def await_sends(self, count):
        """So many more are acknowledged."""
        goal = len(self.sent) + count
        self._groups.await_true(lambda: len(self.sent) >= goal, f"{count} more messages are sent", PATIENCE)

    def finish(self):
        """Sends no more; all that was acknowledged is received."""
        self._clients["produce"].kill9()
        acknowledged = dict(self.sent)
        self._groups.await_true(
            lambda: all(body in self.received for body in acknowledged), "all that was acknowledged is received", PATIENCE
        )


def prepare(groups, name, command, topic):
    groups.create_topic(topic, "--queues", "2")
    nameservers = [process.address for process in groups.nameservers]
    return Load(groups, command, topic, nameservers[0] if name in TAKE_ONE_ADDRESS else ";".join(nameservers))


def routes_are_full(groups, nameserver, topic):
    return groups.brokers_of(nameserver, topic) == set(groups.brokers)


def restart(groups, nameserver, topic):
    """Its routes are full soon after the brokers are with it again."""
    nameserver.start()
    groups.await_true(lambda: groups.knows_all_brokers(nameserver), "the brokers have registered again", PATIENCE)
    registered = time.monotonic()
    groups.await_true(lambda: routes_are_full(groups, nameserver, topic), "the routes are full", PATIENCE)
    print(f"     {nameserver.name} has full routes {time.monotonic() - registered:.2f} s after the brokers are with it")


def nameservers_one_by_one(groups, name, command, topic):
    with prepare(groups, name, command, topic) as load:
        for nameserver in groups.nameservers:
            nameserver.kill9()
            load.await_sends(200)
            restart(groups, nameserver, topic)
            load.await_sends(100)
        load.finish()


def all_nameservers(groups, name, command, topic):
    with prepare(groups, name, command, topic) as load:
        for nameserver in groups.nameservers:
            nameserver.kill9()
        load.await_sends(500)
        for nameserver in groups.nameservers:
            restart(groups, nameserver, topic)
        load.await_sends(100)
        load.finish()


def one_broker(groups, name, command, topic):
    with prepare(groups, name, command, topic) as load:
        groups.brokers["b"].kill9()
        load.await_sends(500)
        groups.brokers["b"].start()
        for nameserver in groups.nameservers:
            groups.await_true(lambda n=nameserver: routes_are_full(groups, n, topic), "the routes are full", PATIENCE)
        load.await_sends(200)
        load.finish()


def main():
    report = Report()
    cases = (nameservers_one_by_one, all_nameservers, one_broker)
    with BrokerGroups(["a", "b"], 2) as groups:
        for argument, case in itertools.product(sys.argv[1:], cases):
            name, command = argument.split("|")
            with report.case(f"{name}: {case.__name__.replace('_', ' ')}"):
                case(groups, name, command.split(), f"{case.__name__.replace('_', '-')}-{name.replace('.', '')}")
    report.finish()


if __name__ == "__main__":
    main()
