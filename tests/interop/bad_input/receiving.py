"""ReceiveMessage (RocketMQ 5 API), AckMessage and ChangeInvisibleDuration (6.5)."""

import time

from google.protobuf.duration_pb2 import Duration
from rocketmq.grpc_protocol import definition_pb2 as definition

from names import group_cases, topic_cases
from table import Case, check, check_receive, run
from wire import ack, change, expression, handles, message, metadata, receive, received, seconds, send

HOURS_12 = 12 * 3600
GARBLED = "this is no handle"

# Groups of refused receives: none of them may exist afterwards.
REFUSED = "refused"
IN_TIME = {"group": REFUSED}


def old(version):
    return metadata(x_mq_client_version=version)


RECEIVE = [
    Case("no client id", "CLIENT_ID_REQUIRED", receive(**IN_TIME), headers=metadata(None)),
    Case("an SQL filter without an end", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression("a > ", definition.SQL), **IN_TIME), "character 5"),
    Case("an empty SQL filter", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression(" ", definition.SQL), **IN_TIME), "empty"),
    Case("an SQL filter of 100,000 parentheses", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression("(" * 100000, definition.SQL), **IN_TIME), "16384"),
    Case("an SQL filter of 16,384 parentheses", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression("(" * 16384, definition.SQL), **IN_TIME), "64 deep"),
    Case("a filter of the unknown type 7", "NOT_IMPLEMENTED", receive(
        filter_expression=expression("*", 7), **IN_TIME), "7"),
    Case("a filter without any tag", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression(" || "), **IN_TIME)),
    Case("a filter of 257 tags", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression("||".join(f"t{n}" for n in range(257))), **IN_TIME), "256"),
    Case("a filter of 16,385 bytes", "ILLEGAL_FILTER_EXPRESSION", receive(
        filter_expression=expression("t" * 16385), **IN_TIME), "16384"),
    Case("an invisible time of 9.999 s", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=seconds("9.999"), **IN_TIME), "10 seconds"),
    Case("an invisible time of 12 h and 1 ns", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=seconds(f"{HOURS_12}.000000001"), **IN_TIME), "12 hours"),
    Case("no invisible time", "ILLEGAL_INVISIBLE_TIME", receive(invisible_duration=None, **IN_TIME)),
    Case("a negative invisible time", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=seconds(-10), **IN_TIME)),
    Case("an invisible time of 100 years", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=seconds(100 * 365 * 86400), **IN_TIME)),
    Case("an invisible time with 2,000,000,000 ns", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=Duration(seconds=10, nanos=2_000_000_000), **IN_TIME)),
    Case("an invisible time whose parts have two signs", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=Duration(seconds=11, nanos=-1), **IN_TIME)),
    Case("the longest invisible time there is", "ILLEGAL_INVISIBLE_TIME", receive(
        invisible_duration=Duration(seconds=2**63 - 1, nanos=2**31 - 1), **IN_TIME)),
    Case("a polling time with 2,000,000,000 ns", "ILLEGAL_POLLING_TIME", receive(
        long_polling_timeout=Duration(seconds=1, nanos=2_000_000_000), **IN_TIME)),
    Case("a negative polling time", "ILLEGAL_POLLING_TIME", receive(
        long_polling_timeout=seconds(-1), **IN_TIME)),
    Case("a broker that does not exist", "INTERNAL_SERVER_ERROR", receive(broker="broker-z", **IN_TIME), "broker-z"),
    Case("a deadline of 4 s, no client version", "BAD_REQUEST", receive(**IN_TIME), timeout=4),
    Case("a deadline of 4 s, client 5.0.3", "ILLEGAL_POLLING_TIME", receive(**IN_TIME), "", old("5.0.3"), 4),
    Case("a deadline of 4 s, client 5.0.2", "BAD_REQUEST", receive(**IN_TIME), "", old("5.0.2"), 4),
    Case("a deadline of 4 s, a client without a number", "BAD_REQUEST", receive(**IN_TIME), "", old("x"), 4),
]

