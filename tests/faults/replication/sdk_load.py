"""Producers and push consumers of the official SDKs that use the group all the time, and what must be so of them.

    load = SdkLoad(group, ["Python|COMMAND"])
    load.create_topics()
    with load.running():
        ...
        load.stop_sending()
        while load.missing(stored): ...
    violations = load.violations(stored)

Each SDK has a FIFO topic and a FIFO group of its own; an application that sends what was not acknowledged again leaves
duplicates, and so the first place and the first delivery of each message count.
"""

import contextlib

from sdk_client import all_deliveries, joined, sdks_of

START_TIMEOUT = 60
GROUPS = 8
WORK_MS = 200  # between two messages of a message group


class SdkLoad:
    """Clients of each SDK, as sdks_of() takes them."""

    def __init__(self, group, sdks):
        self._group = group
        self._sdks = sdks_of(sdks)
        self._producers = {}  # by the SDK's key, as the following
        self._consumers = {}
        self._sent = {}

    @property
    def topics(self):
        return [self._topic(sdk) for sdk in self._sdks]

    @staticmethod
    def _topic(sdk):
        return f"sdk-{sdk.key}"

    def create_topics(self):
        for sdk in self._sdks:
            name = self._topic(sdk)
            self._group.create_topic(name, "--type", "fifo", "--queues", "2")
            self._group.mansio(
                "group", "create", name, "--fifo", "--start", "earliest", endpoint=self._group.master().address
            )

    @contextlib.contextmanager
    def running(self):
        """All clients have started, and run until the block is left."""
        addresses = [nameserver.address for nameserver in self._group.nameservers]
        with contextlib.ExitStack() as running:
            for sdk in self._sdks:
                topic, endpoint = self._topic(sdk), joined(sdk.name, addresses)
                consumer = sdk.consumer(self._group, "push", topic, topic, endpoint)
                self._consumers[sdk.key] = running.enter_context(consumer)
                options = {"prefix": sdk.key, "count": 1_000_000, "groups": GROUPS, "work": WORK_MS}
                producer = sdk.client(self._group, "produce", topic, endpoint, **options)
                self._producers[sdk.key] = running.enter_context(producer)
            yield self

    def stop_sending(self):
        for key, producer in self._producers.items():
            producer.kill9()
            self._sent[key] = set(producer.sent)

    def acknowledged(self):
        """How many sends were, by SDK."""
        return {key: len(producer.sent) for key, producer in self._producers.items()}

    def failed(self):
        """How many sends have failed in the eyes of the application, by SDK."""
        return {key: len(producer.errors) for key, producer in self._producers.items()}

    def last_errors(self):
        return {key: producer.errors[-1] for key, producer in self._producers.items() if producer.errors}

    def missing(self, stored):
        """How many of the stored messages have not come to the consumers, by SDK, where some have not."""
        counts = {
            sdk.name: sum(body not in self._consumers[sdk.key].received for body in stored[self._topic(sdk)])
            for sdk in self._sdks
        }
        return {name: count for name, count in counts.items() if count}

    def violations(self, stored):
        """What of the rules was broken, a sentence each. `stored`: topic -> {body: [Place]} in the end."""
        found = []
        for sdk in self._sdks:
            there = stored[self._topic(sdk)]
            found += lost(self._sent[sdk.key], there, sdk.name)
            found += misordered({body: min(places, key=lambda p: p.offset) for body, places in there.items()}, sdk.name)
            first = {}
            for one in all_deliveries(self._consumers[sdk.key]):
                first.setdefault(one.body, len(first))
            found += out_of_turn(first, sdk.name)
        return found


def lost(sent, stored, name):
    return [f"lost: {body} was acknowledged to {name}'s SDK" for body in sorted(sent) if body not in stored]


def misordered(places, name):
    """In each message group, what was sent later stands behind."""
    for body, following in pairs(places):
        if places[body].queue != places[following].queue:
            yield f"order: {body} and {following} of {name}'s SDK are in different queues"
        elif places[body].offset > places[following].offset:
            yield f"order: {following} stands before {body} of {name}'s SDK"


def out_of_turn(turns, name):
    """In each message group, what was sent later has come later. `turns`: body -> when it came first."""
    for body, following in pairs(turns):
        if turns[body] > turns[following]:
            yield f"turn: {name}'s SDK was given {following} before {body}"


def pairs(bodies):
    """Neighbours in the message groups, of what there is: PREFIX-NUMBER each."""
    groups = {}
    for body in bodies:
        prefix, number = body.rsplit("-", 1)
        groups.setdefault((prefix, int(number) % GROUPS), []).append((int(number), body))
    for members in groups.values():
        in_order = [body for _, body in sorted(members)]
        yield from zip(in_order, in_order[1:])
