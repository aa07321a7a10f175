"""Machines on this one: network namespaces, each with an address of its own, whose packets can be dropped.

    with Network() as network:
        first, second = network.machine(), network.machine()
        subprocess.run(first.prefix + ["ping", second.ip])
        network.cut(first, second)     # what the first one sends does not arrive at the second
        network.heal()

The calling process is in a namespace of its own (unshare --net), and one of the machines: `here`. The namespaces
have no names: they end with the processes and files that use them, however the suite ends, and no two suites meet.
Machines are joined by a router, not by a bridge with queues, because dropping packets by rules of routing needs
nothing of the kernel that it may not have: a blackhole drops silently.
"""

import itertools
import os
import subprocess


class Machine:
    """One network namespace."""

    def __init__(self, number, namespace):
        self.ip = f"10.77.{number}.2"
        self.gateway = f"10.77.{number}.1"
        self.link = f"machine-{number}"
        self.namespace = namespace
        self.prefix = ["nsenter", f"--net={namespace}"]  # before a command that is to run there


class Network:
    """A router and the machines around it. Not thread-safe. Leaving the block gives the namespaces up."""

    def __init__(self):
        self._numbers = itertools.count(1)
        self._files = []
        self._rules = []
        self._router = self._new_namespace()
        # In a container /proc/sys may be there to be read only.
        path = "/proc/sys/net/ipv4/ip_forward"
        forward = f"echo 1 2>&- >{path} || {{ mount -o remount,rw /proc/sys && echo 1 >{path}; }}"
        # Below a plain directory (chroot) there is no mount whose propagation could be changed.
        mounts = ["unshare", "--mount", "--propagation=unchanged"]
        run(["nsenter", f"--net={self._router}", *mounts, "sh", "-c", forward])
        self.here = self._join(f"/proc/{os.getpid()}/ns/net")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        # Namespaces end some time after their last user; the next network is not to find this one's link.
        self._ip(self.here.namespace, ["link", "del", "eth0"])
        for file in self._files:
            os.close(file)

    def machine(self):
        """A new machine, which reaches all others."""
        return self._join(self._new_namespace())

    def cut(self, sender, receiver=None):
        """Drops what one machine sends to another one, or to all."""
        self._add(["from", sender.ip, *(["to", receiver.ip] if receiver else [])])

    def cut_to(self, receiver):
        """Drops what all send to a machine."""
        self._add(["to", receiver.ip])

    def heal(self):
        """All packets arrive again."""
        while self._rules:
            self._ip(self._router, ["rule", "del", *self._rules.pop()])

    def _add(self, selector):
        rule = [*selector, "blackhole"]
        self._ip(self._router, ["rule", "add", *rule])
        self._rules.append(rule)

    def _join(self, namespace):
        machine = Machine(next(self._numbers), namespace)
        self._ip(
            self._router,
            ["link", "add", machine.link, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace],
            ["address", "add", f"{machine.gateway}/24", "dev", machine.link],
            ["link", "set", machine.link, "up"],
        )
        self._ip(
            machine.namespace,
            ["link", "set", "lo", "up"],
            ["address", "add", f"{machine.ip}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["route", "add", "default", "via", machine.gateway],
        )
        return machine

    def _new_namespace(self):
        """The path of a new namespace, which lives as long as a file of ours is open."""
        holder = ["unshare", "--net", "sh", "-c", "echo made && read -r line"]
        with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline(), "unshare --net did not make a network namespace"
            file = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
            process.stdin.write(b"\n")
        self._files.append(file)
        return f"/proc/{os.getpid()}/fd/{file}"

    @staticmethod
    def _ip(namespace, *commands):
        """Runs commands of ip in a namespace."""
        batch = "".join(" ".join(command) + "\n" for command in commands)
        run(["nsenter", f"--net={namespace}", "ip", "-batch", "-"], batch)


def run(command, text=None):
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"'{' '.join(command)}' failed: {result.stderr.strip()} ({text or 'no input'})"
