"""Where groups stand, and how that is changed while their consumers are online.

Usage: positions.py NAME|COMMAND…     (COMMAND starts an SDK's test client, see sdk_client.py)

Reset to a time, an offset, the start and the end; pause and resume; broadcast to three clients; reading by offset with
long polling; `mansio message print`. Each case has a topic and a group of its own.
"""

import contextlib
import functools
import json
import subprocess
import sys
import threading
import time

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from mansio_cluster import BIN_DIR, Cluster
from raw_client import RawClient
from report import Report
from sdk_client import sdks_of
from wire import Node, metadata, resource, seconds

GROUP = "workers"


class Consumer:
    """A consumer of a group that is online: it receives all the time and acknowledges if it is told to."""

    def __init__(self, address, topic, group=GROUP, client_id=None, ack=True, polling=1):
        self.bodies = []
        self.handles = []
        self._client = RawClient(address, client_id)
        self._topic, self._group, self._ack, self._polling = topic, group, ack, polling
        self._ending = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._ending.is_set():
                for message in self._client.receive(
                    self._topic, self._group, invisible_seconds=600, polling_seconds=self._polling
                ):
                    if self._ack:
                        self._client.ack(self._topic, self._group, [message])
                    self.handles.append(message)
                    self.bodies.append(message.body.decode())
        except Exception as failure:  # pylint: disable=broad-except
            self._failure = failure

    def finish(self):
        """The receive that is under way is the last one."""
        self._ending.set()

    def await_bodies(self, wanted, timeout=30):
        """Waits until exactly these came since the last call, in whatever order."""
        deadline = time.monotonic() + timeout
        while len(self.bodies) < len(wanted) and time.monotonic() < deadline and self._failure is None:
            time.sleep(0.02)
        came, self.bodies = sorted(self.bodies), []
        assert self._failure is None, self._failure
        assert came == sorted(wanted), f"{came} came, not {sorted(wanted)}"

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.finish()
        self._thread.join()
        self._client.close()


class SdkConsumer:
    """A push consumer of an SDK that is online, asked like a Consumer."""

    def __init__(self, client):
        self._client = client
        self._looked_at = 0

    def await_bodies(self, wanted, what, timeout=30):
        """Waits until exactly these came since the last call, in whatever order."""
        deadline = time.monotonic() + timeout
        while self._count() < len(wanted) and time.monotonic() < deadline:
            time.sleep(0.02)
        came = sorted(one.body for one in self._client.deliveries()[self._looked_at :])
        self._looked_at += len(came)
        assert came == sorted(wanted), f"{what}: {came} came, not {sorted(wanted)}"

    def _count(self):
        return len(self._client.deliveries()) - self._looked_at


def queue_of(topic, number=0):
    return definition.MessageQueue(
        topic=resource(topic), id=number, broker=definition.Broker(name="broker-a")
    )


def pull(node, topic, offset, polling=0, timeout=30):
    """(code, bodies, next offset) of a pull."""
    answer = node.call(
        "PullMessage",
        service.PullMessageRequest(
            group=resource("pullers"),
            message_queue=queue_of(topic),
            offset=offset,
            batch_size=32,
            filter_expression=definition.FilterExpression(type=definition.TAG, expression="*"),
            long_polling_timeout=seconds(polling),
        ),
        timeout=timeout,
    )
    bodies = [e.message.body.decode() for e in answer.response if e.WhichOneof("content") == "message"]
    following = [e.next_offset for e in answer.response if e.WhichOneof("content") == "next_offset"]
    assert len(following) == 1, "the answer does not say where to go on"
    return definition.Code.Name(answer.code), bodies, following[0]


