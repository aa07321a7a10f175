#!/usr/bin/env python3
"""A replicated broker group under load, while its processes and their network fail at random.

Usage: replication.py [--seed N] [--faults N] [--roles static|election]… [--sdk NAME|CLIENT]… [DURABILITY…]

Three members, two nameservers and, where the group elects its master, etcd, each in a network namespace of its own;
clients of official SDKs beside connections of our own. With replica and replica-sync nothing acknowledged may be lost,
moved, doubled or misordered, whatever happens (checker.py and sdk_load.py have the rules); with async and sync a failover
may lose what came last, and a master that stood still may answer once more: that is said.
"""

import argparse
import os
import random
import threading
import time

import catch_up
import checker
import checker_cases
import faults
import final_state
import logs
import overlap
import silent_disk
from history import History, Receive, Send, Sight
from load import DELAY_GROUP, DELAY_TOPIC, FIFO_GROUP, FIFO_TOPIC, TRANSACTION_TOPIC, Load
from members import ReplicatedGroup
from network import Network
from report import Report
from sdk_load import SdkLoad

PATIENCE = 90  # seconds until something must have happened
STANDSTILL = 150  # seconds
REPLICATED = ("replica", "replica-sync")
LOOK_EVERY = 1.0  # seconds


class Watch:
    """Writes down what each member says of itself, until the block is left."""

    def __init__(self, group, history):
        self._group = group
        self._history = history
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(LOOK_EVERY):
            for member in self._group.members:
                for row in self._group.look(member):
                    if row["id"] == member.id and row["online"]:
                        self._history.add(Sight(time.monotonic(), member.id, row["role"], row["epoch"], row["committed"]))


def await_sdks(sdks, stored):
    """Until all that is stored has come to the SDKs' consumers; they may take their time, but may not stand still.

    A message that was lost with a connection comes again when its lease is ended for that, within two minutes.
    """
    missing, since = sdks.missing(stored), time.monotonic()
    while missing:
        assert time.monotonic() < since + STANDSTILL, f"the SDKs have received nothing for {STANDSTILL} s; missing: {missing}"
        time.sleep(0.2)
        before, missing = missing, sdks.missing(stored)
        if missing != before:
            since = time.monotonic()


