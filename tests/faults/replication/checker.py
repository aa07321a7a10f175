"""Holds a history against what the group has in the end: the rules that no fault may break.

    violations = check(history, stored, log)       # of a durability that replicates
    violations = check_overlap(history, log)       # of async and sync, where a failover may lose what came last

Each violation is a sentence; the rule that it breaks is its first word. Sound, not complete: what is reported has
happened, whatever the times between the calls and their effects were, as only the order of calls that did not overlap
is used.
"""

import collections
import dataclasses

from history import Ack, End, Receive, Send, Sight

Place = collections.namedtuple("Place", "queue offset stored_ms")


@dataclasses.dataclass
class LogFacts:
    """What the members' logs say in the end.

    epochs: key -> epoch of the frame that it was first stored in, in the log or in what a member has cut out of its own.
    reigns: (epoch, first offset) in the log, in its order.
    """

    epochs: dict
    reigns: list
    end: int

    def epoch_before(self, offset):
        """The epoch of the frame that ends at an offset of the log."""
        epoch = 0
        for reign, start in self.reigns:
            if start < offset:
                epoch = reign
        return epoch


def check(history, stored, log):
    """All rules. `stored`: topic -> {key: [Place]}, everything that the group has."""
    sends = history.of(Send)
    return [
        *lost(sends, stored),
        *moved(sends, stored),
        *twice(sends, stored),
        *early(sends, stored),
        *wrongly_ended(sends, history.of(End), stored),
        *misordered(sends, stored),
        *out_of_turn(sends, history.of(Receive), history.of(Ack), stored),
        *came_again(history.of(Receive), history.of(Ack)),
        *stale_commits(history.of(Sight), log),
        *old_reigns(sends, log),
    ]


def check_overlap(history, log):
    """The rule that holds in every durability unless a process is paused: no two masters acknowledge at once."""
    return old_reigns(history.of(Send), log)


def places(send, stored):
    return stored.get(send.topic, {}).get(send.key, [])


def lost(sends, stored):
    """What was acknowledged is there: a half if its producer commits it."""
    for send in sends:
        if send.completed is not None and send.commit is not False and not places(send, stored):
            yield f"lost: {send.key} of {send.topic} was acknowledged at {send.completed:.3f}"


def moved(sends, stored):
    """It is where its sender was told."""
    for send in sends:
        if send.completed is None or send.offset is None:
            continue
        there = places(send, stored)
        if there and send.offset not in {place.offset for place in there}:
            yield f"moved: {send.key} of {send.topic} was acknowledged at offset {send.offset} and is at {there}"


def twice(sends, stored):
    """Each send, firing and commit leaves one message at most; a client sends each key once."""
    for send in sends:
        if len(places(send, stored)) > 1:
            yield f"twice: {send.key} of {send.topic} is at {places(send, stored)}"


def early(sends, stored):
    """No delayed message is delivered before its time."""
    for send in sends:
        for place in places(send, stored):
            if send.due_ms is not None and place.stored_ms < send.due_ms:
                yield f"early: {send.key} was due at {send.due_ms} and delivered at {place.stored_ms}"


def wrongly_ended(sends, ends, stored):
    """No message is visible whose producer never committed; `ends` that were acknowledged are of known halves."""
    halves = {send.key: send for send in sends if send.commit is not None}
    for send in halves.values():
        if send.commit is False and places(send, stored):
            yield f"rollback: {send.key} is visible, and its producer has rolled it back"
    for end in ends:
        half = halves.get(end.key)
        if half is not None and half.commit and end.completed is not None and not places(half, stored):
            yield f"commit: {end.key} is not visible, and its commit was acknowledged at {end.completed:.3f}"


def misordered(sends, stored):
    """Of two messages of a message group, the one that was acknowledged before the other one was sent stands first."""
    groups = collections.defaultdict(list)
    for send in sends:
        if send.message_group is not None and send.completed is not None and places(send, stored):
            groups[send.topic, send.message_group].append(send)
    for (topic, group), members in groups.items():
        members.sort(key=lambda send: send.invoked)
        if len({place.queue for send in members for place in places(send, stored)}) > 1:
            yield f"order: message group {group} of {topic} is in several queues"
            continue
        by_end = sorted(members, key=lambda send: send.completed)
        done, last = 0, None  # of those that were acknowledged before `send` was sent, the one that stands last
        for send in members:
            while by_end[done].completed < send.invoked:
                if last is None or offset_of(by_end[done], stored) > offset_of(last, stored):
                    last = by_end[done]
                done += 1
            if last is not None and offset_of(send, stored) < offset_of(last, stored):
                yield f"order: {send.key} stands before {last.key}, which was acknowledged before it was sent"


