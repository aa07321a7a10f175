#!/usr/bin/env python3
"""A topic gets a second broker, and loses its first one, under load.

Producers send through the nameservers, consumers receive from every broker of the route, which they ask for each second.
Nothing that was acknowledged may be lost, message groups keep their order, and no consumer may stand still for longer
than SDKs take to ask for routes again.
"""

import collections
import itertools
import threading
import time

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from broker_groups import BrokerGroups
from report import Report
from wire import Node, ack, handles, message, metadata, receive, received, resource, seconds, send

GROUP = "workers"
PRODUCERS = 3
KEYS = 12  # message groups, or what stands for them
PATIENCE = 60
ROUTE_REFRESH = 30  # of the SDKs
OK = definition.OK


class Load:
    """Producers and consumers of one topic, until the block is left."""

    def __init__(self, groups, topic, in_order):
        self._groups = groups
        self._topic = topic
        self._in_order = in_order
        self._lock = threading.Lock()
        self._stop_sending = threading.Event()
        self._stop = threading.Event()
        self._threads = []
        self._failure = None
        self.sent = collections.Counter()  # by key: so many were acknowledged
        self.got = collections.defaultdict(list)  # by key: numbers, as they came
        self.longest_gap = 0
        self._last_receipt = None

    def __enter__(self):
        for number in range(PRODUCERS):
            self._start(self._produce, [f"key-{key}" for key in range(number, KEYS, PRODUCERS)], number)
        for broker in self._groups.brokers:
            for number in range(2):
                self._start(self._consume, broker, number)
        return self

    def __exit__(self, kind, error, trace):
        self._stop_sending.set()
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _start(self, work, *arguments):
        def run():
            try:
                work(*arguments)
            except Exception as failure:  # pylint: disable=broad-except
                self._failure = failure

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def _produce(self, keys, number):
        nodes = [Node(process.address) for process in self._groups.nameservers]
        for count in itertools.count():
            for key in keys:
                if self._stop_sending.is_set():
                    return
                system = {"message_type": definition.FIFO, "message_group": key} if self._in_order else {}
                one = send(message(self._topic, f"{key} {count}".encode(), **system))
                self._send(nodes, one, f"producer-{number}")
                with self._lock:
                    self.sent[key] += 1
                time.sleep(0.01)

    def _send(self, nodes, request, client):
        """Until it is acknowledged: what SDKs and their callers do together."""
        for node in itertools.cycle(nodes):
            try:
                answer = node.call("SendMessage", request, metadata(client), timeout=3)
                if answer.code == OK:
                    return
            except grpc.RpcError:
                pass
            if self._stop.is_set():
                raise AssertionError("a send was not acknowledged by the end")
            time.sleep(0.1)

    def _consume(self, broker, number):
        client = metadata(f"consumer-{broker}-{number}")
        with Node(self._groups.nameservers[number].address) as node:
            while not self._stop.is_set():
                if broker not in readable(node, self._topic):
                    time.sleep(0.2)
                    continue
                request = receive(self._topic, GROUP, broker=broker, batch_size=4, invisible_duration=seconds(30))
                try:
                    answer = node.call("ReceiveMessage", request, client)
                    self._take(answer)
                    if handles(answer):
                        node.call("AckMessage", ack(*handles(answer), topic=self._topic, group=GROUP), client)
                except grpc.RpcError:
                    time.sleep(0.2)

    def _take(self, answer):
        now = time.monotonic()
        with self._lock:
            for one in received(answer):
                key, count = one.body.decode().split()
                self.got[key].append(int(count))
            if received(answer):
                self.longest_gap = max(self.longest_gap, now - (self._last_receipt or now))
                self._last_receipt = now

    def total(self):
        with self._lock:
            return sum(self.sent.values())

    def await_more(self, count):
        goal = self.total() + count
        self._groups.await_true(lambda: self.total() >= goal, f"{count} more messages are sent", PATIENCE)

    def finish(self):
        """No more sends; waits until all is received, and judges it."""
        self._stop_sending.set()
        self._groups.await_true(lambda: not self._missing(), "all that was acknowledged is received", PATIENCE)
        assert self._failure is None, self._failure
        for key, numbers in self.got.items():
            first = list(dict.fromkeys(numbers))  # a send that was tried again may be there twice
            assert not self._in_order or first == sorted(first), f"{key} came as {first}"
        assert self.longest_gap < ROUTE_REFRESH, f"consumers stood still for {self.longest_gap:.1f} s"

    def _missing(self):
        with self._lock:
            return [key for key, count in self.sent.items() if not set(range(count)) <= set(self.got[key])]


