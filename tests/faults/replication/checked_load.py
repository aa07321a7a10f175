"""Something is done to a group under load; afterwards all is delivered, and the history and the logs break no rule."""

import checker
import final_state
import logs
from history import History, Receive
from load import DELAY_TOPIC, FIFO_GROUP, FIFO_TOPIC, TRANSACTION_TOPIC, Load

PATIENCE = 120


def run(group, seed, act):
    """Calls act(load) while the load runs, and ends the group. Load.create_topics comes before."""
    history = History()
    load = Load(group.addresses, history, seed)
    load.start()
    try:
        load.await_sends(20, PATIENCE)
        act(load)
        load.await_sends(20, PATIENCE)
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
