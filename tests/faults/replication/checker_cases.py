"""Tests of the checker on hand-made histories: each kind of violation is caught, and what may happen is not reported.

A history is written as the operations of history.py with small times; `g` is a message group of topic t, and messages of
topic t are stored at the offsets given.
"""

import functools

import checker
import sdk_load
from checker import LogFacts, Place
from history import Ack, End, History, Receive, Send, Sight

NO_LOG = LogFacts({}, [(1, 0)], 1000)


def history_of(*operations):
    history = History()
    for operation in operations:
        history.add(operation)
    return history


def stored_of(topic="t", **offsets):
    """Topic -> keys at places: an offset of queue 0 each, a list of them, or a Place."""
    keys = {}
    for key, where in offsets.items():
        wanted = where if isinstance(where, list) else [where]
        keys[key] = [place if isinstance(place, Place) else Place(0, place, 0) for place in wanted]
    return {topic: keys}


def sent(key, invoked, completed=None, **fields):
    return Send("t", key, invoked, completed, **fields)


def grouped(key, invoked, completed=None, **fields):
    return sent(key, invoked, completed, message_group="g", **fields)


def received(completed, *keys, invoked=None):
    invoked = completed - 0.5 if invoked is None else invoked
    return Receive("t", "c", invoked, completed, [(key, 0, 0, 1) for key in keys])


def acked(key, invoked, completed=None):
    return Ack("t", "c", key, invoked, completed)


GROUPED = (grouped("a", 1, 2), grouped("b", 3, 4), grouped("c", 5, 6))

# name, the rule that is broken (None: none is), the operations, what is stored, the log
CASES = [
    ("nothing happened", None, [], {}, NO_LOG),
    ("an acknowledged send is there", None, [sent("a", 1, 2, offset=7)], stored_of(a=7), NO_LOG),
    ("an acknowledged send is gone", "lost", [sent("a", 1, 2, offset=7)], {}, NO_LOG),
    ("a send without an answer is gone", None, [sent("a", 1)], {}, NO_LOG),
    ("a send without an answer is there", None, [sent("a", 1)], stored_of(a=0), NO_LOG),
    ("a message is elsewhere", "moved", [sent("a", 1, 2, offset=7)], stored_of(a=8), NO_LOG),
    ("a message is there twice", "twice", [sent("a", 1, 2, offset=7)], stored_of(a=[7, 9]), NO_LOG),
    ("an unanswered send is there twice", "twice", [sent("a", 1)], stored_of(a=[7, 9]), NO_LOG),
    ("a timer has fired", None, [sent("a", 1, 2, due_ms=500)], stored_of(a=Place(0, 0, 500)), NO_LOG),
    ("a timer is lost", "lost", [sent("a", 1, 2, due_ms=500)], {}, NO_LOG),
    ("a timer has fired twice", "twice", [sent("a", 1, 2, due_ms=5)], stored_of(a=[Place(0, 0, 5), Place(1, 0, 6)]), NO_LOG),
    ("a timer has fired early", "early", [sent("a", 1, 2, due_ms=500)], stored_of(a=Place(0, 0, 499)), NO_LOG),
    ("a commit", None, [sent("a", 1, 2, commit=True), End("a", 3, 4)], stored_of(a=0), NO_LOG),
    ("a commit is lost", "commit", [sent("a", 1, 2, commit=True), End("a", 3, 4)], {}, NO_LOG),
    ("a half is lost", "lost", [sent("a", 1, 2, commit=True)], {}, NO_LOG),
    ("an unanswered half is gone", None, [sent("a", 1, commit=True)], {}, NO_LOG),
    ("committed twice", "twice", [sent("a", 1, 2, commit=True), End("a", 3, 4)], stored_of(a=[0, 1]), NO_LOG),
    ("a rollback", None, [sent("a", 1, 2, commit=False), End("a", 3, 4)], {}, NO_LOG),
    ("rolled back and visible", "rollback", [sent("a", 1, 2, commit=False), End("a", 3, 4)], stored_of(a=0), NO_LOG),
    ("rolled back, unanswered, visible", "rollback", [sent("a", 1, commit=False)], stored_of(a=0), NO_LOG),
    ("in order", None, GROUPED, stored_of(a=0, b=1, c=2), NO_LOG),
    ("neighbours out of order", "order", GROUPED, stored_of(a=0, b=2, c=1), NO_LOG),
    ("the first one stands last", "order", GROUPED, stored_of(a=2, b=0, c=1), NO_LOG),
    ("sends that overlapped", None, [grouped("a", 1, 4), grouped("b", 3, 5)], stored_of(a=1, b=0), NO_LOG),
    ("an unanswered send comes late", None, [grouped("a", 1), grouped("b", 3, 4)], stored_of(a=1, b=0), NO_LOG),
    (
        "a message group in two queues",
        "order",
        GROUPED[:2],
        stored_of(a=Place(0, 0, 0), b=Place(1, 0, 0)),
        NO_LOG,
    ),
    (
        "consumed in order",
        None,
        [*GROUPED, received(7, "a"), acked("a", 8, 9), received(10, "b", "c"), acked("b", 11)],
        stored_of(a=0, b=1, c=2),
        NO_LOG,
    ),
    (
        "an acknowledgement is on its way when the next one comes",
        None,
        [*GROUPED, received(7, "a"), acked("a", 8), received(8.5, "b", invoked=7.5)],
        stored_of(a=0, b=1, c=2),
        NO_LOG,
    ),
    (
        "consumed before the one before was acknowledged",
        "turn",
        [*GROUPED, received(7, "a"), received(8, "b")],
        stored_of(a=0, b=1, c=2),
        NO_LOG,
    ),
    (
        "consumed although one before never came",
        "turn",
        [*GROUPED, received(7, "a"), acked("a", 8, 9), received(10, "c")],
        stored_of(a=0, b=1, c=2),
        NO_LOG,
    ),
    (
        "the first of a batch comes again alone after an open acknowledgement",
        None,
        [*GROUPED, received(7, "a"), acked("a", 8), received(9, "a", "b"), received(10, "a")],
        stored_of(a=0, b=1, c=2),
        NO_LOG,
    ),
    ("a batch comes again", None, [*GROUPED, received(7, "a", "b"), received(8, "a", "b")], stored_of(a=0, b=1, c=2), NO_LOG),
    ("again after an open acknowledgement", None, [received(2, "a"), acked("a", 3), received(9, "a")], {}, NO_LOG),
    ("again after the acknowledgement", "again", [received(2, "a"), acked("a", 3, 4), received(9, "a")], {}, NO_LOG),
    ("asked before the acknowledgement", None, [acked("a", 3, 4), received(5, "a", invoked=3.5)], {}, NO_LOG),
    (
        "one reign after the other",
        None,
        [sent("a", 1, 2), sent("b", 3, 4)],
        stored_of(a=0, b=1),
        LogFacts({"a": 1, "b": 2}, [(1, 0), (2, 500)], 1000),
    ),
    (
        "an old master still acknowledges",
        "reign",
        [sent("b", 1, 2), sent("a", 3, 4)],
        stored_of(a=0, b=1),
        LogFacts({"a": 1, "b": 2}, [(1, 0), (2, 500)], 1000),
    ),
    (
        "sends to both masters overlapped",
        None,
        [sent("b", 1, 5), sent("a", 3, 4)],
        stored_of(a=0, b=1),
        LogFacts({"a": 1, "b": 2}, [(1, 0), (2, 500)], 1000),
    ),
    ("an old epoch up to its end", None, [Sight(1, 2, "master", 1, 500)], {}, LogFacts({}, [(1, 0), (2, 500)], 1000)),
    ("an old epoch beyond its end", "epoch", [Sight(1, 2, "master", 1, 501)], {}, LogFacts({}, [(1, 0), (2, 500)], 1000)),
    ("more committed than there is", "epoch", [Sight(1, 2, "master", 2, 1001)], {}, LogFacts({}, [(2, 0)], 1000)),
]


