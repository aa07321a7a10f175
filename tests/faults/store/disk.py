"""A full or read-only disk, on a small file system of its own; and two brokers that want one directory."""

import contextlib
import os
import shutil
import subprocess

from mansio_cluster import Cluster, Process, ROOT
from stored import SEGMENT, Sent, refuses

SIZE_MIB = 40
PATIENCE = 30  # seconds until sends go on after space was freed


def why_no_mount():
    """The reason why this process cannot mount a file system, or None."""
    if os.geteuid() != 0:
        return "only root can mount a small file system to fill"
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"mounting a tmpfs fails here: {probe.stderr.strip()}"


@contextlib.contextmanager
def small_disk(directory, size_mib):
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@contextlib.contextmanager
def cluster_on_small_disk():
    """A cluster whose store directory is a file system of its own."""
    # Checkpoints are due all the time, so that they meet the full disk too.
    cluster = Cluster(nameserver=False, broker_settings=[SEGMENT, "store.checkpoint-bytes=64KiB"])
    with small_disk(cluster.directory / "broker", SIZE_MIB), cluster:
        yield cluster
    shutil.rmtree(cluster.directory)  # the cluster could not: the disk was still mounted


def full_disk():
    """a full disk refuses sends with a sentence, serves reads and acks, and goes on when there is room"""
    with cluster_on_small_disk() as cluster:
        sent = Sent(cluster).create_topic()
        ballast = cluster.directory / "broker" / "ballast"
        ballast.write_bytes(b"b" * (16 << 20))
        refusal = sent.send_until_refused(limit=SIZE_MIB * 64)
        assert "the commit log cannot grow" in refusal and "No space left" in refusal, refusal
        held = len(sent.messages)
        assert held > 256, f"only {held} messages fitted"
        assert sent.read("reader", 100) == set(range(100)), "reads and acks fail on a full disk"
        fill(ballast)
        for number in range(20):  # nothing is left even for a checkpoint
            sent.audit(f"full-{number}")
        ballast.unlink()
        sent.send_when_accepted(PATIENCE).send(50)
        sent.audit("after-room")
        cluster.broker.restart()  # in order: it would fail if no checkpoint were possible any more
        assert "was not closed in order" not in cluster.broker.log_path.read_text(), "no checkpoint after the disk was full"
        cluster.broker.kill9()
        cluster.broker.start()
        sent.audit("after-kill")
        rest = sent.read("reader", len(sent.messages) - 100)
        assert rest == set(range(100, len(sent.messages))), "what was acknowledged on the full disk came again"


def start_on_full_disk():
    """a broker that is killed on a full disk says so at its start; with some room it starts, and has lost nothing"""
    with cluster_on_small_disk() as cluster:
        sent = Sent(cluster).create_topic()
        sent.send_until_refused(limit=SIZE_MIB * 64)
        ballast = cluster.directory / "broker" / "ballast"
        fill(ballast)
        cluster.broker.kill9()
        refuses(cluster.broker, str(cluster.directory / "broker"), "0 bytes left", "free some space")
        os.truncate(ballast, ballast.stat().st_size - (2 << 20))  # not enough for the log's next file
        cluster.broker.start()
        sent.audit("on-full-disk")
        ballast.unlink()
        sent.send_when_accepted(PATIENCE)


def fill(path):
    """Takes every byte that is left on the file system."""
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(b"b" * 4096)


def read_only_disk():
    """a read-only disk: refused with the directory and the reason; writable again, it starts"""
    with cluster_on_small_disk() as cluster:
        sent = Sent(cluster).create_topic().send(100)
        directory = cluster.directory / "broker"
        cluster.broker.kill9()
        subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)
        refuses(cluster.broker, str(directory), "Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", str(directory)], check=True)
        cluster.broker.start()
        sent.audit("after-read-only")


def second_broker():
    """a second broker on the directory is refused with its name, and the first goes on"""
    with Cluster(nameserver=False) as cluster:
        sent = Sent(cluster).create_topic().send(10)
        directory = cluster.directory / "broker"
        second = Process("broker", cluster.directory, ROOT / "conf" / "broker.yaml", [f"store.path={directory}"])
        second.log_path = cluster.directory / "second.log"
        refuses(second, "another broker uses the store directory", str(directory), "another store.path")
        sent.send(10)
        cluster.broker.kill9()
        cluster.broker.start()
        sent.audit("after-second")


NEED_MOUNT = [full_disk, start_on_full_disk, read_only_disk]
OTHERS = [second_broker]
