"""The telemetry stream (RocketMQ 5 API): settings, commands nobody asked for, and several streams of one client."""

import queue
import uuid

import grpc
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from clients import heartbeat
from table import check
from wire import DEADLINE, Answer, metadata, resource, seconds



def producer(*topics, **fields):
    return definition.Settings(
        client_type=definition.PRODUCER,
        publishing=definition.Publishing(topics=[resource(topic) for topic in topics]),
        **fields,
    )


def consumer(group="told", topic="normal", kind=definition.SIMPLE_CONSUMER, filter_type=definition.TAG):
    entry = definition.SubscriptionEntry(
        topic=resource(topic), expression=definition.FilterExpression(type=filter_type, expression="*")
    )
    return definition.Settings(
        client_type=kind, subscription=definition.Subscription(group=resource(group), subscriptions=[entry])
    )


def with_properties(properties):
    """Producer settings with client_properties, field 9, which the Python package does not have."""

    def field(number, data):
        return bytes([number << 3 | 2]) + varint(len(data)) + data

    raw = producer().SerializeToString()
    for key, value in properties.items():
        raw += field(9, field(1, key.encode()) + field(2, value.encode()))
    return definition.Settings.FromString(raw)


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


BAD_PROPERTIES = "INVALID_CLIENT_PROPERTIES"

# Settings that end the stream with INVALID_ARGUMENT, whose text is the sentence.
ENDED = [
    ("neither publishing nor subscription", "BAD_REQUEST", definition.Settings(client_type=definition.PRODUCER)),
    ("empty settings", "BAD_REQUEST", definition.Settings()),
    ("an illegal topic to publish to", "ILLEGAL_TOPIC", producer("normal", "a b")),
    ("a system topic to publish to", "ILLEGAL_TOPIC", producer("TBW102")),
    ("a consumer without a group", "ILLEGAL_CONSUMER_GROUP", consumer("")),
    ("an illegal group", "ILLEGAL_CONSUMER_GROUP", consumer("a b")),
    ("an illegal topic to subscribe to", "ILLEGAL_TOPIC", consumer(topic="a b")),
    ("the unknown client type 42", "UNRECOGNIZED_CLIENT_TYPE", consumer(kind=42)),
    ("33 client properties", BAD_PROPERTIES, with_properties({f"k{n}": "v" for n in range(33)})),
    ("a client property without a name", BAD_PROPERTIES, with_properties({"": "v"})),
    ("a client property 1k", BAD_PROPERTIES, with_properties({"1k": "v"})),
    ("a client property with a blank", BAD_PROPERTIES, with_properties({"a b": "v"})),
    ("a client property name of 65 characters", BAD_PROPERTIES, with_properties({"k" * 65: "v"})),
    ("a client property value of 257 bytes", BAD_PROPERTIES, with_properties({"k": "v" * 257})),
    ("client properties of 4,097 bytes", BAD_PROPERTIES, with_properties(
        {**{f"k{n:02}": "v" * 253 for n in range(16)}, "k": ""})),
    ("a client property rocketmq.x", BAD_PROPERTIES, with_properties({"rocketmq.x": "v"})),
]

# Settings that are not served: one command with the status, then the end of the stream.
NOT_SERVED = [
    ("a subscription of the unknown type 7", "7", consumer(filter_type=7)),
    ("client type LITE_PUSH_CONSUMER", "LITE_PUSH_CONSUMER", consumer(kind=definition.LITE_PUSH_CONSUMER)),
    ("client type LITE_SIMPLE_CONSUMER", "LITE_SIMPLE_CONSUMER", consumer(kind=definition.LITE_SIMPLE_CONSUMER)),
]

