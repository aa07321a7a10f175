#!/usr/bin/env python3
"""The admin gate of real processes.

What strangers are refused is tested in tests/common/access: there is no second machine here, and everybody on this one is
at home. Here it is the secret, the audit log and the warnings.
"""

import os
import pathlib
import re
import subprocess
import tempfile

from mansio_cluster import BIN_DIR, Cluster
from report import Report

SECRET = "a secret of the whole cluster"


def mansio(*arguments, **environment):
    return subprocess.run(
        [str(BIN_DIR / "mansio"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def changes_are_written_down():
    with Cluster(nameserver=True) as cluster:
        cluster.create_topic("orders")
        cluster.mansio("topic", "delete", "orders", "--yes", endpoint=cluster.nameserver.address)
        assert mansio("--endpoint", cluster.broker.address, "topic", "delete", "missing", "--yes").returncode == 3
        for process in (cluster.broker, cluster.nameserver):
            lines = [line for line in process.log().splitlines() if "audit:" in line]
            assert any('DeleteTopic {name: "orders"}: OK' in line for line in lines), (process.name, lines)
            assert not any("ListTopics" in line for line in lines), (process.name, lines)
        assert 'DeleteTopic {name: "missing"}: TOPIC_NOT_FOUND' in cluster.broker.log()


def with_a_secret(directory):
    good, other, short = (pathlib.Path(directory) / name for name in ("good", "other", "short"))
    good.write_text(SECRET + "\n", encoding="utf-8")
    other.write_text("another secret than theirs\n", encoding="utf-8")
    short.write_text("short\n", encoding="utf-8")
    settings = [f"admin.cluster-secret-file={good}"]
    # Registration needs it: Cluster waits until the broker is registered.
    with Cluster(nameserver=True, broker_settings=settings, nameserver_settings=settings) as cluster:
        cluster.create_topic("orders")
        # Also through the nameserver, which proves to the broker that it has the secret.
        proof = ["--cluster-secret-file", str(good)]
        cluster.mansio(*proof, "topic", "delete", "orders", "--yes", endpoint=cluster.nameserver.address)
        cluster.broker.terminate()
        stranger = Cluster(nameserver=False, broker_settings=[f"admin.cluster-secret-file={other}"])
        stranger.broker.configure(f"nameservers={cluster.nameserver.address}")
        with stranger:
            refused = "another cluster secret"
            Cluster.await_true(lambda: refused in stranger.broker.log(), "the stranger is told")
            # Of refusals within a second one is written: of its registration or of what it asks beside that.
            assert re.search(r"audit: \w+ was refused to 127\.0\.0\.1:", cluster.nameserver.log()), cluster.nameserver.log()
        cluster.broker.start()
    result = mansio("topic", "list", MANSIO_CLUSTER_SECRET_FILE=str(short))
    assert result.returncode == 2 and "first line" in result.stderr, result
    refusal = Cluster(nameserver=False, broker_settings=[f"admin.cluster-secret-file={short}"]).refuses_to_start()
    assert "must be a secret" in refusal, refusal
    refusal = Cluster(nameserver=False, broker_settings=["admin.allow=10.0.0.0/33"]).refuses_to_start()
    assert "is not an IP address or network" in refusal, refusal


def warnings():
    warning = "Commands that show messages or change things are served to this machine only"
    with Cluster(nameserver=False) as cluster:
        assert warning not in cluster.broker.log()
        cluster.broker.terminate()
        port = cluster.broker.port
        cluster.broker.configure(f"listen=0.0.0.0:{port}", f"advertise=127.0.0.1:{port}")
        cluster.broker.start()
        assert cluster.broker.log().count(warning) == 1
        # By its own outer address the machine is still itself.
        address = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
        for host in [a for a in address if ":" not in a][:1]:
            result = mansio("--endpoint", f"{host}:{port}", "topic", "create", "orders")
            assert result.returncode == 0, result
        cluster.broker.terminate()
        cluster.broker.configure("admin.allow=10.0.0.0/8")
        cluster.broker.start()
        assert warning not in cluster.broker.log()


def main():
    report = Report()
    with report.case("changes are written down with who, what and result, on broker and nameserver"):
        changes_are_written_down()
    with report.case("with a secret: registration, commands through the nameserver, short and other secrets"):
        with tempfile.TemporaryDirectory(prefix="mansio-test-") as directory:
            with_a_secret(directory)
    with report.case("a broker that listens beyond loopback warns, and knows its own addresses"):
        warnings()
    report.finish()


if __name__ == "__main__":
    main()
