"""A slave with many pending timers, halves and leases that becomes the master when the old one is killed.

It must serve soon, which is printed and not asserted, and all of them must come out right: each timer is delivered
once, each half is committed or rolled back as its producer says to the new master, and each lease is acknowledged with
the handle that the old master gave.

3,000 timers, 300 halves and 300 leases; 1,000,000, 100,000 and 100,000 with MANSIO_LONG=1.
"""

import collections
import concurrent.futures
import os
import time

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service
from rocketmq.grpc_protocol import service_pb2_grpc

from mansio_cluster import ROOT, Cluster, Process
from raw_client import RawClient, Refused
from report import Report

LONG = os.environ.get("MANSIO_LONG") == "1"
TIMERS, HALVES, LEASES = (1_000_000, 100_000, 100_000) if LONG else (3_000, 300, 300)
DUE_SECONDS = 600 if LONG else 20  # how far ahead the timers are, from when the first one is sent
BATCH = 200
THREADS = 8
PATIENCE = 600 if LONG else 60  # seconds


class Pair(Cluster):
    """A master and its slave; the slave is `slave`."""

    def __init__(self):
        common = ["durability=replica", "limits.leases-per-queue=10000000"]
        super().__init__(nameserver=False, broker_settings=[*common, "broker.id=1"])
        settings = [*common, f"store.path={self.directory / 'slave'}", "broker.id=2", "role=slave"]
        settings.append(f"replication.master={self.broker.address}")
        self.slave = Process("broker", self.directory, ROOT / "conf" / "broker.yaml", settings, "slave")

    def _processes(self):
        return [self.slave, self.broker]

    def in_sync(self):
        rows = self.mansio("broker", "list")
        return [row["id"] for row in rows if row["in_sync"]] == [1, 2]


def send_batches(address, topic, count, due_ms=None):
    """Sends messages with the bodies 0 to count - 1."""
    kind = definition.NORMAL if due_ms is None else definition.DELAY

    def message(number):
        system = definition.SystemProperties(
            message_id=f"01{number:032X}", message_type=kind, body_encoding=definition.IDENTITY, born_host="127.0.0.1"
        )
        if due_ms is not None:
            system.delivery_timestamp.FromMilliseconds(due_ms)
        return definition.Message(
            topic=definition.Resource(name=topic), body=b"%d" % number, system_properties=system
        )

    def send(first):
        numbers = range(first, min(first + BATCH, count))
        request = service.SendMessageRequest(messages=[message(number) for number in numbers])
        response = stub.SendMessage(request, metadata=[("x-mq-client-id", "batches")], timeout=PATIENCE)
        if response.status.code != definition.OK:
            raise Refused(response.status)

    with grpc.insecure_channel(address) as channel, concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        stub = service_pb2_grpc.MessagingServiceStub(channel)
        list(pool.map(send, range(0, count, BATCH)))


def receive_all(client, topic, group, count, ack):
    """Receives until `count` messages have come, or none for PATIENCE; returns them."""
    messages = []
    last = time.monotonic()
    while len(messages) < count and time.monotonic() < last + PATIENCE:
        batch = client.receive(topic, group, invisible_seconds=3600, polling_seconds=5)
        if not batch:
            continue
        last = time.monotonic()
        messages += batch
        if ack:
            client.ack(topic, group, batch)
    return messages


def serve_time(cluster):
    """Promotes the slave; seconds until the command had ended, a send was taken, and a receive brought something."""
    begin = time.monotonic()
    times = {}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        command = pool.submit(cluster.mansio, "broker", "promote", "broker-a", "2", "--force", "--yes",
                              endpoint=cluster.slave.address)
        client = RawClient(cluster.slave.address)
        for what, call in (
            ("send", lambda: client.send("plain", b"after")),
            ("receive", lambda: client.receive("plain", "plain-group", polling_seconds=1)),
        ):
            while what not in times and time.monotonic() < begin + PATIENCE:
                try:
                    if call():
                        times[what] = time.monotonic() - begin
                except (grpc.RpcError, Refused):
                    time.sleep(0.01)
        command.result()
    times["command"] = time.monotonic() - begin
    client.close()
    assert len(times) == 3, f"served only {times}"
    return times


def exactly_once(messages, bodies, what):
    counts = collections.Counter(bytes(message.body) for message in messages)
    missing = [body for body in bodies if body not in counts]
    twice = [body for body, count in counts.items() if count > 1]
    strange = counts.keys() - set(bodies)
    assert not missing and not twice and not strange, (
        f"{what}: {len(missing)} missing, {len(twice)} twice, {len(strange)} strange; such as "
        f"{(missing + twice + list(strange))[:3]}"
    )


def fill(cluster):
    """Returns the halves, by body, and the leased messages."""
    for topic, kind in (("plain", "normal"), ("leased", "normal"), ("timed", "delay"), ("paid", "transaction")):
        cluster.create_topic(topic, "--type", kind)
        cluster.mansio("group", "create", f"{topic}-group", "--start", "earliest")
    send_batches(cluster.broker.address, "timed", TIMERS, int((time.time() + DUE_SECONDS) * 1000))
    # Last of all the leases, whose holder must not be away for long.
    client = RawClient(cluster.broker.address, "holder")
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        halves = dict(pool.map(lambda n: (b"%d" % n, client.send_half("paid", b"%d" % n)), range(HALVES)))
    send_batches(cluster.broker.address, "leased", LEASES)
    leased = receive_all(client, "leased", "leased-group", LEASES, ack=False)
    assert len(leased) == LEASES
    client.close()
    return halves, leased


def check_leases(client, cluster, leased):
    for first in range(0, len(leased), 32):
        client.ack("leased", "leased-group", leased[first : first + 32])
    lag = cluster.mansio("group", "lag", "leased-group", endpoint=cluster.slave.address)
    assert lag["lag"] == 0, f"not all leases are acknowledged: {lag}"


def check_halves(client, halves):
    def end(half):
        body, (message_id, transaction_id) = half
        client.end_transaction("paid", message_id, transaction_id, commit=int(body) % 2 == 0)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(end, halves.items()))
    committed = [body for body in halves if int(body) % 2 == 0]
    messages = receive_all(client, "paid", "paid-group", len(committed), ack=True)
    messages += client.receive("paid", "paid-group", polling_seconds=1)
    exactly_once(messages, committed, "committed halves")


def check_timers(client):
    bodies = [b"%d" % number for number in range(TIMERS)]
    messages = receive_all(client, "timed", "timed-group", TIMERS, ack=True)
    messages += client.receive("timed", "timed-group", polling_seconds=1)
    exactly_once(messages, bodies, "timers")


def main():
    report = Report()
    with report.case("start and orderly end"), Pair() as cluster:
        cluster.await_true(cluster.in_sync, "both members are in sync", PATIENCE)
        halves, leased = fill(cluster)
        cluster.await_true(cluster.in_sync, "both members are in sync still", PATIENCE)
        cluster.broker.kill9()
        with report.case("the slave becomes the master"):
            times = serve_time(cluster)
            print(f"     {TIMERS} timers, {HALVES} halves, {LEASES} leases; from the command to the first "
                  + ", ".join(f"{what}: {seconds:.2f} s" for what, seconds in times.items()))
        client = RawClient(cluster.slave.address, "holder")
        with report.case("each lease is acknowledged with its old handle"):
            check_leases(client, cluster, leased)
        with report.case("each half ends as its producer says"):
            check_halves(client, halves)
        with report.case("each timer is delivered once"):
            check_timers(client)
        client.close()
    report.finish()


if __name__ == "__main__":
    main()