# Each with a group of its own, which finds the messages of the topic from the first one on.
ACCEPTED = [
    ("no filter", {"filter_expression": None}),
    ("a filter of unspecified type is TAG", {"filter_expression": expression("no || red", 0)}),
    ("an empty filter", {"filter_expression": expression("")}),
    ("a filter with surrounding blanks", {"filter_expression": expression("  red  ||  none ")}),
    ("a filter of 256 tags", {"filter_expression": expression("||".join(["red", *[f"t{n}" for n in range(255)]]))}),
    ("an invisible time of 10 s", {"invisible_duration": seconds(10)}),
    ("an invisible time of 12 h", {"invisible_duration": seconds(HOURS_12)}),
    ("auto-renew, whatever the invisible time", {"auto_renew": True, "invisible_duration": seconds(-5)}),
    ("auto-renew without an invisible time", {"auto_renew": True, "invisible_duration": None}),
    ("a batch of 0 is 1", {"batch_size": 0}),
    ("a batch of -5 is 1", {"batch_size": -5}),
    ("the queue -1", {"queue": -1}),
    ("a queue that does not exist", {"queue": 99}),
    ("the broker's name", {"broker": "broker-a"}),
    ("no polling time", {"long_polling_timeout": None}),
    ("a polling time of 0 s", {"long_polling_timeout": seconds(0)}),
    ("a polling time of an hour", {"long_polling_timeout": seconds(3600)}),
    ("a polling time of 100 years", {"long_polling_timeout": seconds(100 * 365 * 86400)}),
    ("the queue 2,147,483,647", {"queue": 2**31 - 1}),
    ("the longest group name", {"group": "g" * 120}),
]


def run_receive(report, cluster, broker):
    """A topic of 64 messages with the tag red; refused receives leave no group behind."""
    cluster.create_topic("receiving")
    check(broker.call("SendMessage", send(*[message("receiving", tag="red") for _ in range(64)])), "OK")
    names = [
        *topic_cases(lambda name: receive(topic=name, **IN_TIME)),
        *group_cases(lambda name: receive(topic="receiving", group=name)),
    ]
    run(report, broker, "broker", "ReceiveMessage", [*names, *RECEIVE])
    for number, (what, fields) in enumerate(ACCEPTED):
        with report.case(f"broker ReceiveMessage: {what} -> OK"):
            answer = broker.call("ReceiveMessage", receive(**{"topic": "receiving", "group": f"good{number}", **fields}))
            check(answer, "OK")
            check_receive(answer, "OK")
            assert len(received(answer)) == 1, f"{len(received(answer))} messages"
    with report.case("broker ReceiveMessage: a batch of 100,000 is 32"):
        answer = broker.call("ReceiveMessage", receive("receiving", "batch", batch_size=100000))
        check(answer, "OK")
        assert len(received(answer)) == 32, f"{len(received(answer))} messages"
    with report.case("broker ReceiveMessage: nothing comes -> MESSAGE_NOT_FOUND after the polling time"):
        started = time.monotonic()
        nothing = receive("receiving", "nothing", filter_expression=expression("blue"))
        check(broker.call("ReceiveMessage", nothing), "MESSAGE_NOT_FOUND")
        assert time.monotonic() - started >= 4.9, "an idle receive was answered before its polling time"
    with report.case("broker ReceiveMessage: no refused one created its group"):
        groups = [group["name"] for group in cluster.mansio("group", "list")]
        assert REFUSED not in groups, groups


