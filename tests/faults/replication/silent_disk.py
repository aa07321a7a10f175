"""Disks that do not answer: a slave's is waited for no longer than replication.max-lag, and a master's ends its reign."""

import checker
import final_state
import logs
from history import History, Receive
from load import DELAY_TOPIC, FIFO_GROUP, FIFO_TOPIC, TRANSACTION_TOPIC, Load
from members import ReplicatedGroup
from network import Network

PATIENCE = 120


def run(report, durability, seed):
    name = f"{durability} with an election: the disk of a slave does not answer, and then the master's"
    history = History()
    with report.case(name), Network() as network:
        with ReplicatedGroup(network, durability, True, fault="silent_disk") as group:
            Load.create_topics(group)
            load = Load(group.addresses, history, seed)
            load.start()
            try:
                load.await_sends(20, PATIENCE)
                slave = next(member for member in group.members if member is not group.master())
                silence(group, load, slave)
                master = group.master()
                silence(group, load, master, lambda: group.master() is not master)
                load.stop_sending()
                final_state.await_nothing_pending(group, PATIENCE)
                stored = final_state.read(group.master().address, [FIFO_TOPIC, DELAY_TOPIC, TRANSACTION_TOPIC])
                group.await_true(
                    lambda: not checker.undelivered(history.of(Receive), FIFO_GROUP, stored), "all is delivered", PATIENCE
                )
            finally:
                load.join()
            group.stop()
            member_logs = [logs.MemberLog(directory) for directory in group.log_directories()]
            found = list(logs.differences(member_logs)) + checker.check(history, stored, logs.facts(member_logs))
            assert not found, f"{len(found)} violations:\n     " + "\n     ".join(found[:10])


def silence(group, load, member, has_effect=lambda: True):
    """Sends go on while the disk of `member` does not answer, once that has its effect."""
    member.begin_fault()
    try:
        group.await_true(has_effect, "another member is the master", PATIENCE)
        load.await_sends(20, PATIENCE)
    finally:
        member.end_fault()
    group.await_whole()
    load.await_sends(20, PATIENCE)
