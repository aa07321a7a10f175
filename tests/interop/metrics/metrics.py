#!/usr/bin/env python3
"""Metrics and health of real processes, judged by promtool and read by a real Prometheus."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time

import grpc
from mansio_cluster import ROOT, Cluster, reserve_port
from page import Page, fetch
from prometheus import Prometheus
from raw_client import RawClient, Refused
from report import Report
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

# What only members of a group with an election show, or a broker while one of its groups is paused.
SELDOM = {"mansio_group_paused", "mansio_election_trouble", "mansio_elections_won_total", "mansio_master_lease_seconds"}
HERE = pathlib.Path(__file__).resolve().parent
COMMON = {"cluster", "node_type", "node_id"}


def rocketmq_table():
    """RocketMQ's metrics: name -> (type, labels, whether Mansio serves it so)."""
    table = {}
    for line in (HERE / "rocketmq_metrics.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, kind, labels, served = (column.strip() for column in line.split("|"))
            table[name] = (kind, set() if labels == "-" else set(labels.split(",")), served == "yes")
    return table


def promtool(*arguments, stdin=None):
    result = subprocess.run(
        ["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, f"promtool {' '.join(arguments)}: {result.stdout}{result.stderr}"


class Monitored:
    """A broker and a nameserver with metrics, on which there was some of everything."""

    def __init__(self):
        self.members = []
        self._reserved = [reserve_port(), reserve_port()]
        self.broker_metrics, self.nameserver_metrics = (
            f"127.0.0.1:{reserved.getsockname()[1]}" for reserved in self._reserved
        )
        self.cluster = Cluster(
            nameserver=True,
            broker_settings=[f"metrics.listen={self.broker_metrics}", "receive.min-long-polling=100ms"],
            nameserver_settings=[f"metrics.listen={self.nameserver_metrics}"],
        )

    def __enter__(self):
        self.cluster.__enter__()
        try:
            self._fill()
        except BaseException:
            self.cluster.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *error):
        return self.cluster.__exit__(*error)

    def broker(self):
        return Page(self.broker_metrics)

    def nameserver(self):
        return Page(self.nameserver_metrics)

    def shown(self):
        """The names of everything that these two and the group of members_of_a_group have shown."""
        pages = [self.broker(), self.nameserver(), *self.members]
        return {name for page in pages for name, _, _ in page.samples}

    def _fill(self):
        cluster = self.cluster
        cluster.create_topic("orders")
        cluster.create_topic("later", "--type", "delay")
        cluster.create_topic("transfers", "--type", "transaction")
        cluster.mansio("group", "create", "billing", "--start", "earliest")
        with contextlib.closing(RawClient(cluster.broker.address)) as client:
            describe(client, definition.PRODUCER, topics=["orders"])
            describe(client, definition.PRODUCER, topics=["orders"])
            for number in range(10):
                client.send("orders", b"order %d" % number)
            client.send("orders", b"x" * 5000)
            client.send_delayed("later", b"in an hour", int(time.time() * 1000) + 3600 * 1000)
            message, transaction = client.send_half("transfers", b"committed")
            client.end_transaction("transfers", message, transaction, commit=True)
            message, transaction = client.send_half("transfers", b"rolled back")
            client.end_transaction("transfers", message, transaction, commit=False)
            client.send_half("transfers", b"open")
            with contextlib.suppress(Refused):
                client.send("missing", b"x")
        with contextlib.closing(RawClient(cluster.broker.address)) as consumer:
            describe(consumer, definition.SIMPLE_CONSUMER, group="billing", topics=["orders"])
            messages = []
            while len(messages) < 4:
                messages += consumer.receive("orders", "billing", batch=4 - len(messages), invisible_seconds=300)
            assert len(consumer.ack("orders", "billing", messages[:2])) == 2
            forward(consumer, "orders", "billing", messages[2])


def describe(client, kind, group=None, topics=()):
    """Tells the server what the client is, as an SDK's telemetry stream does, by a heartbeat and settings."""
    settings = definition.Settings(client_type=kind)
    for topic in topics:
        if kind == definition.PRODUCER:
            settings.publishing.topics.add(name=topic)
        else:
            entry = settings.subscription.subscriptions.add()
            entry.topic.name = topic
            entry.expression.type, entry.expression.expression = definition.TAG, "*"
    if group:
        settings.subscription.group.name = group
    # pylint: disable=protected-access
    stream = client._stub.Telemetry(
        iter([service.TelemetryCommand(settings=settings)]), metadata=client._metadata, timeout=30
    )
    next(stream)


def forward(client, topic, group, message):
    request = service.ForwardMessageToDeadLetterQueueRequest(
        group=definition.Resource(name=group),
        topic=definition.Resource(name=topic),
        receipt_handle=message.handle,
        message_id=message.id,
        delivery_attempt=1,
        max_delivery_attempts=16,
    )
    # pylint: disable=protected-access
    response = client._stub.ForwardMessageToDeadLetterQueue(request, metadata=client._metadata, timeout=30)
    assert response.status.code == definition.OK, response.status


def health_pages(monitored):
    for address in (monitored.broker_metrics, monitored.nameserver_metrics):
        assert fetch(address, "/healthz") == (200, "ok\n")
        assert fetch(address, "/nothing")[0] == 404
    assert fetch(monitored.broker_metrics, "/readyz") == (200, "ok store\nok nameservers\n")
    assert fetch(monitored.nameserver_metrics, "/readyz")[0] == 200
    # The public port goes on saying that it is none of this.
    assert fetch(monitored.cluster.broker.address, "/metrics")[0] == 400


def broker_shows_what_happened(monitored):
    page = monitored.broker()

    def check(expected, name, **labels):
        got = page.value(name, **labels)
        assert got == expected, f"{name} {labels} is {got}, not {expected}"

    group = {"consumer_group": "billing", "topic": "orders", "is_retry": "false"}
    check(11, "rocketmq_messages_in_total", topic="orders", message_type="normal")
    check(1, "rocketmq_messages_in_total", topic="later", message_type="delay")
    check(3, "rocketmq_messages_in_total", topic="transfers", message_type="transaction")
    check(10, "rocketmq_message_size_bucket", topic="orders", le="1024")
    check(11, "rocketmq_message_size_bucket", topic="orders", le="524288")
    assert page.value("rocketmq_throughput_in_total", topic="orders") > 5000
    check(4, "rocketmq_messages_out_total", **group)
    # 11 sent, 2 acknowledged, 1 given up, 1 held.
    check(8, "rocketmq_consumer_lag_messages", **group)
    check(7, "rocketmq_consumer_ready_messages", **group)
    check(1, "rocketmq_consumer_inflight_messages", **group)
    assert 0 < page.value("rocketmq_consumer_lag_latency", **group) < 600_000
    assert 0 < page.value("rocketmq_consumer_queueing_latency", **group) < 600_000
    check(1, "rocketmq_send_to_dlq_messages_total", consumer_group="billing", topic="orders")
    check(1, "mansio_dead_letters", consumer_group="billing")
    assert 0 < page.value("mansio_dead_letter_age_seconds", consumer_group="billing") < 600
    check(1, "rocketmq_commit_messages_total", topic="transfers")
    check(1, "rocketmq_rollback_messages_total", topic="transfers")
    check(1, "rocketmq_half_messages", topic="transfers")
    check(2, "rocketmq_finish_message_latency_count")
    check(1, "rocketmq_timing_messages", topic="rmq_sys_wheel_timer")
    check(3, "rocketmq_topic_number")
    check(1, "rocketmq_consumer_group_number")
    check(6, "rocketmq_broker_permission")
    check(1, "mansio_leases")
    check(1, "mansio_durability_info", durability="sync")
    check(1, "mansio_registered", nameserver=monitored.cluster.nameserver.address)
    check(1, "rocketmq_consumer_connections", consumer_group="billing", language="PYTHON", consume_mode="simple")
    assert page.value("rocketmq_producer_connections", language="PYTHON") >= 1
    sends = page.value("mansio_rpc_duration_seconds_count", method="SendMessage", code="OK")
    assert sends == 15, f"{sends} sends"
    check(1, "mansio_rpc_duration_seconds_count", method="SendMessage", code="TOPIC_NOT_FOUND")
    check(1, "rocketmq_rpc_latency_count", request_code="SendMessage", response_code="TOPIC_NOT_FOUND")
    assert page.value("rocketmq_rpc_latency_count", request_code="ReceiveMessage", is_long_polling="true") is not None
    cursors = [page.value("mansio_log_cursor_bytes", cursor=name) for name in ("applied", "committed", "appended")]
    assert 0 < cursors[0] <= cursors[1] <= cursors[2], cursors
    assert page.value("mansio_log_fsync_duration_seconds_count") > 0
    assert page.value("mansio_log_batch_requests_sum") >= 15
    for name, labels, _ in page.samples:
        assert COMMON <= labels.keys(), f"{name} {labels} lacks a label that every series has"


def nameserver_shows_its_brokers(monitored):
    page = monitored.nameserver()
    assert page.value("mansio_nameserver_masters") == 1
    assert page.value("mansio_nameserver_broker_up", broker="broker-a") == 1
    assert page.value("mansio_nameserver_broker_topics", broker="broker-a") >= 3
    assert page.value("mansio_rpc_duration_seconds_count", method="ListBrokers", code="OK") >= 1


def promtool_finds_nothing_to_say(monitored):
    for page in (monitored.broker(), monitored.nameserver()):
        promtool("check", "metrics", stdin=page.text)


def names_are_rocketmqs(monitored):
    page = monitored.broker()
    table = rocketmq_table()
    for name, (kind, labels, served) in table.items():
        assert (name in page.types) == served, f"{name}: the table says {'yes' if served else 'no'}"
        if not served:
            continue
        assert page.types[name] == kind, f"{name} is a {page.types[name]}, not a {kind}"
        assert page.labels_of(name) == labels | COMMON, f"{name} has the labels {page.labels_of(name)}"
    unknown = {name for name in page.types if name.startswith("rocketmq_")} - table.keys()
    assert not unknown, f"{unknown} are no names of RocketMQ's"


def dashboard_metrics():
    """The expressions of the dashboard, with its variables filled in."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$cluster", ".*").replace("$broker", ".*")


def prometheus_reads_it(monitored, report):
    targets = [monitored.broker_metrics, monitored.nameserver_metrics]
    with Prometheus(monitored.cluster.directory, targets) as prometheus:
        with report.case("a real Prometheus: a query returns the lag"):
            query = 'rocketmq_consumer_lag_messages{consumer_group="billing",is_retry="false"}'
            # Asked again it may be gone: on a busy machine a scrape may be out of time.
            (labels, value), = prometheus.await_true(lambda: prometheus.query(query), "the lag was scraped")
            assert value == 8 and labels["topic"] == "orders" and labels["job"] == "mansio", (labels, value)
            prometheus.await_true(lambda: len(prometheus.query("up == 1")) == 2, "both were scraped")
        with report.case("a real Prometheus: dead letters raise their alert"):
            prometheus.await_true(lambda: "MansioDeadLetters" in prometheus.alerts(), "MansioDeadLetters is raised")
            wrong = prometheus.alerts() - {"MansioDeadLetters", "MansioDiskSpaceLow", "MansioDiskSpaceCritical"}
            assert not wrong, f"{wrong} are raised, too"
        with report.case("the dashboard shows only what there is"):
            known = monitored.shown() | SELDOM
            count = 0
            for title, expression in dashboard_metrics():
                prometheus.query(expression)
                missing = set(re.findall(r"\b(?:rocketmq|mansio|process)_[a-z_]+", expression)) - known
                assert not missing, f"panel '{title}': there is no {missing}"
                count += 1
            assert count > 30


def alert_rules_name_what_there_is(monitored):
    promtool("check", "rules", str(ROOT / "conf" / "prometheus-alerts.yml"))
    promtool("test", "rules", str(HERE / "alerts_test.yml"))
    rules = (ROOT / "conf" / "prometheus-alerts.yml").read_text(encoding="utf-8")
    missing = set(re.findall(r"\b(?:rocketmq|mansio)_[a-z_]+", rules)) - monitored.shown() - SELDOM
    assert not missing, f"there is no {missing}"


def paused_groups_are_shown(monitored):
    monitored.cluster.mansio("group", "pause", "billing")
    assert monitored.broker().value("mansio_group_paused", consumer_group="billing") == 1
    monitored.cluster.mansio("group", "resume", "billing")
    assert monitored.broker().value("mansio_group_paused", consumer_group="billing") is None


def members_of_a_group(monitored):
    """A master and its slave, which goes: each shows its part, and what they share is shown once."""
    with contextlib.ExitStack() as stack:
        reserved = [stack.enter_context(contextlib.closing(reserve_port())) for _ in range(2)]
        pages = [f"127.0.0.1:{socket.getsockname()[1]}" for socket in reserved]
        settings = [[f"broker.id={number}", f"metrics.listen={page}"] for number, page in enumerate(pages, 1)]
        master = stack.enter_context(Cluster(nameserver=False, durability="replica", broker_settings=settings[0]))
        master.create_topic("orders")
        settings[1] += ["role=slave", f"replication.master={master.broker.address}"]
        slave = stack.enter_context(Cluster(nameserver=False, durability="replica", broker_settings=settings[1]))
        connected = {"name": "mansio_slave_connected", "slave": "2", "member": "1"}
        await_true = Prometheus.await_true
        await_true(lambda: Page(pages[0]).value("mansio_slave_in_sync", slave="2") == 1, "the slave is in sync")
        with contextlib.closing(RawClient(master.broker.address)) as client:
            for number in range(10):
                client.send("orders", b"order %d" % number)
        await_true(lambda: Page(pages[0]).value("mansio_slave_lag_bytes", slave="2") == 0, "the slave has everything")
        await_true(lambda: Page(pages[1]).value("mansio_broker_in_sync") == 1, "the slave knows that it is in sync")
        monitored.members = [Page(page) for page in pages]
        of_master, of_slave = monitored.members
        assert [page.value("mansio_broker_is_master") for page in monitored.members] == [1, 0]
        assert of_master.value("mansio_broker_epoch") == of_slave.value("mansio_broker_epoch") > 0
        assert of_master.value("mansio_group_in_sync_members") == 2
        assert of_master.value(**connected) == 1
        assert of_master.value("mansio_timers_pending_limit") and not of_slave.value("mansio_timers_pending_limit")
        for page in monitored.members:
            promtool("check", "metrics", stdin=page.text)
        slave.broker.terminate()
        await_true(lambda: Page(pages[0]).value(**connected) == 0, "the slave is gone")
        await_true(lambda: Page(pages[0]).value("mansio_slave_in_sync", slave="2") == 0, "the slave has left the set")
        assert Page(pages[0]).value("mansio_group_in_sync_members") == 1


def a_lost_broker_is_seen(monitored):
    cluster = monitored.cluster
    cluster.broker.kill9()
    Prometheus.await_true(
        lambda: monitored.nameserver().value("mansio_nameserver_masters") == 0, "the nameserver has lost the broker"
    )
    cluster.broker.start()
    Prometheus.await_true(
        lambda: fetch(monitored.broker_metrics, "/readyz")[0] == 200, "the broker is registered again"
    )
    page = monitored.broker()
    # What is counted begins anew; what is state does not.
    assert page.value("rocketmq_messages_in_total", topic="orders") == 0
    assert page.value("mansio_dead_letters", consumer_group="billing") == 1
    assert page.value("rocketmq_half_messages", topic="transfers") == 1
    lag = page.value("rocketmq_consumer_lag_messages", consumer_group="billing", topic="orders", is_retry="false")
    assert lag is not None and lag >= 7, lag


def grpc_health_and_reflection(monitored):
    for process, serves in (
        (monitored.cluster.broker, "apache.rocketmq.v2.MessagingService"),
        (monitored.cluster.nameserver, "mansio.v1.Registration"),
    ):
        with grpc.insecure_channel(process.address) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            for name in ("", serves):
                # field 1: the service; the answer's field 1: SERVING
                request = b"\x0a" + bytes([len(name)]) + name.encode() if name else b""
                assert check(request, timeout=30) == b"\x08\x01", name
            for version in ("v1", "v1alpha"):
                reflect = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
                requests = [b"\x3a\x01*", b"\x22" + bytes([len(serves)]) + serves.encode()]
                listing, files = reflect(iter(requests), timeout=30)
                for service_name in (serves, "mansio.v1.Admin", "grpc.health.v1.Health"):
                    assert service_name.encode() in listing, f"{version}: {service_name} is not listed"
                assert serves.rsplit(".", 1)[1].encode() in files and b".proto" in files, version


def few_series(report):
    with report.case("topics beyond metrics.max-series share a series"):
        reserved = reserve_port()
        metrics = f"127.0.0.1:{reserved.getsockname()[1]}"
        settings = [f"metrics.listen={metrics}", "metrics.max-series=3"]
        with Cluster(nameserver=False, broker_settings=settings) as cluster:
            with contextlib.closing(RawClient(cluster.broker.address)) as client:
                for number in range(5):
                    cluster.create_topic(f"topic-{number}")
                    for _ in range(number + 1):
                        client.send(f"topic-{number}", b"x")
            page = Page(metrics)
            name = "rocketmq_messages_in_total"
            got = {labels["topic"]: value for sample, labels, value in page.samples if sample == name}
            assert got == {"topic-0": 1, "topic-1": 2, "topic-2": 3, "other": 9}, got
            assert page.value("mansio_scrape_merged_series") > 0
            promtool("check", "metrics", stdin=page.text)


def off_by_default(report):
    with report.case("without metrics.listen there is no listener, and a taken port is an error with a sentence"):
        with Cluster(nameserver=False) as cluster:
            assert "Metrics and health are on" not in cluster.broker.log()
            second = Cluster(nameserver=False, broker_settings=[f"metrics.listen={cluster.broker.address}"])
            refusal = second.refuses_to_start()
            assert f"metrics.listen: cannot listen on {cluster.broker.address}" in refusal, refusal


def main():
    report = Report()
    with contextlib.ExitStack() as stack:
        with report.case("a broker and a nameserver with metrics, and some of everything on them"):
            monitored = stack.enter_context(Monitored())
        if report.failed:
            report.finish()
        for name, check in (
            ("/healthz and /readyz", health_pages),
            ("the broker shows what happened", broker_shows_what_happened),
            ("the nameserver shows its brokers", nameserver_shows_its_brokers),
            ("promtool check metrics is clean", promtool_finds_nothing_to_say),
            ("names, types and labels are RocketMQ 5's", names_are_rocketmqs),
            ("members of a group", members_of_a_group),
            ("alert rules", alert_rules_name_what_there_is),
            ("gRPC health and reflection", grpc_health_and_reflection),
            ("a paused group", paused_groups_are_shown),
        ):
            with report.case(name):
                check(monitored)
        prometheus_reads_it(monitored, report)
        with report.case("a broker that dies and comes back"):
            a_lost_broker_is_seen(monitored)
    few_series(report)
    off_by_default(report)
    report.finish()


if __name__ == "__main__":
    main()