class Suite:
    def __init__(self, cluster, report):
        self.cluster = cluster
        self.report = report
        self.sender = RawClient(cluster.broker.address)
        self.address = cluster.broker.address

    def topic(self, name, group_options=("--start", "earliest"), group=None):
        """A topic of one queue and a group; returns the group's name."""
        group = group or f"{GROUP}-{name}"
        self.cluster.create_topic(name, "--queues", "1")
        self.cluster.mansio("group", "create", group, *group_options)
        return group

    def send(self, topic, *bodies):
        for body in bodies:
            self.sender.send(topic, body.encode())

    def reset(self, group, topic, to, endpoint=None):
        return self.cluster.mansio(
            "group", "reset", group, "--topic", topic, "--to", to, endpoint=endpoint or self.address
        )

    def run(self, sdks):
        self.report.together([
            (f"{sdk.name}: a push consumer is online while its group is moved and paused",
             functools.partial(self.moved_under_sdk, sdk))
            for sdk in sdks
        ])
        with self.report.case("broadcast: each push consumer of three SDKs gets every message once"):
            self.broadcast_to_sdks(sdks)
        self.reset_cases()
        self.pause_case()
        self.broadcast_case()
        self.pull_cases()
        self.print_cases()
        self.sender.close()

    def moved_under_sdk(self, sdk):
        name = f"moved-{sdk.key}"
        group = self.topic(name)
        with sdk.consumer(self.cluster, "push", name, group) as client:
            consumer = SdkConsumer(client)
            self.send(name, "a", "b")
            consumer.await_bodies("ab", "at first")
            time.sleep(1.1)
            between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            time.sleep(1.1)
            self.send(name, "c", "d")
            consumer.await_bodies("cd", "at first")
            for to, expected in (("earliest", "abcd"), ("3", "d"), (between, "cd"), ("latest", ""), ("1", "bcd")):
                self.reset(group, name, to)
                consumer.await_bodies(expected, f"after a reset to {to}")
            self.send(name, "e")
            consumer.await_bodies("e", "after the resets")
            self.cluster.mansio("group", "pause", group)
            self.send(name, "f")
            time.sleep(3)
            consumer.await_bodies("", "while the group is paused")
            self.cluster.mansio("group", "resume", group)
            consumer.await_bodies("f", "after the group went on")

    def broadcast_to_sdks(self, sdks):
        group = self.topic("sdk-casts", ("--broadcast", "--start", "earliest"))
        self.send("sdk-casts", "a", "b")
        with contextlib.ExitStack() as online:
            consumers = [
                SdkConsumer(online.enter_context(sdk.consumer(self.cluster, "push", "sdk-casts", group)))
                for sdk in sdks
            ]
            for sdk, consumer in zip(sdks, consumers):
                consumer.await_bodies("ab", f"what was there, to {sdk.name}")
            self.send("sdk-casts", "c", "d")
            for sdk, consumer in zip(sdks, consumers):
                consumer.await_bodies("cd", f"what came, to {sdk.name}")
            positions = self.cluster.mansio("group", "describe", group)["positions"]
            assert len({position["client"] for position in positions}) == len(sdks), positions

    def reset_cases(self):
        group = self.topic("resets")
        self.send("resets", "a", "b")
        time.sleep(1.1)
        between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.1)
        self.send("resets", "c", "d")
        nameserver = self.cluster.nameserver.address
        with Consumer(self.address, "resets", group) as consumer:
            consumer.await_bodies("abcd")
            for what, to, expected, endpoint in (
                ("the start", "earliest", "abcd", None),
                ("an offset", "3", "d", None),
                ("a time", between, "cd", None),
                ("an offset behind the end", "99", "", None),
                ("the start, by way of the nameserver", "earliest", "abcd", nameserver),
            ):
                with self.report.case(f"reset to {what} with a consumer online"):
                    positions = self.reset(group, "resets", to, endpoint)
                    assert len(positions) == 1 and positions[0]["next_offset"] == 4, positions
                    consumer.await_bodies(expected)
        with self.report.case("reset to the end: what is held is not delivered again, its handles are stale"):
            self.reset(group, "resets", "earliest")
            with Consumer(self.address, "resets", group, ack=False) as holder:
                holder.await_bodies("abcd")
                self.reset(group, "resets", "latest")
                held = holder.handles[0]
                assert self.sender.ack("resets", group, [held]) == [], "a stale handle was acknowledged"
                self.send("resets", "e")
                holder.await_bodies("e")
        with self.report.case("a reset survives a kill"):
            self.reset(group, "resets", "1")
            self.cluster.broker.kill9()
            self.cluster.broker.start()
            with Consumer(self.address, "resets", group) as consumer:
                consumer.await_bodies("bcde")

    def pause_case(self):
        group = self.topic("pauses")
        with Consumer(self.address, "pauses", group) as consumer:
            with self.report.case("pause with a consumer online: it gets nothing"):
                self.send("pauses", "a")
                consumer.await_bodies("a")
                self.cluster.mansio("group", "pause", group)
                self.send("pauses", "b")
                time.sleep(3)  # longer than one poll
                assert not consumer.bodies, consumer.bodies
                assert self.cluster.mansio("group", "describe", group)["paused"] is True
        with Consumer(self.address, "pauses", group, polling=20) as consumer:
            with self.report.case("resume wakes a receive that waits"):
                time.sleep(0.5)  # it waits by now, or there is nothing to wake
                consumer.finish()
                started = time.monotonic()
                self.cluster.mansio("group", "resume", group, endpoint=self.cluster.nameserver.address)
                consumer.await_bodies("b")
                assert time.monotonic() - started < 15, "the parked receive was not woken"

    def broadcast_case(self):
        group = self.topic("casts", ("--broadcast", "--start", "earliest"))
        self.send("casts", "a", "b")
        with self.report.case("broadcast: each of three clients gets every message once"):
            with (
                Consumer(self.address, "casts", group, "one") as one,
                Consumer(self.address, "casts", group, "two") as two,
                Consumer(self.address, "casts", group, "three") as three,
            ):
                for consumer in (one, two, three):
                    consumer.await_bodies("ab")
                self.send("casts", "c")
                for consumer in (one, two, three):
                    consumer.await_bodies("c")
            clients = {p["client"] for p in self.cluster.mansio("group", "describe", group)["positions"]}
            assert clients == {"one", "two", "three"}, clients
        with self.report.case("broadcast: positions survive a kill, a new client begins at the start policy"):
            self.cluster.broker.kill9()
            self.cluster.broker.start()
            self.send("casts", "d")
            with Consumer(self.address, "casts", group, "one") as one:
                one.await_bodies("d")
            with Consumer(self.address, "casts", group, "new") as new:
                new.await_bodies("abcd")

    def pull_cases(self):
        self.cluster.create_topic("pulls", "--queues", "1")
        with Node(self.address) as node:
            with self.report.case("pull: a long poll is answered when a message comes"):
                started = time.monotonic()
                threading.Timer(1.0, lambda: self.send("pulls", "a")).start()
                assert pull(node, "pulls", 0, polling=20) == ("OK", ["a"], 1)
                assert 1 <= time.monotonic() - started < 15
            with self.report.case("pull: a long poll without a message ends after its time"):
                started = time.monotonic()
                assert pull(node, "pulls", 1, polling=2) == ("MESSAGE_NOT_FOUND", [], 1)
                assert 2 <= time.monotonic() - started < 15
            with self.report.case("pull: the positions of a group, kept over a kill"):
                update = service.UpdateOffsetRequest(
                    group=resource("pullers"), message_queue=queue_of("pulls"), offset=1
                )
                assert node.call("UpdateOffset", update).code == definition.OK
                self.cluster.broker.kill9()
                self.cluster.broker.start()
                get = service.GetOffsetRequest(group=resource("pullers"), message_queue=queue_of("pulls"))
                answer = node.call("GetOffset", get, metadata("another"))
                assert (answer.code, answer.response.offset) == (definition.OK, 1)

    def print_cases(self):
        self.cluster.create_topic("prints", "--queues", "2")
        self.send("prints", *[f"m{n}" for n in range(50)])
        command = [str(BIN_DIR / "mansio"), "--endpoint", self.cluster.nameserver.address, "-o", "json"]
        command += ["message", "print", "prints"]
        with self.report.case("message print: every message once, in order within its queue"):
            out = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
            rows = [json.loads(line) for line in out.splitlines()]
            assert sorted(row["body"] for row in rows) == sorted(f"m{n}" for n in range(50))
            for queue in (0, 1):
                offsets = [row["queue_offset"] for row in rows if row["queue"] == queue]
                assert offsets == list(range(len(offsets))), offsets
            groups = [group["name"] for group in self.cluster.mansio("group", "list")]
            assert "mansio-print" not in groups, "the command left a group behind"
        with self.report.case("message print --follow: waits at the end for what comes"):
            with subprocess.Popen(
                [*command, "--follow", "--max", "53"], stdout=subprocess.PIPE, text=True
            ) as follower:
                try:
                    for _ in range(50):
                        assert follower.stdout.readline(), "the command ended early"
                    self.send("prints", "x", "y", "z")
                    rows = [json.loads(line) for line in follower.communicate(timeout=30)[0].splitlines()]
                finally:
                    follower.kill()  # nothing, once it has ended
            assert follower.returncode == 0, follower.returncode
            assert sorted(row["body"] for row in rows) == ["x", "y", "z"], rows


def main():
    report = Report()
    settings = ["receive.min-long-polling=0s"]  # consumers end with their poll
    with Cluster(nameserver=True, durability="async", broker_settings=settings) as cluster:
        Suite(cluster, report).run(sdks_of(sys.argv[1:]))
    report.finish()


if __name__ == "__main__":
    main()
