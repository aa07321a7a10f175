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
    report.finish()


main()
