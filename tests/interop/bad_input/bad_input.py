"""Bad input to every call of the public API, and input just good enough.

The tables name the public code of each case; every sentence must begin with that code's name and explain it. What is
refused leaves no trace: the broker holds exactly the messages, topics and groups that it accepted.
"""

import sys

from clients import run_clients
from forwarding import run_forwarding
from mansio_cluster import Cluster
from offsets import run_offsets
from receiving import run_handles, run_receive
from report import Report
from sending import run_sending
from storms import run_storms
from telemetry import run_telemetry
from wire import Node

TABLES = ("sending", "receiving", "handles", "forwarding", "offsets", "clients", "telemetry", "storms")


def main():
    wanted = sys.argv[1:] or TABLES
    report = Report()
    with Cluster(nameserver=True, durability="async") as cluster:
        cluster.create_topic("normal")
        cluster.create_topic("fifo", "--type", "fifo")
        cluster.create_topic("delay", "--type", "delay")
        cluster.create_topic("priority", "--type", "priority")
        cluster.create_topic("mixed", "--type", "mixed")
        with Node(cluster.broker.address) as broker, Node(cluster.nameserver.address) as nameserver:
            nodes = {"broker": broker, "nameserver": nameserver}
            if "sending" in wanted:
                run_sending(report, cluster, broker)
            if "receiving" in wanted:
                run_receive(report, cluster, broker)
            if "handles" in wanted:
                run_handles(report, cluster, broker)
            if "forwarding" in wanted:
                run_forwarding(report, cluster, broker)
            if "offsets" in wanted:
                run_offsets(report, cluster, broker)
            if "clients" in wanted:
                run_clients(report, nodes)
            if "telemetry" in wanted:
                run_telemetry(report, nodes)
            if "storms" in wanted:
                run_storms(report, cluster, broker)
    report.finish()


if __name__ == "__main__":
    main()
