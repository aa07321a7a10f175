"""Reads a topic whole, for audits."""

import collections
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


def read_places(cluster, topic, group, timeout=120):
    """What stands in the topic, read by a new group: message id -> {(queue, offset): store time in ms}."""
    cluster.mansio("group", "create", group, "--start", "earliest")
    count = stored_count(cluster, topic)
    places = collections.defaultdict(dict)
    found = 0
    client = RawClient(cluster.broker.address)
    deadline = time.monotonic() + timeout
    while found < count:
        assert time.monotonic() < deadline, f"{topic}: group {group} got only {found} of {count} messages in {timeout} s"
        messages = client.receive(topic, group)
        for message in messages:
            places[message.id][(message.queue, message.offset)] = message.stored_ms
        if messages:
            found += len(client.ack(topic, group, messages))
    client.close()
    return places


def assert_once(topic, places):
    """No message of read_places stands at more than one offset."""
    twice = [(message_id, sorted(of_one)) for message_id, of_one in places.items() if len(of_one) > 1]
    assert not twice, f"{topic}: {len(twice)} messages stand more than once, for example {twice[0]}"
