"""Disks that do not answer: a slave's is waited for no longer than replication.max-lag, and a master's ends its reign."""

import checked_load
from load import Load
from members import ReplicatedGroup
from network import Network

PATIENCE = 120


def run(report, durability, seed):
    name = f"{durability} with an election: the disk of a slave does not answer, and then the master's"
    with report.case(name), Network() as network:
        with ReplicatedGroup(network, durability, True, fault="silent_disk") as group:
            Load.create_topics(group)
            checked_load.run(group, seed, lambda load: silence_both(group, load))


def silence_both(group, load):
    slave = next(member for member in group.members if member is not group.master())
    silence(group, load, slave)
    load.await_sends(20, PATIENCE)
    master = group.master()
    silence(group, load, master, lambda: group.master() is not master)


def silence(group, load, member, has_effect=lambda: True):
    """Sends go on while the disk of `member` does not answer, once that has its effect."""
    member.begin_fault()
    try:
        group.await_true(has_effect, "another member is the master", PATIENCE)
        load.await_sends(20, PATIENCE)
    finally:
        member.end_fault()
    group.await_whole()
