"""A slave whose disk was replaced copies all of a log that was trimmed, and its master is killed meanwhile.

With an election the copy goes on from the member that is elected. The old master stays away until the slave has everything
and is in the in-sync set, which needs two members, so that nothing is acknowledged before.
"""

import shutil

import checked_load
from load import Load
from log_files import segments_in
from members import ReplicatedGroup
from network import Network
from raw_client import RawClient

FILLER_TOPIC = "filler"
FILLER_BYTES = 64 << 10
TO_TRIM, TO_COPY = 3 << 20, 20 << 20  # bytes of log
PATIENCE = 120
SETTINGS = ["retention.age=8s", "replication.catch-up-bytes-per-second=2MiB"]


def run(report, durability, election, seed):
    name = f"{durability}{' with an election' if election else ''}: the master is killed while a slave copies its log"
    with report.case(name), Network() as network:
        with ReplicatedGroup(network, durability, election, settings=SETTINGS) as group:
            Load.create_topics(group)
            group.create_topic(FILLER_TOPIC)
            trim(group)
            fill(group, TO_COPY)
            checked_load.run(group, seed, lambda load: kill_while_copying(group, load))


def fill(group, count):
    client = RawClient(group.master().address)
    for _ in range(count // FILLER_BYTES):
        client.send(FILLER_TOPIC, bytes(FILLER_BYTES))
    client.close()


def trim(group):
    """The log begins later than at 0 everywhere, and is not trimmed any more."""
    fill(group, TO_TRIM)
    for member in group.members:
        log = member.log_directory
        group.await_true(lambda d=log: int(segments_in(d)[0].name) > 0, f"the oldest file has gone from {log}", PATIENCE)
    for member in group.members:
        member.configure("retention.age=72h")
        member.restart()
        group.await_whole()


def kill_while_copying(group, load):
    master = group.master()
    slave = next(member for member in group.members if member is not master)
    slave.kill9()
    shutil.rmtree(slave.log_directory.parent)
    slave.start()
    group.await_true(lambda: copies(group, master, slave), "the slave copies the log", PATIENCE)
    master.kill9()
    if group.election:
        load.await_sends(20, PATIENCE)  # by the new master and the slave, which has all by then
        assert group.master() not in (master, slave), "a slave without the log was elected"
    master.start()
    group.await_whole()


def copies(group, master, slave):
    return any(row["id"] == slave.id and row.get("copying") for row in group.look(master))