def offset_of(send, stored):
    return min(place.offset for place in places(send, stored))


def out_of_turn(sends, receives, acks, stored):
    """A FIFO consumer is given a message only when an acknowledgement of every earlier one of its message group is on
    its way, or together with the earlier ones that are not acknowledged."""
    group_of = {send.key: send.message_group for send in sends if send.message_group is not None}
    offsets = {send.key: offset_of(send, stored) for send in sends if send.key in group_of and places(send, stored)}
    in_order = collections.defaultdict(list)
    turns = {}  # key -> its place in its message group
    for key in sorted(offsets, key=offsets.get):
        turns[key] = len(in_order[group_of[key]])
        in_order[group_of[key]].append(key)
    for consumers in {(receive.topic, receive.group) for receive in receives}:
        tried = {}  # key -> when it was first tried to acknowledge it
        for ack in acks:
            if (ack.topic, ack.group) == consumers:
                tried[ack.key] = min(ack.invoked, tried.get(ack.key, ack.invoked))
        waiting = collections.Counter()  # message group -> how many of its first messages have been looked at
        events = [receive for receive in receives if (receive.topic, receive.group) == consumers]
        for receive in sorted(events, key=lambda one: one.completed):
            together = {key for key, *_ in receive.messages}
            for key in sorted(together & offsets.keys(), key=offsets.get):
                group = group_of[key]
                for earlier in in_order[group][waiting[group] : turns[key]]:
                    if tried.get(earlier, receive.completed) < receive.completed:
                        if earlier == in_order[group][waiting[group]]:
                            waiting[group] += 1
                    elif earlier not in together:
                        yield f"turn: {consumers[1]} got {key} before it tried to acknowledge {earlier}"
                        break


def came_again(receives, acks):
    """What was acknowledged is not handed out again to that group."""
    done = {}
    for ack in acks:
        if ack.completed is not None:
            known = done.get((ack.group, ack.key), ack.completed)
            done[ack.group, ack.key] = min(known, ack.completed)
    for receive in receives:
        for key, *_ in receive.messages:
            if done.get((receive.group, key), receive.invoked) < receive.invoked:
                yield f"again: {receive.group} got {key}, whose acknowledgement was answered before it asked"


def stale_commits(sights, log):
    """What a member took for committed is in the log, and no frame of an older epoch stands in place of a newer one."""
    for sight in sights:
        if sight.committed > log.end:
            yield f"epoch: member {sight.member} had {sight.committed} bytes committed, the log has {log.end}"
        elif log.epoch_before(sight.committed) > sight.epoch:
            newer = log.epoch_before(sight.committed)
            yield (
                f"epoch: member {sight.member} in epoch {sight.epoch} had {sight.committed} bytes committed, and the last"
                f" of them are of epoch {newer}"
            )


def old_reigns(sends, log):
    """Once a send is acknowledged in an epoch, none that is sent later is acknowledged in an older one."""
    known = [send for send in sends if send.completed is not None and send.key in log.epochs]
    by_end = sorted(known, key=lambda send: send.completed)
    done, newest = 0, None
    for send in sorted(known, key=lambda one: one.invoked):
        while by_end[done].completed < send.invoked:
            if newest is None or log.epochs[by_end[done].key] > log.epochs[newest.key]:
                newest = by_end[done]
            done += 1
        if newest is not None and log.epochs[send.key] < log.epochs[newest.key]:
            yield (
                f"reign: {send.key} was sent at {send.invoked:.3f} and acknowledged in epoch {log.epochs[send.key]}, after"
                f" {newest.key} had been acknowledged in epoch {log.epochs[newest.key]}"
            )


def undelivered(receives, group, stored):
    """Keys of the group's topics that it was never given."""
    seen = {key for receive in receives if receive.group == group for key, *_ in receive.messages}
    topics = {receive.topic for receive in receives if receive.group == group}
    return sorted({key for topic in topics for key in stored.get(topic, {})} - seen)