ANSWERED = [
    ("a producer without topics", producer()),
    ("a producer of a topic that does not exist", producer("nowhere")),
    ("a producer of 1,000 topics", producer(*[f"topic{n}" for n in range(1000)])),
    ("a consumer of a topic and group that do not exist", consumer("told-new", "nowhere")),
    ("a push consumer", consumer(kind=definition.PUSH_CONSUMER)),
    ("a pull consumer", consumer(kind=definition.PULL_CONSUMER)),
    ("a subscription of unspecified type", consumer(filter_type=0)),
    ("a subscription of type SQL", consumer(filter_type=definition.SQL)),
    ("settings without a client type", definition.Settings(publishing=definition.Publishing())),
    ("32 client properties", with_properties({f"k{n}": "v" for n in range(32)})),
    ("client properties of 4,096 bytes", with_properties({f"k{n:02}": "v" * 253 for n in range(16)})),
    ("a client property name of 64 characters, a value of 256", with_properties({"k" * 64: "v" * 256})),
]

# What a client may say although this node asked for nothing.
UNASKED = [
    ("an empty command", service.TelemetryCommand()),
    ("a status alone", service.TelemetryCommand(status=definition.Status(code=definition.OK))),
    ("a stack trace", service.TelemetryCommand(thread_stack_trace=service.ThreadStackTrace(nonce="1"))),
    ("a verify result", service.TelemetryCommand(verify_message_result=service.VerifyMessageResult(nonce="1"))),
    ("a server's command", service.TelemetryCommand(
        reconnect_endpoints_command=service.ReconnectEndpointsCommand(nonce="1"))),
    ("a command of tomorrow", service.TelemetryCommand.FromString(b"\xfa\x01\x03abc")),
]


class Stream:
    """A telemetry stream whose commands are sent one by one."""

    def __init__(self, node, client_id=None, headers=None):
        self._commands = queue.Queue()
        headers = metadata(client_id or f"telemetry-{uuid.uuid4()}") if headers is None else headers
        self.call = node.telemetry(iter(self._commands.get, None), headers)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.call.cancel()
        self._commands.put(None)

    def tell(self, settings):
        self.send(service.TelemetryCommand(settings=settings))

    def send(self, command):
        self._commands.put(command)

    def half_close(self):
        self._commands.put(None)

    def answer(self):
        return next(self.call)

    def settings(self):
        """The next command, which must have an OK status beside settings."""
        command = self.answer()
        assert command.status.code == definition.OK, command
        assert command.HasField("settings"), f"a command without settings: {command}"
        return command.settings

    def ended(self):
        """Reads to the end of the stream; returns (gRPC code, its text, the commands that came)."""
        commands = []
        try:
            commands.extend(self.call)
        except grpc.RpcError as error:
            return error.code(), error.details(), commands
        return grpc.StatusCode.OK, "", commands


def run_telemetry(report, nodes):
    for where, node in nodes.items():
        run_settings(report, where, node)
        run_streams(report, where, node)


def run_settings(report, where, node):
    for what, code, settings in ENDED:
        with report.case(f"{where} Telemetry: {what} -> INVALID_ARGUMENT, {code}"), Stream(node) as stream:
            stream.tell(settings)
            status, text, commands = stream.ended()
            assert status == grpc.StatusCode.INVALID_ARGUMENT and not commands, (status, text, commands)
            assert text.startswith(code) and len(text) > len(code) + 10, text
    for what, says, settings in NOT_SERVED:
        with report.case(f"{where} Telemetry: {what} -> NOT_IMPLEMENTED"), Stream(node) as stream:
            stream.tell(settings)
            check_denied(stream, "NOT_IMPLEMENTED", says)
    for what, settings in ANSWERED:
        with report.case(f"{where} Telemetry: {what} -> OK"), Stream(node) as stream:
            stream.tell(settings)
            check_merged(settings, stream.settings())
    for what, command in UNASKED:
        with report.case(f"{where} Telemetry: {what} is ignored"), Stream(node) as stream:
            stream.send(command)
            stream.tell(producer())
            stream.settings()


