"""SendMessage (RocketMQ 5 API), and the types that are not served yet."""

from google.protobuf.timestamp_pb2 import Timestamp
from rocketmq.grpc_protocol import definition_pb2 as definition

from names import topic_cases
from table import Case, run
from wire import from_now, message, metadata, seconds, send

MIB = 1 << 20
CHINESE = "消息"  # two characters, six bytes


def one(**fields):
    return send(message(**fields))


def properties(count, size):
    """`count` properties whose keys and values have `size` bytes together each."""
    return {f"{number:04d}": "v" * (size - 4) for number in range(count)}


REQUEST = [
    Case("no client id", "CLIENT_ID_REQUIRED", one(), headers=metadata(None)),
    Case("a blank client id", "CLIENT_ID_REQUIRED", one(), headers=metadata("  ")),
    Case("a client id of 1025 bytes", "BAD_REQUEST", one(), "1024", headers=metadata("c" * 1025)),
    Case("a client id of 1024 bytes", "OK", one(), headers=metadata("c" * 1024)),
    Case(
        "an unknown language, protocol and header, an empty credential",
        "OK",
        one(),
        headers=metadata(x_mq_language="KLINGON", x_mq_protocol="v9", x_mq_new="1", authorization="MQv2-HMAC-SHA1 "),
    ),
    Case("no message", "MESSAGE_CORRUPTED", send()),
    Case("two topics", "MESSAGE_CORRUPTED", send(message(), message(topic="fifo")), "message 2 of 2"),
    Case("a batch with one empty body", "MESSAGE_BODY_EMPTY", send(message(), message(body=b"")), "message 2 of 2"),
    Case("a batch of 2", "OK", send(message(), message())),
    Case("a batch of 1,024", "OK", send(*[message() for _ in range(1024)])),
    Case("a batch of 1,025", "PAYLOAD_TOO_LARGE", send(*[message() for _ in range(1025)]), "1024"),
]

BODY = [
    Case("an empty body", "MESSAGE_BODY_EMPTY", one(body=b"")),
    Case("a body of 4 MiB", "OK", one(body=b"b" * 4 * MIB)),
    Case("a body of 4 MiB and 1 byte", "MESSAGE_BODY_TOO_LARGE", one(body=b"b" * (4 * MIB + 1)), str(4 * MIB)),
    Case("a body of 4 MiB with 16 KiB of properties", "OK", one(body=b"b" * 4 * MIB, user={"k": "v" * 16383})),
    Case("a body of any bytes", "OK", one(body=bytes(range(256)))),
    Case("the encoding GZIP, whatever the body", "OK", one(body_encoding=definition.GZIP)),
    Case("no encoding", "OK", one(body_encoding=definition.ENCODING_UNSPECIFIED)),
    Case("the unknown encoding 9", "NOT_IMPLEMENTED", one(body_encoding=9), "encoding number 9"),
]

