"""Several brokers and nameservers, for the suites about more than one node.

    with BrokerGroups(["a", "b"], nameservers=2) as groups:
        groups.create_topic("orders", on="b")
        groups.nameservers[0].kill9()

Everything else is as in mansio_cluster.
"""


from rocketmq.grpc_protocol import service_pb2 as service

from mansio_cluster import ROOT, Cluster, Process
from wire import Node, resource


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
        for nameserver in self.nameservers:
            self.await_true(lambda n=nameserver: self.knows_all_brokers(n), f"{nameserver.name} knows every broker")

    def knows_all_brokers(self, nameserver):
        listing = self.online_addresses(nameserver)
        return all(broker.address in listing for broker in self.brokers.values() if broker.running)

    def know(self, names):
        """Whether every node that runs knows the brokers of these names, and no other."""
        return all(
            {broker["broker"] for broker in self.online_brokers(process)} == set(names)
            for process in self._processes()
            if process.running
        )

    def create_topic(self, name, *options, on=None):
        """Creates a topic on one broker, or on all, and waits until every node knows where it is."""
        brokers = [on] if on else list(self.brokers)
        self.mansio("topic", "create", name, *options, "--brokers", ",".join(brokers), endpoint=self.broker.address)
        for process in self._processes():
            self.await_true(
                lambda p=process: self.brokers_of(p, name) == set(brokers), f"{process.name} knows where topic {name} is"
            )

    def stored(self, topic):
        """How many messages of a topic each broker has ever stored, by its name."""
        rows = self.mansio("topic", "stats", topic, endpoint=self.broker.address)
        return {row["broker"]: row["ever_stored"] for row in rows}

    @staticmethod
    def brokers_of(process, topic):
        """The names of the brokers in the route that a node answers."""
        with Node(process.address) as node:
            route = node.call("QueryRoute", service.QueryRouteRequest(topic=resource(topic)))
        return {queue.broker.name for queue in route.response.message_queues}