def run_handles(report, cluster, broker):
    """Acknowledgements and changes of messages that were received, and of handles that nobody gave."""
    cluster.create_topic("handles", "--queues", "1")
    check(broker.call("SendMessage", send(*[message("handles") for _ in range(16)])), "OK")
    good = iter(handles(broker.call("ReceiveMessage", receive("handles", "group", batch_size=7))))
    (expiring,) = handles(broker.call("ReceiveMessage", receive("handles", "group", invisible_duration=seconds(10))))
    began = time.monotonic()

    run(report, broker, "broker", "AckMessage", [
        Case("no client id", "CLIENT_ID_REQUIRED", ack("h"), headers=metadata(None)),
        *[case for case in topic_cases(lambda name: ack("h", topic=name), "INVALID_RECEIPT_HANDLE")],
        *group_cases(lambda name: ack("h", topic="handles", group=name)),
        Case("no entry", "INTERNAL_SERVER_ERROR", ack(topic="handles")),
        Case("a lite topic", "NOT_IMPLEMENTED", ack("h", topic="handles", lite_topic="lite"), "lite"),
        *[Case(what, "INVALID_RECEIPT_HANDLE", ack(text, topic="handles")) for what, text in forgeries(expiring)],
        Case("a group that does not exist", "INVALID_RECEIPT_HANDLE", ack(expiring, topic="handles", group="nobody")),
        Case("a topic that does not exist", "INVALID_RECEIPT_HANDLE", ack(expiring, topic="unknown")),
        Case("another topic's handle", "INVALID_RECEIPT_HANDLE", ack(expiring, topic="receiving")),
        Case("another group's handle", "INVALID_RECEIPT_HANDLE", ack(expiring, topic="handles", group="good0")),
    ])
    with report.case("broker AckMessage: each entry has its own status -> MULTIPLE_RESULTS"):
        first = next(good)
        answer = broker.call("AckMessage", ack(first, GARBLED, topic="handles"))
        check(answer, "MULTIPLE_RESULTS")
        codes = [entry.status.code for entry in answer.response.entries]
        assert codes == [definition.OK, definition.INVALID_RECEIPT_HANDLE], codes
        echoed = [(entry.message_id, entry.receipt_handle) for entry in answer.response.entries]
        assert echoed == [("id-0", first), ("id-1", GARBLED)], echoed
    with report.case("broker AckMessage: twice -> INVALID_RECEIPT_HANDLE"):
        check(broker.call("AckMessage", ack(first, topic="handles")), "INVALID_RECEIPT_HANDLE")
    with report.case("broker AckMessage: the same handle twice in a request -> MULTIPLE_RESULTS"):
        twice = next(good)
        check(broker.call("AckMessage", ack(twice, twice, topic="handles")), "MULTIPLE_RESULTS")

    def changed(invisible, handle, **fields):
        return change(handle, invisible, **{"topic": "handles", **fields})

    run(report, broker, "broker", "ChangeInvisibleDuration", [
        Case("no client id", "CLIENT_ID_REQUIRED", changed(10, "h"), headers=metadata(None)),
        *topic_cases(lambda name: changed(10, "h", topic=name), "INVALID_RECEIPT_HANDLE"),
        *group_cases(lambda name: changed(10, "h", group=name)),
        Case("-1 s", "ILLEGAL_INVISIBLE_TIME", changed(-1, expiring)),
        Case("-1 ns", "ILLEGAL_INVISIBLE_TIME", changed("-0.000000001", expiring)),
        Case("12 h and 1 ns", "ILLEGAL_INVISIBLE_TIME", changed(f"{HOURS_12}.000000001", expiring)),
        Case("100 years", "ILLEGAL_INVISIBLE_TIME", changed(100 * 365 * 86400, expiring)),
        Case("a lite topic", "NOT_IMPLEMENTED", changed(10, expiring, lite_topic="lite"), "lite"),
        Case("suspend", "NOT_IMPLEMENTED", changed(10, expiring, suspend=True), "suspend"),
        Case("suspend that is false", "OK", changed(20, next(good), suspend=False)),
        Case("12 h", "OK", changed(HOURS_12, next(good))),
        Case("0 s", "OK", changed(0, next(good))),
        *[Case(what, "INVALID_RECEIPT_HANDLE", changed(10, text)) for what, text in forgeries(expiring)],
        Case("another group's handle", "INVALID_RECEIPT_HANDLE", changed(10, expiring, group="good0")),
    ])
    with report.case("broker ChangeInvisibleDuration: a refusal gives the request's handle back"):
        answer = broker.call("ChangeInvisibleDuration", changed(10, GARBLED))
        assert answer.response.receipt_handle == GARBLED, answer
    with report.case("broker ChangeInvisibleDuration: the new handle is good, the old one is not"):
        before = next(good)
        after = broker.call("ChangeInvisibleDuration", changed(30, before)).response.receipt_handle
        assert after and after != before, after
        check(broker.call("AckMessage", ack(before, topic="handles")), "INVALID_RECEIPT_HANDLE")
        check(broker.call("AckMessage", ack(after, topic="handles")), "OK")
    with report.case("broker: a handle 11 s after a receive with 10 s -> INVALID_RECEIPT_HANDLE"):
        time.sleep(max(0, began + 11 - time.monotonic()))
        check(broker.call("AckMessage", ack(expiring, topic="handles")), "INVALID_RECEIPT_HANDLE")
        check(broker.call("ChangeInvisibleDuration", changed(10, expiring)), "INVALID_RECEIPT_HANDLE")


def forgeries(handle):
    """Texts that look less and less like no handle at all."""
    middle = len(handle) // 2
    other = "A" if handle[middle] != "A" else "B"
    return [
        ("no handle", ""),
        ("a handle of words", GARBLED),
        ("a handle of 4 KiB", "A" * 4096),
        ("a handle with one letter changed", handle[:middle] + other + handle[middle + 1 :]),
        ("a handle that was cut", handle[:-2]),
        ("a handle with something behind it", handle + "AAAA"),
    ]
