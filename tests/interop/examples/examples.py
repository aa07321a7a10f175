"""Runs the programs of client/examples and compares what the README shows with them."""

import os
import subprocess
import sys

from mansio_cluster import ROOT, Cluster
from report import Report

FIRST_PROGRAM = ROOT / "client" / "examples" / "python" / "first_program.py"


def run_first_program(access_point):
    with Cluster() as cluster:
        cluster.create_topic("first")
        endpoint = getattr(cluster, access_point).address
        result = subprocess.run(
            [sys.executable, str(FIRST_PROGRAM), endpoint, "first", "first-group", "100"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "HOME": str(cluster.directory)},  # the SDK logs into the home directory
        )
        assert result.returncode == 0, f"exit code {result.returncode}: {result.stdout}{result.stderr}"
        assert result.stdout == "sent 100 messages\nreceived 100 messages, 0 missing\n", result.stdout


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
    report.finish()


main()