PROPERTIES = [
    Case("128 properties", "OK", one(user=properties(128, 8))),
    Case("129 properties", "MESSAGE_PROPERTIES_TOO_LARGE", one(user=properties(129, 8)), "128"),
    Case("16,384 bytes of properties", "OK", one(user=properties(128, 128))),
    Case("16,385 bytes of properties", "MESSAGE_PROPERTIES_TOO_LARGE", one(user={"k": "v" * 16384}), "16384"),
    Case("16,384 bytes with tag and keys", "OK", one(user={"k": "v" * 16373}, tag="tag", keys=["key", "key2"])),
    Case(
        "16,385 bytes with tag and keys",
        "MESSAGE_PROPERTIES_TOO_LARGE",
        one(user={"k": "v" * 16374}, tag="tag", keys=["key", "key2"]),
    ),
    Case("16,386 bytes that are 5,462 characters", "MESSAGE_PROPERTIES_TOO_LARGE", one(user={CHINESE: "消" * 5460})),
    Case("Chinese and emoji in key and value", "OK", one(user={CHINESE: "📨"})),
    Case("the reserved key KEYS", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"KEYS": "v"}), "KEYS"),
    Case("the reserved key TAGS", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"TAGS": "v"})),
    Case("the reserved key UNIQ_KEY", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"UNIQ_KEY": "v"})),
    Case("the reserved key 1ST_POP_TIME", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"1ST_POP_TIME": "v"})),
    Case("the reserved key __CRC32#", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"__CRC32#": "v"})),
    Case("a reserved key in lower case", "OK", one(user={"keys": "v"})),
    Case("a key that RocketMQ uses but allows", "OK", one(user={"__SHARDINGKEY": "v"})),
    Case("U+0000 in a key", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"a\0b": "v"})),
    Case("U+0000 in a value", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"k": "\0"})),
    Case("a line break in a value", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"k": "a\nb"})),
    Case("U+001F in a value", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"k": "\x1f"})),
    Case("U+007F in a value", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"k": "\x7f"})),
    Case("U+009F in a value", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"k": "\u009f"})),
    Case("U+00A0 in a value", "OK", one(user={"k": "\u00a0"})),
    Case("an empty value", "OK", one(user={"k": ""})),
]

SYSTEM_PROPERTIES = [
    Case("a tag", "OK", one(tag="tag")),
    Case("the tag *", "OK", one(tag="*")),
    Case("an empty tag", "ILLEGAL_MESSAGE_TAG", one(tag="")),
    Case("a blank tag", "ILLEGAL_MESSAGE_TAG", one(tag=" \t")),
    Case("a tag with |", "ILLEGAL_MESSAGE_TAG", one(tag="a|b")),
    Case("a tag with a control character", "ILLEGAL_MESSAGE_TAG", one(tag="a\x01")),
    Case("three keys", "OK", one(keys=["a", "b", CHINESE])),
    Case("an empty key", "ILLEGAL_MESSAGE_KEY", one(keys=["a", ""])),
    Case("a blank key", "ILLEGAL_MESSAGE_KEY", one(keys=["  "])),
    Case("a key with a control character", "ILLEGAL_MESSAGE_KEY", one(keys=["a\x80b"])),
    Case("no message id", "ILLEGAL_MESSAGE_ID", one(message_id="")),
    Case("a blank message id", "ILLEGAL_MESSAGE_ID", one(message_id=" ")),
    Case("a message id that is no hexadecimal", "OK", one(message_id="消息 1")),
    Case("a message id of 20,000 bytes", "MESSAGE_PROPERTIES_TOO_LARGE", one(message_id="i" * 20000)),
    Case("no born time and host", "OK", one(born_timestamp=None, born_host="")),
    Case("type TRANSACTION to a NORMAL topic", "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE", one(
        message_type=definition.TRANSACTION), "TRANSACTION"),
    Case("type TRANSACTION with a message group", "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE", one(
        message_type=definition.TRANSACTION, message_group="g"), "a message group"),
    Case("a recovery duration of 3,600 s", "OK", one(orphaned_transaction_recovery_duration=seconds(3600))),
    Case("a recovery duration of 3,601 s", "BAD_REQUEST", one(orphaned_transaction_recovery_duration=seconds(3601))),
    Case(
        "a recovery duration of 3,600.5 s", "BAD_REQUEST", one(orphaned_transaction_recovery_duration=seconds("3600.5"))
    ),
    Case("a queue id that does not exist", "OK", one(queue_id=99)),
    Case("a queue id below 0", "OK", one(queue_id=-1)),
]


def fifo(**fields):
    return one(topic="fifo", message_type=definition.FIFO, **fields)


