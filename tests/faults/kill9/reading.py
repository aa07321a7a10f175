"""Reads a topic whole, for audits."""

import time

from raw_client import RawClient


def stored_count(cluster, topic):
    """How many messages the broker says it has in the topic; asserts that all queues begin at 0."""
    description = cluster.mansio("topic", "describe", topic)
    assert all(queue["min_offset"] == 0 for queue in description["queue_offsets"]), f"{topic}: messages were deleted"
    return description["messages"]


def drain(cluster, topic, group, complete, timeout=120):
    """Receives and acknowledges until complete(found); returns what was found, by message id."""
    found = {}
    client = RawClient(cluster.broker.address)
    deadline = time.monotonic() + timeout
    while not complete(found):
        assert time.monotonic() < deadline, f"{topic}: group {group} got only {len(found)} messages in {timeout} s"
        messages = client.receive(topic, group)
        found.update((message.id, message) for message in messages)
        if messages:
            client.ack(topic, group, messages)
    client.close()
    return found
