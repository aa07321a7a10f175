"""Limits of the calls that a node passes on to the broker that they are for."""

from request_limits import accepted, refused
from wire import Node, message, metadata, send


def forwarded_calls(cluster, serves):
    """what is to be forwarded beyond it is refused"""
    cluster.create_topic("normal")
    with Node(cluster.nameserver.address) as node:
        refused(node.call("SendMessage", send(message()), metadata("forwarded")), "TOO_MANY_REQUESTS", "limits.forwarded-calls")
    serves(cluster)


def forwarded_bytes(cluster, serves):
    """a request with more bytes is refused, smaller ones are forwarded"""
    cluster.create_topic("normal")
    with Node(cluster.nameserver.address) as node:
        large = send(message(body=b"x" * (100 << 10)))
        refused(node.call("SendMessage", large, metadata("forwarded")), "TOO_MANY_REQUESTS", "limits.forwarded-bytes")
        accepted(node.call("SendMessage", send(message()), metadata("forwarded")))
    serves(cluster)


FORWARD_LIMITS = {
    "limits.forwarded-calls=0": forwarded_calls,
    "limits.forwarded-bytes=64KiB": forwarded_bytes,
}
