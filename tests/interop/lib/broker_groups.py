"""Several brokers and nameservers, for the suites about more than one node.

    with BrokerGroups(["a", "b"], nameservers=2) as groups:
        groups.create_topic("orders", on="b")
        groups.nameservers[0].kill9()

Everything else is as in mansio_cluster.
"""

import json

from mansio_cluster import ROOT, Cluster, Process


class BrokerGroups(Cluster):
    """Brokers by name, each registered with all nameservers. `broker` and `nameserver` are the first ones."""

    def __init__(self, names, nameservers=2, broker_settings=()):
        super().__init__(nameserver=False)
        self.nameservers = [
            Process("nameserver", self.directory, ROOT / "conf" / "nameserver.yaml",
                    [f"tls.generated-dir={self.directory}/ns{number}"], f"nameserver-{number}")
            for number in range(nameservers)
        ]
        self._settings = [
            "nameservers=" + ",".join(process.address for process in self.nameservers), "durability=async", *broker_settings
        ]
        self.brokers = {name: self.new_broker(name) for name in names}
        self.broker = next(iter(self.brokers.values()))
        self.nameserver = self.nameservers[0]

    def new_broker(self, name, label=None):
        """A broker that is not started; `label` tells it from another one with the same name."""
        label = label or f"broker-{name}"
        settings = [f"broker.name={name}", f"store.path={self.directory / label}", *self._settings]
        return Process("broker", self.directory, ROOT / "conf" / "broker.yaml", settings, label)

    def _processes(self):
        return [*self.brokers.values(), *self.nameservers]

    def _await_registration(self):
        for node in self._processes():
            self.await_condition(
                lambda n=node: self.knows_all_brokers(n), f"{node.name} knows every broker"
            )

    def knows_all_brokers(self, node):
        """Whether a node says of a topic of each broker where it is, respectively lists all brokers."""
        if node in self.nameservers:
            listing = json.dumps(self.mansio("cluster", "list", endpoint=node.address))
            return all(broker.address in listing for broker in self.brokers.values() if broker.running)
        others = sum(broker.running for broker in self.brokers.values()) - 1
        return f"there are {others} other brokers" in node.log() or others == 0

    def create_topic(self, name, *options, on=None):
        """Creates a topic on one broker, or on all, and waits until every nameserver has it there."""
        brokers = [self.brokers[on]] if on else list(self.brokers.values())
        for broker in brokers:
            self.mansio("topic", "create", name, *options, endpoint=broker.address)
        for nameserver in self.nameservers:
            self.await_condition(lambda n=nameserver: self._lists_topic(n, name), f"{nameserver.name} knows topic {name}")

    @classmethod
    def await_condition(cls, condition, what, timeout=20):
        cls._await(condition, what, timeout)