def route(node, topic):
    return node.call("QueryRoute", service.QueryRouteRequest(topic=resource(topic))).response.message_queues


def readable(node, topic):
    return {queue.broker.name for queue in route(node, topic)}


def stored(groups, topic, broker):
    queues = groups.mansio("topic", "describe", topic, endpoint=groups.broker.address)["queue_offsets"]
    return sum(queue["next_offset"] for queue in queues if queue["broker"] == broker)


def add_and_drain(groups, topic, in_order, endpoint):
    options = ["--type", "fifo"] if in_order else []
    groups.create_topic(topic, "--queues", "2", *options, on="a")
    fifo = ["--fifo"] if in_order else []
    groups.mansio("group", "create", GROUP, *fifo, "--start", "earliest", endpoint=endpoint)

    def alter(*arguments):
        groups.mansio("topic", "alter", topic, *arguments, "--wait", f"{PATIENCE}s", endpoint=endpoint, timeout=2 * PATIENCE)

    with Load(groups, topic, in_order) as load, Node(groups.nameservers[0].address) as node:
        load.await_more(100)
        alter("--add-broker", "b")
        groups.await_true(lambda: readable(node, topic) == {"a", "b"}, "the route has both brokers")
        groups.await_true(lambda: stored(groups, topic, "b") > 20, "the new broker gets its share", PATIENCE)
        alter("--drain-broker", "a")
        load.await_more(50)
        before = stored(groups, topic, "a")
        load.await_more(50)
        assert stored(groups, topic, "a") == before, "the drained broker was sent to"
        groups.await_true(lambda: readable(node, topic) == {"b"}, "the drained broker leaves the route", PATIENCE)
        load.finish()
    groups.mansio("group", "delete", GROUP, "--yes", endpoint=endpoint)


def refused_while_unfinished(groups):
    """Message groups do not move past what FIFO consumers have before them."""
    topic, group = "backlog", "sleepers"
    groups.create_topic(topic, "--type", "fifo", on="a")
    groups.mansio("group", "create", group, "--fifo", "--start", "earliest", endpoint=groups.broker.address)
    with Node(groups.brokers["a"].address) as node:
        one = message(topic, b"x", message_type=definition.FIFO, message_group="g")
        assert node.call("SendMessage", send(one)).code == OK
        got = node.call("ReceiveMessage", receive(topic, group, broker="a"))
        assert len(received(got)) == 1
        try:
            groups.mansio("topic", "alter", topic, "--add-broker", "b", "--wait", "1s", endpoint=groups.broker.address)
            raise RuntimeError("the message group was moved")
        except AssertionError as refused:
            assert group in str(refused), refused
        assert node.call("SendMessage", send(one)).code == OK, "sends go on"
        assert stored(groups, topic, "a") == 2
        groups.mansio("topic", "alter", topic, "--add-broker", "b", "--force", endpoint=groups.broker.address)