GROUP = [
    Case("a message group of 63 bytes", "OK", fifo(message_group="g" * 63)),
    Case("a message group of 64 bytes", "ILLEGAL_MESSAGE_GROUP", fifo(message_group="g" * 64), "63"),
    Case("a message group of 21 Chinese characters, 63 bytes", "OK", fifo(message_group="组" * 21)),
    Case("a message group of 22 Chinese characters, 66 bytes", "ILLEGAL_MESSAGE_GROUP", fifo(message_group="组" * 22)),
    Case("an empty message group", "ILLEGAL_MESSAGE_GROUP", fifo(message_group="")),
    Case("a blank message group", "ILLEGAL_MESSAGE_GROUP", fifo(message_group="  ")),
    Case("a message group with a line break", "ILLEGAL_MESSAGE_GROUP", fifo(message_group="a\nb")),
    Case("a batch of two message groups", "OK", send(
        message(topic="fifo", message_group="a"), message(topic="fifo", message_group="b"))),
]

# The type is what the properties say; message_type alone makes no difference between NORMAL and FIFO.
CONFLICT = "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE"
TYPES = [
    Case("no type", "OK", one(message_type=definition.MESSAGE_TYPE_UNSPECIFIED)),
    Case("a message group to a NORMAL topic", CONFLICT, one(message_group="g", message_type=definition.FIFO)),
    Case("no message group to a FIFO topic", CONFLICT, one(topic="fifo"), "message group"),
    Case("FIFO without a message group to a FIFO topic", CONFLICT, fifo()),
    Case("FIFO without a message group to a NORMAL topic", "OK", one(message_type=definition.FIFO)),
    Case("a batch with one message group to a NORMAL topic", CONFLICT, send(message(), message(message_group="g"))),
]


# All that is accepted is due at once, so that the topic holds it when it is counted.
DELAY = [
    *[
        Case(f"the delay level '{level}'", "ILLEGAL_MESSAGE_PROPERTY_KEY", one(user={"DELAY": level}))
        for level in ("", "0", "-1", "+1", "1.5", "one", "１")
    ],
    Case(
        "a delay level and a delivery time",
        CONFLICT,
        one(topic="delay", user={"DELAY": "1"}, delivery_timestamp=from_now(minutes=1)),
    ),
    Case("a delay level and a message group", CONFLICT, one(user={"DELAY": "1"}, message_group="g")),
    Case("a delay level to a FIFO topic", CONFLICT, one(topic="fifo", user={"DELAY": "1"})),
    Case("a delivery time to a NORMAL topic", CONFLICT, one(delivery_timestamp=from_now(minutes=1))),
    Case("no delivery time to a DELAY topic", CONFLICT, one(topic="delay", message_type=definition.DELAY)),
    Case("a delivery time in the past", "OK", one(topic="delay", delivery_timestamp=from_now(minutes=-1))),
    Case("a delivery time before 1970", "OK", one(topic="delay", delivery_timestamp=Timestamp(seconds=-(1 << 63)))),
    Case(
        "a delivery time with odd nanoseconds",
        "OK",
        one(topic="delay", delivery_timestamp=Timestamp(seconds=5, nanos=(1 << 31) - 1)),
    ),
    Case(
        "a delivery time in 24 h 1 min",
        "ILLEGAL_DELIVERY_TIME",
        one(topic="delay", delivery_timestamp=from_now(minutes=1441)),
        "24h",
    ),
    Case(
        "the last delivery time there is",
        "ILLEGAL_DELIVERY_TIME",
        one(topic="delay", delivery_timestamp=Timestamp(seconds=(1 << 63) - 1)),
    ),
]


def priority(value, **fields):
    return one(topic="priority", message_type=definition.PRIORITY, priority=value, **fields)


