"""Two masters: one that is cut off from its group, but not from clients, while the others elect another one.

With async and sync nothing but its lease keeps the old one from acknowledging, so that these show whether it is honoured.
"""

import time

import checker
import logs
from history import History, Send
from load import Load
from members import LEASE, ReplicatedGroup
from network import Network

PATIENCE = 90
SENDERS = ("sender-0", "sender-1")


def violations(durability, seed, ignores_lease=False):
    """Cuts the master off and sends to both sides; what the checker says of it.

    `ignores_lease`: the master's clock stands still from the cut on, so that its lease never ends.
    """
    fault = "stopped_clock" if ignores_lease else None
    with Network() as network, ReplicatedGroup(network, durability, True, fault) as group:
        Load.create_topics(group)
        history = History()
        old = group.master()
        others = [member for member in group.members if member is not old]
        # A client that knows only the old master, and one that knows only the others.
        left = Load([old.address], history, seed, SENDERS[:1])
        right = Load([member.address for member in others], history, seed, SENDERS[1:])
        try:
            left.start()
            right.start()
            left.await_sends(50, PATIENCE)
            if ignores_lease:
                old.begin_fault()
            for other in (*others, group.etcd):
                network.cut(old.machine, other.machine)
                network.cut(other.machine, old.machine)
            group.await_true(lambda: group.master() is not old, "the others have elected another master", PATIENCE)
            right.await_sends(50, PATIENCE)
            tried = count(history, SENDERS[0])
            time.sleep(LEASE)  # the old one is asked for longer than a lease after the new one has begun
            assert count(history, SENDERS[0]) > tried, "nothing was sent to the old master"
        finally:
            network.heal()
            left.join()
            right.join()
        if ignores_lease:
            old.kill9()  # it does not find out that it is not the master any more
            old.start()
        group.await_whole()
        group.stop()
        facts = logs.facts([logs.MemberLog(directory) for directory in group.log_directories()])
        return list(checker.check_overlap(history, facts))


def count(history, sender):
    return sum(send.message_group == sender for send in history.of(Send))


def assert_none(durability, seed):
    found = violations(durability, seed)
    assert not found, f"{len(found)} violations: {found[0]}"


def assert_caught(durability, seed):
    found = violations(durability, seed, ignores_lease=True)
    assert found, "a master has acknowledged beyond its lease, and the checker has not seen it"
    print(f"     caught: {len(found)} violations, the first: {found[0]}")