def offline_groups_are_waited_for(groups):
    """A broker comes and goes while a group is offline; the group gets what was sent there, and is the last to."""
    topic, group, endpoint = "scaled", "nightly", groups.broker.address
    groups.create_topic(topic, "--queues", "2", on="a")
    groups.mansio("group", "create", group, "--start", "earliest", endpoint=endpoint)
    groups.create_topic("unused", on="a")
    with Node(groups.brokers["a"].address) as a, Node(groups.brokers["b"].address) as b:
        assert a.call("SendMessage", send(message(topic, b"before"))).code == OK
        take(a, topic, group, "a", {"before"})
        for name in (topic, "unused"):
            groups.mansio("topic", "alter", name, "--add-broker", "b", endpoint=endpoint)
        bodies = {f"m{number}" for number in range(20)}
        for body in bodies:
            assert b.call("SendMessage", send(message(topic, body.encode()))).code == OK
        assert stored(groups, topic, "b") == len(bodies), "they are not on the added broker"
        for name in (topic, "unused"):
            groups.mansio("topic", "alter", name, "--drain-broker", "b", endpoint=endpoint)
        # Whoever takes this one out has looked at the other one, too.
        groups.await_true(lambda: readable(a, "unused") == {"a"}, "a topic without consumers leaves the route", PATIENCE)
        assert readable(a, topic) == {"a", "b"}, "the broker left the route before the group had come"
        take(a, topic, group, "b", bodies)
        groups.await_true(lambda: readable(a, topic) == {"a"}, "the drained broker leaves the route", PATIENCE)


def take(node, topic, group, broker, bodies):
    """Receives and acknowledges exactly these."""
    missing = set(bodies)
    until = time.monotonic() + PATIENCE
    while missing and time.monotonic() < until:
        answer = node.call("ReceiveMessage", receive(topic, group, broker=broker, batch_size=32))
        missing -= {one.body.decode() for one in received(answer)}
        if handles(answer):
            assert node.call("AckMessage", ack(*handles(answer), topic=topic, group=group)).code == OK
    assert not missing, f"group {group} did not get {missing} from broker {broker}"


def fails(groups, *arguments):
    """What a command says that must fail."""
    try:
        groups.mansio(*arguments, "--wait", "2s", endpoint=groups.brokers["a"].address)
    except AssertionError as failure:
        return str(failure)
    raise RuntimeError(f"{arguments} was done")


def repeated_after_a_failure(groups):
    """A broker that was away does not keep a change from being completed."""
    topic = "repeated"
    groups.create_topic(topic, "--type", "fifo", on="a")
    groups.brokers["b"].kill9()
    groups.await_true(lambda: groups.know(["a"]), "broker b is missed", PATIENCE)
    assert "'b'" in fails(groups, "topic", "alter", topic, "--add-broker", "b")
    groups.brokers["b"].start()
    groups.await_true(lambda: groups.know(["a", "b"]), "broker b is back", PATIENCE)
    change(groups, topic, "--add-broker", "b", shares=["a", "b"])
    with Node(groups.nameserver.address) as node:
        groups.brokers["b"].kill9()
        groups.await_true(lambda: groups.know(["a"]), "broker b is missed", PATIENCE)
        fails(groups, "topic", "alter", topic, "--drain-broker", "a")
        taken = sum(
            node.call("SendMessage", send(message(topic, message_type=definition.FIFO, message_group=f"g{i}"))).code == OK
            for i in range(20)
        )
        assert 0 < taken < 20, f"{taken} message groups of 20 are those of broker a"
        groups.brokers["b"].start()
        groups.await_true(lambda: groups.know(["a", "b"]), "broker b is back", PATIENCE)
    change(groups, topic, "--drain-broker", "a", shares=["b"])
    change(groups, topic, "--add-broker", "a", shares=["a", "b"])


def change(groups, topic, *arguments, shares):
    groups.mansio("topic", "alter", topic, *arguments, endpoint=groups.brokers["a"].address)
    described = groups.mansio("topic", "describe", topic, endpoint=groups.brokers["a"].address)
    assert described["message_group_brokers"] == shares, described


def main():
    report = Report()
    with BrokerGroups(["a", "b"], 2) as groups:
        with report.case("message groups, commands through a nameserver"):
            add_and_drain(groups, "ordered", True, groups.nameserver.address)
        with report.case("no groups, commands through a broker"):
            add_and_drain(groups, "plain", False, groups.brokers["b"].address)
        with report.case("message groups that are not finished do not move"):
            refused_while_unfinished(groups)
        with report.case("a drained broker waits for groups that are offline"):
            offline_groups_are_waited_for(groups)
        with report.case("a change that has failed is completed"):
            repeated_after_a_failure(groups)
    report.finish()


if __name__ == "__main__":
    main()
