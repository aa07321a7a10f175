"""kill -9 of a real broker at random moments under a mixed load of halves, ends, check-backs, timers and recalls.

Cycles of load, kill -9 and restart. When nothing is pending any more, an audit reads the cycle's topics with new groups:
each acknowledged half, end, delayed message and recall stands; each outcome is in its queue exactly once, at one
offset, and nothing is there before its time. At the end all cycles' topics are audited again, which have survived every
later kill.

5 cycles, 50 with MANSIO_LONG=1, with each durability in turn; MANSIO_PENDING_CYCLES and MANSIO_PENDING_SEED override.
"""

import concurrent.futures
import os
import random
import time

from mansio_cluster import Cluster
from report import Report
from retention import pending_outlive_retention
from timers import TimerLoad, await_fired
from transactions import TransactionLoad, assert_sums

CYCLES = int(os.environ.get("MANSIO_PENDING_CYCLES", "50" if os.environ.get("MANSIO_LONG") == "1" else "5"))
SEED = int(os.environ.get("MANSIO_PENDING_SEED", str(random.randrange(1 << 32))))


def run_cycle(cluster, number, cycles):
    timers = TimerLoad(cluster.broker.address, number)
    transactions = TransactionLoad(cluster.broker.address, number)
    cycles.append((timers, transactions))
    for load in (timers, transactions):
        load.create_topics(cluster)
    for load in (timers, transactions):
        load.start()
    try:
        time.sleep(random.uniform(1, 3))
        refusals = timers.refusals + transactions.refusals
        assert not refusals, f"refused while the broker lived: {refusals[0]}"
    finally:
        cluster.broker.kill9()
        for load in (timers, transactions):
            load.join()
    time.sleep(random.choice((0, 0, 2)))  # sometimes much is overdue
    cluster.broker.start()
    print(f"     {timers}; {transactions}")
    transactions.end_all(cluster)
    await_fired(cluster)
    for load in (timers, transactions):
        load.audit(cluster, "audit")


def run_durability(report, durability, count):
    cycles = []
    with report.case(f"{durability}: start and orderly end"), Cluster(nameserver=False, durability=durability) as cluster:
        for number in range(count):
            with report.case(f"{durability}: kill {number + 1} of {count}"):
                run_cycle(cluster, number, cycles)
        with report.case(f"{durability}: everything is still there, once, after all kills"):
            for loads in cycles:
                for load in loads:
                    load.audit(cluster, "final-audit")
            assert_sums(cluster, [transactions for _, transactions in cycles])


def main():
    random.seed(SEED)
    print(f"seed {SEED} (MANSIO_PENDING_SEED repeats the same random moments)")
    report = Report()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outliving = pool.submit(pending_outlive_retention)  # waits most of the time
        run_durability(report, "sync", (CYCLES + 1) // 2)
        run_durability(report, "async", CYCLES // 2)
        with report.case("pending messages outlive retention"):
            outliving.result()
    report.finish()


if __name__ == "__main__":
    main()