class Run:
    """One group of one durability, whose roles are static or elected."""

    def __init__(self, report, options, durability, election):
        self._report = report
        self._options = options
        self._durability = durability
        self._election = election
        self._chance = random.Random(f"{options.seed} {durability}")
        self._paused = 0  # how often a master stood still
        self.history = History()

    def run(self):
        name = f"{self._durability}{' with an election' if self._election else ''}"
        with self._report.case(f"{name}: start and orderly end"), Network() as network:
            with ReplicatedGroup(network, self._durability, self._election) as group:
                self._use(group, name)

    def _use(self, group, name):
        """Everything that needs the group; its logs are compared when its processes have ended."""
        Load.create_topics(group)
        load = Load(group.addresses, self.history, self._options.seed)
        sdks = SdkLoad(group, self._options.sdk)
        sdks.create_topics()
        with sdks.running(), Watch(group, self.history):
            load.start()
            try:
                load.await_sends(50, PATIENCE)
                if self._election:
                    self._switch_over(group, sdks, name)
                self._strike(group, load, name)
                load.stop_sending()
                self._await_sends_of(group, sdks)
                sdks.stop_sending()
                self._settle(group, sdks)
            finally:
                load.join()
            topics = [FIFO_TOPIC, DELAY_TOPIC, TRANSACTION_TOPIC, *sdks.topics]
            stored = final_state.read(group.master().address, topics)
        group.stop()
        self._audit(group, name, stored, sdks)

    def _await_sends_of(self, group, sdks):
        """Each SDK sends again, however long that takes it."""
        before = sdks.acknowledged()
        group.await_true(
            lambda: all(count > before[key] for key, count in sdks.acknowledged().items()), "each SDK sends", PATIENCE
        )

    def _switch_over(self, group, sdks, name):
        with self._report.case(f"{name}: a planned switch-over, and no send of an SDK fails"):
            self._await_sends_of(group, sdks)
            failed, old = sdks.failed(), group.master()
            group.mansio("broker", "switchover", "broker-a", "--yes", endpoint=old.address)
            assert group.master() is not old, "the master is the same"
            group.await_whole()
            self._await_sends_of(group, sdks)
            now = sdks.failed()
            assert now == failed, f"sends have failed: {failed} before, {now} after: {sdks.last_errors()}"

    def _strike(self, group, load, name):
        shortest, longest = (1, 9) if self._election else (0.5, 5)
        deck = faults.deck(self._options.faults, self._election, self._chance, shortest, longest)
        for number, fault in enumerate(deck, 1):
            began = time.monotonic()
            failed = True
            with self._report.case(f"{name}: fault {number} of {len(deck)}: {fault}"):
                with fault.striking(group, self._chance):
                    self._paused += fault.pauses_master
                    faults.last(fault.seconds)
                group.await_whole()
                load.await_sends(20, PATIENCE)
                failed = False
            print(f"     the longest time without a send was {self.history.longest_pause(began):.1f} s", flush=True)
            assert not failed, "the group did not come back; no more faults"

    def _settle(self, group, sdks):
        """All that was stored is delivered."""
        final_state.await_nothing_pending(group, PATIENCE)
        stored = final_state.read(group.master().address, [FIFO_TOPIC, DELAY_TOPIC, *sdks.topics])
        for consumers in (FIFO_GROUP, DELAY_GROUP):
            group.await_true(
                lambda c=consumers: not checker.undelivered(self.history.of(Receive), c, stored),
                f"{consumers} has been given everything",
                PATIENCE,
            )
        await_sdks(sdks, stored)

    def _audit(self, group, name, stored, sdks):
        path = group.directory / "history.jsonl"
        self.history.save(path)
        member_logs = [logs.MemberLog(directory) for directory in group.log_directories()]
        facts = logs.facts(member_logs)
        found = []
        with self._report.case(f"{name}: all logs are the beginning of the master's, byte by byte"):
            found += logs.differences(member_logs)
            found += logs.falling_epochs(logs.longest(member_logs))
            assert not found, "\n     ".join(found[:5])
        with self._report.case(f"{name}: the history breaks no rule"):
            if self._durability in REPLICATED:
                found += checker.check(self.history, stored, facts) + sdks.violations(stored)
            else:
                gone = sum(1 for _ in checker.lost(self.history.of(Send), stored))
                print(f"     {gone} acknowledged sends are gone, which {self._durability} allows")
                both = list(checker.check_overlap(self.history, facts))
                print(f"     {len(both)} sends were acknowledged by an old master; it stood still {self._paused} times")
                found += both if self._paused == 0 else []
            assert not found, f"{len(found)} violations:\n     " + "\n     ".join(found[:10])
        sends = self.history.of(Send)
        print(
            f"     {self.history.acknowledged()} of {len(sends)} sends were acknowledged, and of the SDKs'"
            f" {sdks.acknowledged()}; {sum(len(receive.messages) for receive in self.history.of(Receive))} deliveries;"
            f" {len(facts.reigns)} reigns; {sum(len(log.cut_out()) for log in member_logs)} logs were cut"
        )
        assert not found, f"violations; the history is {path}"


def run_overlap(report, seed):
    """A master that is cut off acknowledges nothing beyond its lease; one that does is caught."""
    for durability in ("async", "sync"):
        with report.case(f"{durability}: no two masters acknowledge at once"):
            overlap.assert_none(durability, seed)
    with report.case("async: a master that ignores its lease is caught"):
        overlap.assert_caught("async", seed)


def parse():
    parser = argparse.ArgumentParser()
    long = os.environ.get("MANSIO_LONG") == "1"
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--faults", type=int, default=100 if long else 5, help="for each durability and kind of roles")
    parser.add_argument("--roles", choices=["election", "static"], action="append")
    parser.add_argument("--sdk", action="append", default=[])
    parser.add_argument("durability", nargs="*", default=["replica", "replica-sync"] if long else ["replica"])
    return parser.parse_args(), long


def main():
    options, long = parse()
    print(f"seed {options.seed} (--seed {options.seed} chooses the same faults)", flush=True)
    report = Report()
    for name, case in checker_cases.cases():
        with report.case(name):
            case()
    for roles in options.roles or ["election", "static"]:
        election = roles == "election"
        for durability in options.durability:
            Run(report, options, durability, election).run()
        if election:
            silent_disk.run(report, "replica-sync", options.seed)
        if long:
            catch_up.run(report, options.durability[0], election, options.seed)
        if long and election:
            silent_disk.run(report, "replica", options.seed)
            run_overlap(report, options.seed)
    report.finish()


if __name__ == "__main__":
    main()