def run(rule, operations, stored, log):
    found = list(checker.check(history_of(*operations), stored, log))
    if rule is None:
        assert not found, f"nothing is wrong, and the checker says: {found}"
    else:
        assert any(text.startswith(f"{rule}:") for text in found), f"a violation of '{rule}' is not caught: {found}"


def undelivered():
    stored = stored_of(a=0, b=1)
    assert checker.undelivered([received(1, "a")], "c", stored) == ["b"]
    assert not checker.undelivered([received(1, "a"), received(2, "b")], "c", stored)


def sdk_rules():
    in_order = {"s-0": Place(0, 0, 0), "s-8": Place(0, 1, 0), "s-1": Place(1, 0, 0)}
    assert not list(sdk_load.misordered(in_order, "an"))
    assert list(sdk_load.misordered({**in_order, "s-8": Place(0, 1, 0), "s-0": Place(0, 2, 0)}, "an"))
    assert list(sdk_load.misordered({**in_order, "s-8": Place(1, 1, 0)}, "an"))
    assert not list(sdk_load.out_of_turn({"s-0": 0, "s-1": 1, "s-8": 2}, "an"))
    assert list(sdk_load.out_of_turn({"s-8": 0, "s-0": 1}, "an"))
    assert sdk_load.lost({"s-0", "s-8"}, in_order, "an") == []
    assert sdk_load.lost({"s-16"}, in_order, "an")


def cases():
    """(name, function) of each."""
    for name, rule, *situation in CASES:
        yield f"checker: {name}", functools.partial(run, rule, *situation)
    yield "checker: what a group was never given", undelivered
    yield "checker: the rules of the SDKs' load", sdk_rules
