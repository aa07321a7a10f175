"""What befalls a group: faults of one process or of its machine's network, in a random order."""

import contextlib
import time

KINDS = {
    "is killed": "kill",
    "stands still": "pause",
    "is cut off": "isolate",
    "hears nothing": "deafen",
    "is not heard": "mute",
    "is cut off from its group": "split",
}
# A nameserver has no group.
TARGETS = {"the master": list(KINDS), "a slave": list(KINDS), "a nameserver": list(KINDS)[:-1], "etcd": list(KINDS)[:-1]}


class Fault:
    """A kind of fault for a kind of target; the process is chosen when it strikes."""

    def __init__(self, target, kind, seconds):
        self.seconds = seconds
        self._target = target
        self._kind = kind

    def __str__(self):
        return f"{self._target} {self._kind} for {self.seconds:.1f} s"

    @property
    def is_masters(self):
        return self._target == "the master"

    @property
    def pauses_master(self):
        return self.is_masters and KINDS[self._kind] == "pause"

    @contextlib.contextmanager
    def striking(self, group, chance):
        """Lasts as long as the block; yields the process. Afterwards it runs and its network is whole."""
        process = self._choose(group, chance)
        getattr(self, "_" + KINDS[self._kind])(group, process)
        try:
            yield process
        finally:
            group.network.heal()
            if process.paused:
                process.resume()
            if not process.running:
                process.start()

    def _choose(self, group, chance):
        if self._target == "a nameserver":
            return chance.choice(group.nameservers)
        if self._target == "etcd":
            return group.etcd
        master = group.master()
        if self._target == "the master":
            return master
        return chance.choice([member for member in group.members if member is not master])

    @staticmethod
    def _kill(_group, process):
        process.kill9()

    @staticmethod
    def _pause(_group, process):
        process.pause()

    @staticmethod
    def _isolate(group, process):
        group.network.cut(process.machine)
        group.network.cut_to(process.machine)

    @staticmethod
    def _deafen(group, process):
        group.network.cut_to(process.machine)

    @staticmethod
    def _mute(group, process):
        group.network.cut(process.machine)

    @staticmethod
    def _split(group, process):
        """Clients and nameservers still reach it; the other members and etcd do not."""
        others = [member for member in group.members if member is not process] + ([group.etcd] if group.etcd else [])
        for other in others:
            group.network.cut(process.machine, other.machine)
            group.network.cut(other.machine, process.machine)


def deck(count, election, chance, shortest, longest):
    """So many faults; all there are come once before one comes again. The first one is the master's, and a long one."""
    targets = [target for target in TARGETS if election or target != "etcd"]
    all_kinds = [(target, kind) for target in targets for kind in TARGETS[target]]
    faults = []
    while len(faults) < count:
        chance.shuffle(all_kinds)
        faults += [Fault(target, kind, chance.uniform(shortest, longest)) for target, kind in all_kinds]
    first = next(number for number, fault in enumerate(faults) if fault.is_masters)
    faults[0], faults[first] = faults[first], faults[0]
    faults[0].seconds = longest
    return faults[:count]


def last(seconds):
    """Lets a fault last: the one pause of the suite whose length is the test itself."""
    time.sleep(seconds)
