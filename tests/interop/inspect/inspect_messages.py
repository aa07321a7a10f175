"""`mansio message query`, `get` and `trace` on what the official Python SDK has sent, through a broker and a nameserver.

Usage: inspect_messages.py NAME|COMMAND     (COMMAND starts the SDK's test client, see sdk_client.py)

The client gives each message its body as its key. The index is made in small files, which are removed and damaged.
"""

import subprocess
import sys

from mansio_cluster import BIN_DIR, Cluster
from report import Report
from sdk_client import sdks_of

TOPIC = "inspected"
COUNT = 1000  # as many as one query gives
PATIENCE = 60


def query(cluster, *arguments, endpoint=None):
    return cluster.mansio("message", "query", *arguments, endpoint=endpoint)


def expect(actual, wanted, what):
    assert actual == wanted, f"{what}: {actual!r} instead of {wanted!r}"


def assert_all_found(cluster, sent, when):
    """Every fiftieth message is found by its key and by its id."""
    for body in sorted(sent)[::50]:
        for arguments in (("--key", body, "--topic", TOPIC), ("--id", sent[body])):
            # What was removed is made again behind the sends.
            Cluster.await_true(
                lambda a=arguments: [one["message_id"] for one in query(cluster, *a)] == [sent[body]],
                f"{when}, {arguments} finds the message {sent[body]}",
                PATIENCE,
            )


def places(events):
    return [event["what"] for event in events]


def run_cases(report, cluster, sdk):
    access = {"broker": cluster.broker.address, "nameserver": cluster.nameserver.address}
    cluster.create_topic(TOPIC)
    with sdk.client(cluster, "produce", TOPIC, prefix="k", count=COUNT) as producer:
        producer.await_event("done", PATIENCE)
        sent = dict(producer.sent)
    cluster.mansio("bench", "produce", "--topic", "others", "--count", "1000")  # fills further files

    for name, endpoint in access.items():
        with report.case(f"the SDK's keys are found through the {name}"):
            found = query(cluster, "--key", "k-17", endpoint=endpoint)
            expect([one["message_id"] for one in found], [sent["k-17"]], "messages with the key k-17")
            expect(found[0]["keys"], "k-17", "keys")
            expect(query(cluster, "--key", "k-17x", endpoint=endpoint), [], "messages with the key k-17x")
            expect(query(cluster, "--key", sent["k-17"], endpoint=endpoint), [], "messages with an id as key")

        with report.case(f"a message is shown by its id and by its place, through the {name}"):
            by_id = cluster.mansio("message", "get", sent["k-5"], endpoint=endpoint)
            expect((by_id["body"], by_id["tag"], by_id["keys"]), ("k-5", "interop", ["k-5"]), "the message")
            expect(by_id["properties"], {"number": "5"}, "its properties")
            place = f"{TOPIC}/{by_id['queue']}/{by_id['queue_offset']}"
            expect(cluster.mansio("message", "get", place, endpoint=endpoint), by_id, "the message at its place")

    with report.case("messages of a topic by time, newest first"):
        newest = query(cluster, "--topic", TOPIC, "--limit", "1000")
        expect(len(newest), COUNT, "messages")
        times = [one["stored"] for one in newest]
        expect(times, sorted(times, reverse=True), "their order")
        middle = times[COUNT // 2]
        later = query(cluster, "--topic", TOPIC, "--from", middle, "--limit", "1000")
        earlier = query(cluster, "--topic", TOPIC, "--until", middle, "--limit", "1000")
        expect(len(later) + len(earlier), COUNT, "messages before and after a moment")
        expect(query(cluster, "--topic", TOPIC, "--limit", "7"), newest[:7], "the newest seven")

    with report.case("what is not there is not found, with a cure"):
        for arguments in (("get", "no-such-id"), ("trace", "no-such-id"), ("get", f"{TOPIC}/0/999999")):
            result = subprocess.run(
                [str(BIN_DIR / "mansio"), "--endpoint", cluster.broker.address, "message", *arguments],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )
            assert result.returncode != 0 and "rror" in result.stderr, f"{arguments}: {result}"

    with report.case("a trace: stored, delivered, acknowledged"):
        cluster.create_topic("traced")
        cluster.mansio("message", "send", "traced", "traced", "--key", "traced")
        with sdk.consumer(cluster, "simple", "traced", "tracers", count=1) as consumer:
            consumer.await_event("done", PATIENCE)
        traced = query(cluster, "--key", "traced")[0]["message_id"]
        for name, endpoint in access.items():
            events = cluster.mansio("message", "trace", traced, endpoint=endpoint)
            expect(places(events), ["stored", "delivered", "acknowledged"], f"the trace through the {name}")
            expect([event["group"] for event in events], ["", "tracers", "tracers"], "groups")

    with report.case("a trace: retried, and then a dead letter"):
        cluster.create_topic("doomed")
        cluster.mansio("group", "create", "doomers", "--max-attempts", "2")
        cluster.mansio("message", "send", "doomed", "doomed", "--key", "doomed")
        doomed = query(cluster, "--key", "doomed")[0]["message_id"]
        with sdk.consumer(cluster, "simple", "doomed", "doomers", fail="*", invisible=10):
            Cluster.await_true(
                lambda: places(cluster.mansio("message", "trace", doomed))
                == ["stored", "delivered", "retried", "delivered", "dead letter"],
                "the trace tells of the dead letter",
                PATIENCE,
            )

    with report.case("after kill -9 all are found"):
        cluster.broker.kill9()
        cluster.broker.start()
        assert_all_found(cluster, sent, "after kill -9")

    with report.case("what is removed and damaged is made again"):
        cluster.broker.terminate()
        files = sorted((cluster.directory / "broker" / "index").glob("*.keys"))
        assert len(files) >= 2, f"the index has only the files {files}"
        files[0].unlink()
        damaged = bytearray(files[1].read_bytes())
        damaged[-1] ^= 1
        files[1].write_bytes(damaged)
        cluster.broker.start()
        assert_all_found(cluster, sent, "after damage")

    with report.case("without an index a query says how to get one"):
        cluster.broker.terminate()
        cluster.broker.configure("store.key-index=false")
        cluster.broker.start()
        try:
            query(cluster, "--key", "k-17")
        except AssertionError as refusal:
            assert "store.key-index" in str(refusal), refusal
        else:
            raise AssertionError("it was answered")


def main():
    report = Report()
    (sdk,) = sdks_of(sys.argv[1:])
    settings = ("store.key-index-piece-bytes=64KiB", "store.segment-bytes=1MiB")
    with Cluster(broker_settings=settings) as cluster:
        run_cases(report, cluster, sdk)
    report.finish()


if __name__ == "__main__":
    main()
