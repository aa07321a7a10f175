"""Each limit of conf/broker.yaml, lowered and reached on a broker of its own; those of connections at nameservers, too,
and those of topics.

Above the RPC level a limit answers with a public code and a sentence that names its key. Below it, the case says what
the client sees and looks for the line in the server's log. After each the server still serves somebody else.
"""

import sys

from connection_limits import CONNECTION_LIMITS
from mansio_cluster import Cluster
from raw_client import RawClient
from report import Report
from request_limits import REQUEST_LIMITS, accepted
from rocketmq.grpc_protocol import service_pb2 as service
from state_limits import STATE_LIMITS
from topic_limits import TOPIC_LIMITS
from wire import Node, metadata, resource


def serves(cluster, client_id="somebody-else"):
    """A message of another client goes through, from the send to the acknowledgement; each node knows the route."""
    client = RawClient(cluster.broker.address, client_id=client_id)
    try:
        cluster.create_topic("served")
        sent, _ = client.send("served", b"served")
        got = client.receive("served", "served-group")
        assert [message.id for message in got] == [sent], got
        assert client.ack("served", "served-group", got) == got
    finally:
        client.close()
    if cluster.nameserver:
        with Node(cluster.nameserver.address) as node:
            route = service.QueryRouteRequest(topic=resource("served"))
            accepted(node.call("QueryRoute", route, metadata(client_id)))


def cases():
    """(name, settings of the broker, settings of a nameserver or None, what to do with the cluster)."""
    for setting, reach in {**REQUEST_LIMITS, **STATE_LIMITS}.items():
        yield f"{setting}: {reach.__doc__}", setting.split(" "), None, lambda cluster, go=reach: go(cluster, serves)
    for options, reach in TOPIC_LIMITS.items():
        yield f"{options}: {reach.__doc__}", [], None, lambda cluster, go=reach: go(cluster, serves)
    for setting, reach in CONNECTION_LIMITS.items():
        lowered = setting.split(" ")
        yield (
            f"broker {setting}: {reach.__doc__}",
            lowered,
            None,
            lambda cluster, go=reach: go(cluster, cluster.broker, serves),
        )
        yield (
            f"nameserver {setting}: {reach.__doc__}",
            [],
            lowered,
            lambda cluster, go=reach: go(cluster, cluster.nameserver, serves),
        )


def main():
    report = Report()
    for name, broker, nameserver, reach in cases():
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        with report.case(name):
            with Cluster(
                nameserver=nameserver is not None,
                durability="async",
                broker_settings=("broker.name=limited", *broker),
                nameserver_settings=nameserver or (),
            ) as cluster:
                reach(cluster)
                serves(cluster)
    report.finish()


if __name__ == "__main__":
    main()
