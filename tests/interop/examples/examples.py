"""Runs the programs of client/examples and compares what the README shows with them."""

import os
import subprocess
import sys

from mansio_cluster import ROOT, Cluster
from report import Report

EXAMPLES = ROOT / "client" / "examples" / "python"
FIRST_PROGRAM = EXAMPLES / "first_program.py"


def run(cluster, program, *arguments):
    """Runs an example and returns what it prints."""
    result = subprocess.run(
        [sys.executable, str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HOME": str(cluster.directory)},  # the SDK logs into the home directory
    )
    assert result.returncode == 0, f"exit code {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout


def run_first_program(access_point):
    with Cluster() as cluster:
        cluster.create_topic("first")
        endpoint = getattr(cluster, access_point).address
        printed = run(cluster, FIRST_PROGRAM, endpoint, "first", "first-group", "100")
        assert printed == "sent 100 messages\nreceived 100 messages, 0 missing\n", printed


def run_transactions():
    with Cluster() as cluster:
        cluster.create_topic("orders", "--type", "transaction")
        printed = run(cluster, EXAMPLES / "transactions.py", cluster.nameserver.address, "orders", "orders")
        assert printed == "received: order 1, committed\n", printed


def run_one(name, expected, *topic_options, group_options=()):
    """An example on a topic and in a group of its own."""
    with Cluster() as cluster:
        cluster.create_topic("topic", *topic_options)
        cluster.mansio("group", "create", "group", "--start", "earliest", *group_options)
        printed = run(cluster, EXAMPLES / name, cluster.nameserver.address, "topic", "group")
        assert printed == expected, printed


def compare_readme():
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    program = FIRST_PROGRAM.read_text(encoding="utf-8").strip()
    assert program in shown, f"README.md does not show {FIRST_PROGRAM.name} as it is"


def main():
    report = Report()
    with report.case("README.md shows the first program"):
        compare_readme()
    for access_point in ("broker", "nameserver"):
        with report.case(f"the first program, {access_point} as access point"):
            run_first_program(access_point)
    with report.case("transactions"):
        run_transactions()
    with report.case("a push consumer that fails once"):
        run_one(
            "push_consumer.py",
            "order 1: attempt 1 fails\norder 1: attempt 2 succeeds\n",
            group_options=("--backoff", "1s"),
        )
    with report.case("ordered messages"):
        run_one(
            "fifo.py",
            "alice: opened; alice: charged; alice: closed\nbob: opened; bob: charged; bob: closed\n",
            "--type",
            "fifo",
            group_options=("--fifo",),
        )
    with report.case("a delayed message, and one that is taken back"):
        run_one("delay.py", "received: wake up\n", "--type", "delay")
    with report.case("an SQL filter"):
        run_one("sql_filter.py", "received: 150 in eu\n")
    report.finish()


main()
