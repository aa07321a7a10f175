"""Every cause that `mansio group why` knows, staged on real processes."""

import contextlib
import datetime
import os
import time

from mansio_cluster import Cluster
from raw_client import RawClient
from sdk_client import SdkClient

PATIENCE = 90
LIMIT = 20  # limits.leases-per-group


class WhyCases:
    def __init__(self, report, buggy):
        self.report = report
        self.buggy = buggy
        self.cluster = None
        self.raw = None
        self.online = []  # (client, group): consumers that say that they live

    def run(self):
        settings = [f"limits.leases-per-group={LIMIT}", "clients.disconnected=10m"]
        with Cluster(nameserver=False, broker_settings=settings) as cluster:
            self._run_on(
                cluster,
                self.no_consumer,
                self.paused,
                self.caught_up,
                self.filter,
                self.fifo_head,
                self.back_off,
                self.in_flight,
                self.not_receiving,
                self.lease_limit,
                self.client_died,
            )
        small = ["store.segment-bytes=4MiB", "retention.bytes=12MiB"]
        with Cluster(nameserver=False, durability="async", broker_settings=small) as cluster:
            self._run_on(cluster, self.behind_retention)

    def _run_on(self, cluster, *cases):
        self.cluster = cluster
        self.raw = RawClient(cluster.broker.address)
        for case in cases:
            with self.report.case(f"group why: {case.__doc__}"):
                case()
        self.raw.close()

    def topic(self, name, *group_options, messages=3, message_group=None):
        """A topic with messages, and a group of the same name."""
        self.cluster.create_topic(name, "--queues", "1", *(["--type", "fifo"] if message_group else []))
        self.cluster.mansio("group", "create", name, "--start", "earliest", *group_options)
        for number in range(messages):
            self.raw.send(name, f"{name} {number}".encode(), message_group)

    def why(self, group):
        return self.cluster.mansio("group", "why", group)

    def await_cause(self, group, cause, **expected):
        """Waits until this is the first that is said; returns it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for client, of_group in self.online:
                client.heartbeat(of_group)
            said = self.why(group)
            if said[0]["cause"] == cause:
                break
            assert time.monotonic() < deadline, f"not {cause} but {said}"
            time.sleep(0.3)
        for key, value in expected.items():
            assert said[0][key] == value, f"{key} is not {value}: {said[0]}"
        return said[0]

    @contextlib.contextmanager
    def consumer(self, client_id, group, batch=32, tag="*"):
        """A consumer that receives once, for 120 s, then holds what it got, and lives."""
        client = RawClient(self.cluster.broker.address, client_id)
        try:
            client.messages = client.receive(group, group, batch=batch, invisible_seconds=120, filter_tag=tag)
            self.online.append((client, group))
            yield client
        finally:
            self.online.clear()
            client.close()

    def no_consumer(self):
        """no consumer"""
        self.topic("nobody")
        self.await_cause("nobody", "no-consumer")
        received = self.raw.receive("nobody", "nobody")
        self.raw.ack("nobody", "nobody", received)
        self.raw.send("nobody", b"late")
        said = self.await_cause("nobody", "no-consumer")  # some time after the last receive
        assert said["messages"] == 1, said

    def paused(self):
        """paused"""
        self.topic("halted")
        with self.consumer("busy", "halted"):
            self.raw.send("halted", b"more")
            self.cluster.mansio("group", "pause", "halted")
            said = self.await_cause("halted", "paused", messages=1)
            assert "mansio group resume halted" in said["text"], said

    def caught_up(self):
        """nothing to receive"""
        self.topic("idle")
        with self.consumer("quick", "idle") as client:
            client.ack("idle", "idle", client.messages)
            self.await_cause("idle", "caught-up")

    def filter(self):
        """nothing matches the filter"""
        self.topic("tagged")
        with self.consumer("picky", "tagged", tag="other") as client:
            assert client.messages == []
            said = self.await_cause("tagged", "filter", messages=3, topic="tagged")
        assert "'other'" in said["text"], said

    def fifo_head(self):
        """FIFO head leased"""
        self.topic("ordered", "--fifo", message_group="customer-7")
        before = time.time()
        with self.consumer("slow-one", "ordered", batch=1) as client:
            assert len(client.messages) == 1, client.messages
            # Another receive finds nothing that it may have.
            assert self.raw.receive("ordered", "ordered", batch=8) == []
            said = self.await_cause("ordered", "fifo-head", client="slow-one", message_group="customer-7", messages=2)
        until = datetime.datetime.fromisoformat(said["until"].replace("Z", "+00:00")).timestamp()
        assert before + 119 < until < time.time() + 121, said

    def back_off(self):
        """waiting for back-off"""
        self.topic("failing")
        with self.consumer("failer", "failing") as client:
            for message in client.messages:
                client.change("failing", "failing", message, 60)
            said = self.await_cause("failing", "back-off", messages=3)
            assert said["until"], said

    def in_flight(self):
        """all in flight"""
        self.topic("worked")
        with self.consumer("worker", "worked"):
            self.await_cause("worked", "in-flight", messages=3)

    def not_receiving(self):
        """a consumer that is connected and does not ask"""
        self.topic("stuck", messages=LIMIT // 2)
        options = ["--endpoint", self.cluster.broker.address, "--topic", "stuck", "--group", "stuck"]
        with SdkClient(self.buggy, self.cluster.directory, "buggy", *options, "--count", "1", "--hold", "600") as client:
            client.await_event("ready", PATIENCE)
            client.await_event("done", PATIENCE)
            self.raw.send("stuck", b"one more")
            said = self.await_cause("stuck", "not-receiving")
            assert said["client"], said
            clients = self.cluster.mansio("group", "clients", "stuck")
            assert [row["client"] for row in clients] == [said["client"]], clients
            described = self.cluster.mansio("client", "describe", said["client"])
            assert described["group"] == "stuck" and described["topics"] == ["stuck"], described
            assert said["client"] in [row["client"] for row in self.cluster.mansio("client", "list")]

    def lease_limit(self):
        """lease limit reached"""
        self.topic("greedy", messages=LIMIT + 5)
        with self.consumer("hoarder", "greedy") as client:
            assert len(client.messages) == LIMIT, len(client.messages)
            said = self.await_cause("greedy", "lease-limit", messages=5)
            assert "limits.leases-per-group" in said["text"], said

    def client_died(self):
        """all leased to a client that died"""
        self.topic("orphan")
        options = ["--endpoint", self.cluster.broker.address, "--topic", "orphan", "--group", "orphan"]
        with SdkClient(self.buggy, self.cluster.directory, "buggy", *options, "--count", "3", "--hold", "600") as client:
            client.await_event("ready", PATIENCE)
            client.await_event("done", PATIENCE)
            holder = self.await_cause("orphan", "in-flight", messages=3)
            assert holder["messages"] == 3, holder
        # Leaving the block has killed it.
        said = self.await_cause("orphan", "client-lost", messages=3)
        assert said["client"] and said["until"], said

    def behind_retention(self):
        """consumer behind retention"""
        self.cluster.create_topic("flood", "--queues", "1")
        self.cluster.mansio("group", "create", "late", "--start", "earliest")
        body = os.urandom(64 * 1024)
        self.raw.send("flood", body)
        self.raw.ack("flood", "late", self.raw.receive("flood", "late"))
        self.online.append((self.raw, "late"))
        deadline = time.monotonic() + PATIENCE
        while self.cluster.mansio("topic", "describe", "flood")["queue_offsets"][0]["min_offset"] < 2:
            for _ in range(20):
                self.raw.send("flood", body)
            assert time.monotonic() < deadline, "retention took nothing"
        minimum = self.cluster.mansio("topic", "describe", "flood")["queue_offsets"][0]["min_offset"]
        said = next(e for e in self.why("late") if e["cause"] == "behind-retention")
        assert said["messages"] >= minimum - 1 and said["queue"] == 0, said
        received = self.raw.receive("flood", "late")
        assert received and received[0].offset >= minimum, received[:1]
        said = self.await_cause("late", "behind-retention")  # also when it has gone on
        assert said["messages"] >= minimum - 1, said
        self.online.clear()
