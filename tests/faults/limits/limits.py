"""Each limit of conf/broker.yaml, lowered and reached on a broker of its own.

Above the RPC level a limit answers with a public code and a sentence that names its key. Below it, the case says what
the client sees and looks for the line in the broker's log. After each the broker still serves somebody else.
"""

import sys

from connection_limits import CONNECTION_LIMITS
from mansio_cluster import Cluster
from raw_client import RawClient
from report import Report
from request_limits import REQUEST_LIMITS
from state_limits import STATE_LIMITS


def serves(cluster, client_id="somebody-else"):
    """A message of another client goes through, from the send to the acknowledgement."""
    client = RawClient(cluster.broker.address, client_id=client_id)
    try:
        cluster.create_topic("served")
        sent, _ = client.send("served", b"served")
        got = client.receive("served", "served-group")
        assert [message.id for message in got] == [sent], got
        assert client.ack("served", "served-group", got) == got
    finally:
        client.close()


def main():
    report = Report()
    limits = {**REQUEST_LIMITS, **CONNECTION_LIMITS, **STATE_LIMITS}
    for setting, reach in limits.items():
        if sys.argv[1:] and not any(word in setting for word in sys.argv[1:]):
            continue
        with report.case(f"{setting}: {reach.__doc__}"):
            settings = ("broker.name=limited", *setting.split(" "))
            with Cluster(nameserver=False, durability="async", broker_settings=settings) as cluster:
                reach(cluster, serves)
                serves(cluster)
    report.finish()


if __name__ == "__main__":
    main()