PRIORITY = [
    Case("priority 0", "OK", priority(0)),
    Case("the highest priority there is", "OK", priority((1 << 31) - 1)),
    Case("priority -1", "BAD_REQUEST", priority(-1), "-1"),
    Case("the lowest number there is as priority", "BAD_REQUEST", priority(-(1 << 31))),
    Case("no priority to a PRIORITY topic", CONFLICT, one(topic="priority"), "priority"),
    Case("PRIORITY without a priority to a PRIORITY topic", CONFLICT, priority(None)),
    Case("a priority to a NORMAL topic", CONFLICT, one(priority=1)),
    Case("a priority and a message group", CONFLICT, priority(1, message_group="g")),
    Case("a priority and a delivery time", CONFLICT, priority(1, delivery_timestamp=from_now(minutes=1))),
    Case("a priority and a delay level", CONFLICT, priority(1, user={"DELAY": "1"})),
]

# What is accepted is due at once here, too.
MIXED = [
    Case("a NORMAL message to a MIXED topic", "OK", one(topic="mixed")),
    Case("a FIFO message to a MIXED topic", "OK", one(topic="mixed", message_group="g")),
    Case("a DELAY message to a MIXED topic", "OK", one(topic="mixed", delivery_timestamp=from_now(minutes=-1))),
    Case("a PRIORITY message to a MIXED topic", CONFLICT, one(topic="mixed", priority=1), "NORMAL, FIFO, DELAY"),
    *(
        Case(f"mansio-ttl-ms {text!r}", code, one(topic="mixed", user={"mansio-ttl-ms": text}))
        for text, code in (
            ("1", "OK"),
            ("9" * 18, "OK"),
            ("9" * 19, "ILLEGAL_MESSAGE_PROPERTY_KEY"),
            ("", "ILLEGAL_MESSAGE_PROPERTY_KEY"),
            ("0", "ILLEGAL_MESSAGE_PROPERTY_KEY"),
            ("-1", "ILLEGAL_MESSAGE_PROPERTY_KEY"),
            ("1s", "ILLEGAL_MESSAGE_PROPERTY_KEY"),
        )
    ),
]


def served_cases(topic):
    """Types that are not served: refused so whatever the topic takes."""
    code = "NOT_IMPLEMENTED"

    def of(**fields):
        return one(topic=topic, **fields)

    return [
        Case("type LITE", code, of(message_type=definition.LITE), "LITE"),
        Case("a lite topic", code, of(lite_topic="lite"), "LITE"),
        Case("a lite topic and a priority", code, of(lite_topic="lite", priority=1), "LITE"),
        Case("an illegal lite topic", code, of(lite_topic="a b"), "LITE"),
        Case("the unknown type 99", code, of(message_type=99), "99"),
    ]


def accepted(case):
    return len(case.request.messages) if case.code == "OK" else 0


def run_sending(report, cluster, broker):
    """Runs all tables; the broker must hold exactly the messages it said OK for."""
    tables = {
        "normal": [
            *topic_cases(lambda name: send(message(topic=name))),
            *REQUEST, *BODY, *PROPERTIES, *SYSTEM_PROPERTIES, *TYPES, *served_cases("normal"),
        ],
        "fifo": [*GROUP, *served_cases("fifo")],
        "delay": DELAY,
        "priority": [*PRIORITY, *served_cases("priority")],
        "mixed": [*MIXED, *served_cases("mixed")],
    }
    for topic, cases in tables.items():
        before = stored(cluster, topic)
        run(report, broker, "broker", "SendMessage", cases)
        with report.case(f"broker SendMessage: topic {topic} holds what was accepted, and nothing else"):
            expected = sum(accepted(case) for case in cases)
            count = stored(cluster, topic) - before
            assert count == expected, f"{expected} messages were accepted, {count} are stored"
    with report.case("broker SendMessage: no unknown topic was created"):
        names = [topic["name"] for topic in cluster.mansio("topic", "list")]
        assert sorted(names) == sorted(tables), names


def stored(cluster, topic):
    """How many messages all queues of a topic have ever taken."""
    queues = cluster.mansio("topic", "describe", topic)["queue_offsets"]
    return sum(queue["next_offset"] for queue in queues)
