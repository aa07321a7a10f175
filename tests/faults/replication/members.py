"""A broker group, nameservers and, with an election, etcd: each a process on a machine of its own.

    with Network() as network, ReplicatedGroup(network, "replica", election=False) as group:
        group.create_topic("orders")
        group.master().kill9()
"""

import os
import pathlib
import re
import signal
import subprocess
import time

from mansio_cluster import ROOT, Cluster, Process

MEMBERS = 3
NAMESERVERS = 2
LEASE = 3  # seconds of the election's lease
PATIENCE = 90  # seconds until a group that nothing ails any more must be whole


class Node(Process):
    """A process of Mansio on a machine of its own."""

    def __init__(self, machine, port, program, directory, config, settings, name, environment=()):
        prefix = [*machine.prefix, "env", *environment]
        super().__init__(program, directory, config, settings, name, f"{machine.ip}:{port}", prefix)
        self.machine = machine
        self.paused = False

    def pause(self):
        """The process stands still and its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused = True

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    def terminate(self):
        if self.paused:
            self.resume()
        super().terminate()


class Member(Node):
    """A broker of the group. `id` is its broker.id."""

    def __init__(self, number, machine, directory, settings, fault_library=None):
        """`fault_library`: what begin_fault sets off, as stopped_clock.cc says it."""
        self.id = number
        self._fault_file = directory / f"broker-{number}-fault"
        environment = []
        if fault_library:
            environment = [f"LD_PRELOAD={fault_library}", f"FAULT_FILE={self._fault_file}"]
        self.log_directory = directory / f"broker-{number}" / "log"
        own = [f"store.path={directory / f'broker-{number}'}", f"broker.id={number}", *settings]
        config = ROOT / "conf" / "broker.yaml"
        super().__init__(machine, 8081, "broker", directory, config, own, f"broker-{number}", environment)

    def begin_fault(self):
        """Until end_fault or the next start."""
        self._fault_file.touch()

    def end_fault(self):
        self._fault_file.unlink(missing_ok=True)

    def start(self):
        self.end_fault()
        super().start()


class Etcd(Node):
    """An etcd server that keeps its data over restarts."""

    ready = re.compile("serving client traffic")

    def __init__(self, program, machine, directory):
        super().__init__(machine, 2379, "etcd", directory, "", [], "etcd")
        clients, peers = f"http://{self.address}", f"http://{machine.ip}:2380"
        self._command = [
            *machine.prefix, program, "--name=one", f"--data-dir={directory / 'etcd'}", f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}", f"--listen-peer-urls={peers}", "--logger=zap",
            f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=one={peers}", "--log-outputs=stderr",
        ]  # fmt: skip

    def terminate(self):
        if self.paused:
            self.resume()
        self.kill9()


class ReplicatedGroup(Cluster):
    """Three members, two nameservers. Without an election member 1 is the master, always.

    `broker` is the first member. `fault`: what Member.begin_fault begins, a library's name in this folder.
    `settings`: of the members, beside their own. Not thread-safe except for what says so.
    """

    def __init__(self, network, durability, election, fault=None, settings=()):
        super().__init__(nameserver=False)
        self.network = network
        self.election = election
        self.durability = durability
        self.nameservers = [
            Node(network.machine(), 9876, "nameserver", self.directory, ROOT / "conf" / "nameserver.yaml",
                 [f"tls.generated-dir={self.directory}/ns{number}", "admin.allow=10.77.0.0/16"], f"nameserver-{number}")
            for number in range(1, NAMESERVERS + 1)
        ]
        self.nameserver = self.nameservers[0]
        self.etcd = None
        if election:
            self.etcd = Etcd(os.environ["MANSIO_ETCD"], network.machine(), self.directory)
        settings = [
            *settings, f"durability={durability}", "store.segment-bytes=1MiB", "replication.max-lag=2s", "replication.min-in-sync=2",
            "admin.allow=10.77.0.0/16",
            "nameservers=" + ",".join(process.address for process in self.nameservers),
        ]  # fmt: skip
        if election:
            settings += [f"election.etcd={self.etcd.address}", f"election.lease={LEASE}s"]
        library = self._build(fault) if fault else None
        machines = [network.machine() for _ in range(MEMBERS)]
        self.members = []
        for number, machine in enumerate(machines, 1):
            own = list(settings)
            if election:
                own += [f"election.founds={'true' if number == 1 else 'false'}"]
            elif number > 1:
                own += ["role=slave", f"replication.master={self.members[0].address}"]
            self.members.append(Member(number, machine, self.directory, own, library))
        self.broker = self.members[0]

    def _build(self, name):
        library = self.directory / f"{name}.so"
        source = ROOT / "tests" / "faults" / "replication" / f"{name}.cc"
        subprocess.run(["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return library

    def _processes(self):
        return [*([self.etcd] if self.etcd else []), *self.nameservers, *self.members]

    def __enter__(self):
        try:
            for process in self._processes():
                process.start()
            self.await_whole()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    @property
    def addresses(self):
        """Of the members."""
        return [member.address for member in self.members]

    def look(self, member):
        """What a member says of its group, a dict for each member; [] when it does not answer. Thread-safe."""
        try:
            rows = self.mansio("broker", "list", endpoint=member.address, timeout=10, codes=range(256), patience="1s")
        except subprocess.TimeoutExpired:
            return []
        return rows if isinstance(rows, list) else []

    def master(self):
        """The present master, waited for if there is none."""
        if not self.election:
            return self.members[0]
        deadline = time.monotonic() + PATIENCE
        while True:
            rows = [row for member in self.members if member.running and not member.paused for row in self.look(member)]
            masters = [row for row in rows if row["role"] == "master" and row["online"]]
            if masters:
                return self.members[max(masters, key=lambda row: row["epoch"])["id"] - 1]
            assert time.monotonic() < deadline, f"the group has had no master for {PATIENCE} s: {rows}"
            time.sleep(0.1)

    def is_whole(self):
        """Whether the master says that all members are there and in sync, and both nameservers know it."""
        master = self.master()
        rows = [row for row in self.look(master) if row["online"]]
        # With async and sync there is no set, unless there is an election.
        if len(rows) < MEMBERS or not all(row.get("in_sync") in (True, None) for row in rows):
            return False
        return all(master.address in self.online_addresses(nameserver) for nameserver in self.nameservers)

    def await_whole(self):
        self.await_true(self.is_whole, "all members are in sync and registered", PATIENCE)

    def create_topic(self, name, *options):
        self.mansio("topic", "create", name, *options, endpoint=self.master().address)
        for process in (*self.members, *self.nameservers):
            self.await_true(lambda p=process: self._lists_topic(p, name), f"{process.name} knows the topic {name}")

    def stop(self):
        """Ends a whole group in order: without etcd and its master it elects nobody, and no log grows any more.

        The data stay until the block is left.
        """
        master = self.master()
        if self.etcd:
            self.etcd.terminate()
        for process in (master, *(member for member in self.members if member is not master), *self.nameservers):
            process.terminate()

    def log_directories(self):
        return [pathlib.Path(member.log_directory) for member in self.members]