def check_denied(stream, code, says=""):
    status, text, commands = stream.ended()
    assert status == grpc.StatusCode.OK and len(commands) == 1, (status, text, commands)
    answer = commands[0].status
    assert not commands[0].WhichOneof("command"), commands[0]
    check(Answer(answer.code, answer.message, commands[0]), code, says)


def check_merged(sent, got):
    """What the SDKs need of a reply (RocketMQ 5 API); the rest comes back as it was sent."""
    assert got.client_type == sent.client_type and not got.metric.on, got
    if sent.HasField("publishing"):
        assert got.publishing.max_body_size == 4 << 20 and got.publishing.validate_message_type, got
        assert got.publishing.topics == sent.publishing.topics, got
        assert got.backoff_policy.max_attempts == 3, got
        backoff = got.backoff_policy.exponential_backoff
        assert (backoff.initial, backoff.max) == (seconds("0.01"), seconds(1)) and backoff.multiplier == 2, got
        return
    assert got.subscription.group == sent.subscription.group, got
    assert got.subscription.subscriptions == sent.subscription.subscriptions, got
    assert got.subscription.HasField("fifo") and not got.subscription.fifo, got
    assert got.subscription.receive_batch_size == 32, got
    assert got.subscription.long_polling_timeout == seconds(20), got
    assert got.backoff_policy.max_attempts == 17 and len(got.backoff_policy.customized_backoff.next) == 18, got


def run_streams(report, where, node):
    with report.case(f"{where} Telemetry: no client id -> CLIENT_ID_REQUIRED"):
        with Stream(node, headers=metadata(None)) as stream:
            check_denied(stream, "CLIENT_ID_REQUIRED")
    with report.case(f"{where} Telemetry: the initial metadata comes before the client has said anything"):
        with Stream(node) as stream:
            stream.call.initial_metadata()
    with report.case(f"{where} Telemetry: settings again and again, each answered"), Stream(node) as stream:
        for count in range(5):
            stream.tell(producer(*[f"topic{n}" for n in range(count)]))
            assert len(stream.settings().publishing.topics) == count
    with report.case(f"{where} Telemetry: the namespace comes back unchanged"), Stream(node) as stream:
        settings = consumer()
        settings.subscription.group.resource_namespace = "space"
        stream.tell(settings)
        assert stream.settings().subscription.group.resource_namespace == "space"
    with report.case(f"{where} Telemetry: the client ends the stream -> OK"), Stream(node) as stream:
        stream.tell(producer())
        stream.settings()
        stream.half_close()
        assert stream.ended() == (grpc.StatusCode.OK, "", [])
    with report.case(f"{where} Telemetry: bytes that are no command -> INVALID_ARGUMENT"):
        call = node.channel.stream_stream("/apache.rocketmq.v2.MessagingService/Telemetry")
        try:
            list(call(iter([b"\xff\xff\xff"]), metadata=metadata("garbage"), timeout=DEADLINE))
            raise AssertionError("the stream ended without an error")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    run_several_streams(report, where, node)


def run_several_streams(report, where, node):
    """Streams share the client's fate only together."""
    with report.case(f"{where} Telemetry: three streams of one client, each answered"):
        client = f"several-{uuid.uuid4()}"
        with Stream(node, client) as first, Stream(node, client) as second, Stream(node, client) as third:
            for stream in (second, third, first):
                stream.tell(consumer())
                stream.settings()
    with report.case(f"{where} Telemetry: the end of a stream leaves the client and its settings"):
        client = f"ending-{uuid.uuid4()}"
        with Stream(node, client) as older, Stream(node, client) as newer:
            older.tell(consumer())
            older.settings()
            older.half_close()
            older.ended()
            # A heartbeat without a type is only understood of a client whose settings are known.
            check(node.call("Heartbeat", heartbeat(0, "told"), metadata(client)), "OK")
            newer.half_close()
            newer.ended()
            check(node.call("Heartbeat", heartbeat(0, "told"), metadata(client)), "OK")
