#!/usr/bin/env python3
"""Nodes of a cluster (two brokers, two nameservers) are killed while clients of all given SDKs send and receive.

Usage: cluster.py NAME|CLIENT…     (the command of an SDK's test client, see sdk_client.py)

With the SDKs' default settings: sends go on, what was acknowledged is received when all nodes are back, and a
nameserver that was restarted has full routes soon. While one of two broker groups is away, the SDKs' own retries find
the other one; when it is back, it is sent to and received from again.
"""

import contextlib
import os
import sys
import time

from rocketmq.grpc_protocol import definition_pb2 as definition

from broker_groups import BrokerGroups
from report import Report
from sdk_client import SdkClient, joined
from wire import Node, message, send

START_TIMEOUT = 60
PATIENCE = 120
DIRECT = 8  # messages that are sent to a broker that is back
NEVER_COME_BACK = {"Node.js"}  # its producer uses a broker that failed once only when all others have failed, too
OK = definition.OK


class Load:
    """A producer and a push consumer of a topic on both brokers, until the block is left."""

    def __init__(self, groups, name, command, topic):
        self.name = name
        self.topic = f"{topic}-{name.replace('.', '')}"
        self._groups = groups
        self._command = command
        groups.create_topic(self.topic, "--queues", "2")

    @contextlib.contextmanager
    def running(self):
        endpoint = joined(self.name, [process.address for process in self._groups.nameservers])

        def client(kind, *options):
            arguments = [kind, "--endpoint", endpoint, "--topic", self.topic, *options]
            return SdkClient(self._command, self._groups.directory, *arguments)

        with client("push", "--group", f"{self.topic}-push") as self._push, client(
            "produce", "--prefix", self.topic, "--count", "100000", "--work", "300"
        ) as self._producer:
            for one in (self._push, self._producer):
                one.await_event("ready", START_TIMEOUT)
            yield self

    @property
    def sent(self):
        return len(self._producer.sent)

    @property
    def failed(self):
        """Sends that the SDK gave up, so that the application sent again."""
        return len(self._producer.errors)

    def stop_sending(self):
        self._producer.kill9()

    def has_received(self, bodies):
        return all(body in self._push.received for body in bodies)

    def missing(self):
        """What was acknowledged and not received."""
        return [body for body in list(self._producer.sent) if body not in self._push.received]


class Loads:
    """The loads of all SDKs at once: a node that dies does so for all of them."""

    def __init__(self, groups, sdks, topic):
        self._groups = groups
        self._loads = [Load(groups, name, command, topic) for name, command in sdks]

    @contextlib.contextmanager
    def running(self):
        with contextlib.ExitStack() as stack:
            for load in self._loads:
                stack.enter_context(load.running())
            self.await_sends(100)
            yield self

    def __iter__(self):
        return iter(self._loads)

    def await_sends(self, count):
        """So many more are acknowledged to each."""
        goals = [(load, load.sent + count) for load in self._loads]
        for load, goal in goals:
            self._groups.await_true(
                lambda l=load, g=goal: l.sent >= g, f"{load.name} has sent {count} more messages", PATIENCE
            )

    def finish(self):
        """Sends no more; all that was acknowledged is received."""
        for load in self._loads:
            load.stop_sending()
        for load in self._loads:
            self._groups.await_true(
                lambda l=load: not l.missing(), f"{load.name} has received all that was acknowledged", PATIENCE
            )


def routes_are_full(groups, nameserver, topic):
    return groups.brokers_of(nameserver, topic) == set(groups.brokers)


def restart(groups, nameserver, topic):
    """Its routes are full soon after the brokers are with it again."""
    nameserver.start()
    groups.await_true(lambda: groups.knows_all_brokers(nameserver), "the brokers have registered again", PATIENCE)
    registered = time.monotonic()
    groups.await_true(lambda: routes_are_full(groups, nameserver, topic), "the routes are full", PATIENCE)
    print(f"     {nameserver.name} has full routes {time.monotonic() - registered:.2f} s after the brokers are with it")


def nameservers_one_by_one(groups, loads):
    topic = next(iter(loads)).topic
    for nameserver in groups.nameservers:
        nameserver.kill9()
        loads.await_sends(200)
        restart(groups, nameserver, topic)
        loads.await_sends(100)


def all_nameservers(groups, loads):
    for nameserver in groups.nameservers:
        nameserver.kill9()
    loads.await_sends(500)
    for nameserver in groups.nameservers:
        restart(groups, nameserver, next(iter(loads)).topic)
    loads.await_sends(100)


def one_broker_group(groups, loads):
    failed = {load.name: load.failed for load in loads}
    groups.brokers["b"].kill9()
    loads.await_sends(500)
    for load in loads:
        print(f"     {load.name}: {load.failed - failed[load.name]} sends failed while one broker was away")
    groups.brokers["b"].start()
    for load in loads:
        groups.await_true(
            lambda t=load.topic: all(routes_are_full(groups, n, t) for n in groups.nameservers), "the routes are full"
        )
    with Node(groups.brokers["b"].address) as direct:
        for load in loads:
            bodies = {f"{load.topic}-at-b-{number}" for number in range(DIRECT)}
            for body in sorted(bodies):
                groups.await_true(
                    lambda l=load, b=body: direct.call("SendMessage", send(message(l.topic, b.encode()))).code == OK,
                    "the broker takes messages",
                )
            groups.await_true(lambda l=load, b=bodies: l.has_received(b), f"{load.name} receives from it again", PATIENCE)
    if os.environ.get("MANSIO_LONG") == "1":  # a refresh of the route later
        before = {load.name: groups.stored(load.topic)["b"] for load in loads}
        for load in loads:
            if load.name not in NEVER_COME_BACK:
                groups.await_true(
                    lambda l=load: groups.stored(l.topic)["b"] > before[l.name], f"{load.name} sends to it again", PATIENCE
                )


def main():
    report = Report()
    sdks = [(name, command.split()) for name, command in (argument.split("|") for argument in sys.argv[1:])]
    names = ", ".join(name for name, _ in sdks)
    with BrokerGroups(["a", "b"], 2) as groups:
        for case in (nameservers_one_by_one, all_nameservers, one_broker_group):
            label = case.__name__.replace("_", "-")
            with report.case(f"{names}: {label.replace('-', ' ')}"), Loads(groups, sdks, label).running() as loads:
                case(groups, loads)
                loads.finish()
    report.finish()


if __name__ == "__main__":
    main()
